"""`autolab` alone on a real terminal: the app comes up, leaves, and the engine goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time

from tests.cli.conftest import Shell


def read_until(terminal: int, word: bytes, seconds: float = 40) -> bytes:
    """What the terminal was sent until `word` came."""
    seen, deadline = b"", time.monotonic() + seconds
    while word not in seen:
        assert time.monotonic() < deadline, seen[-500:]
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    assert word in seen
    return seen


def open_app(shell: Shell, *line: str) -> tuple[int, int]:
    """Start a command on a terminal of its own: its pid, and our end of the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = shell.command(*line)
        os.execve(command[0], command, {**shell.env, "TERM": "xterm-256color", "LANG": "C.UTF-8"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return pid, terminal


def test_the_app_opens_and_the_engine_outlives_it(shell: Shell) -> None:
    pid, terminal = open_app(shell)
    try:
        read_until(terminal, b"AutoLab")
        os.write(terminal, b"q")
        read_until(terminal, b"Come back with `autolab`")
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert shell("engine", "status").returncode == 0


def test_an_unknown_theme_is_named(shell: Shell) -> None:
    pid, terminal = open_app(shell, "--theme", "sepia")
    try:
        said = read_until(terminal, b"sepia")
    finally:
        os.close(terminal)
    assert b"autolab-dark" in said
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
