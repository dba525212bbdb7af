"""`autolab` alone on a real terminal: the app comes up, leaves, and the engine goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def on_a_terminal(shell: Shell, *line: str) -> Iterator[tuple[int, int]]:
    """A command on a terminal of its own: its pid, and our end of the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = shell.command(*line)
        os.execve(command[0], command, {**shell.env, "TERM": "xterm-256color", "LANG": "C.UTF-8"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        yield pid, terminal
    finally:
        os.close(terminal)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_app_opens_and_the_engine_outlives_it(shell: Shell) -> None:
    with on_a_terminal(shell) as (pid, terminal):
        read_until(terminal, b"AutoLab")
        os.write(terminal, b"q")
        read_until(terminal, b"Come back with `autolab`")
        assert exit_code(pid) == 0
    assert shell("engine", "status").returncode == 0


def test_an_unknown_theme_is_named(shell: Shell) -> None:
    with on_a_terminal(shell, "--theme", "sepia") as (pid, terminal):
        assert b"autolab-dark" in read_until(terminal, b"sepia")
        assert exit_code(pid) == 2
