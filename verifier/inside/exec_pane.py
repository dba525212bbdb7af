"""The tmux pane with the agent's bash, as the exec server sees it from outside of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

from verifier.inside.exec_keys import clients
from verifier.inside.exec_processes import stat_fields

RUN = "/run/shell"
_SOCKET = f"{RUN}/tmux"
_TMUX = ["/usr/bin/tmux", "-S", _SOCKET, "-f", "/run/autolab/tmux.conf"]
_TARGET = "agent:0.0"
_SHELL = "exec /bin/bash --noprofile --rcfile /run/autolab/shellrc -i"
_SHOWN_PER_SECOND = 256 * 1024
_BATCH = 2000  # characters of arguments; tmux takes no message above 16 KiB


class PaneError(RuntimeError):
    """tmux does not do what it should."""


class Pane:
    """One tmux server with one pane. `pid` is its bash, `pidfd` becomes readable at bash's end."""

    def __init__(self) -> None:
        self.pid = 0
        self.pidfd: int | None = None
        self._terminal: int | None = None
        self._allowance = 0.0
        self._allowance_at = time.monotonic()

    def start(self, workdir: str) -> None:
        """A new tmux server; the old one is ended. Raises `PaneError`."""
        self.forget()
        _tmux("kill-server")
        Path(RUN, "tmux").unlink(missing_ok=True)
        size = ["-x", "200", "-y", "50"]
        # No client that looks on may change what the agent's programs see of their terminal.
        fixed = [";", "set-option", "-w", "-t", "agent", "window-size", "manual"]
        started = _tmux("new-session", "-d", "-s", "agent", *size, "-c", workdir, _SHELL, *fixed)
        if started is None or started.returncode != 0:
            why = "no free process" if started is None else started.stderr.decode(errors="replace")
            raise PaneError(f"tmux did not start: {why.strip()}")
        self._find()

    def respawn(self, workdir: str) -> None:
        """A new bash in the pane, or a new tmux server when this one does not answer."""
        self.forget()
        answer = _tmux("respawn-pane", "-k", "-t", _TARGET, "-c", workdir, _SHELL)
        if answer is None or answer.returncode != 0:
            self.start(workdir)
        else:
            self._find()

    def _find(self) -> None:
        words = (_ask("#{pane_pid} #{pane_tty}") or "").split()
        if len(words) != 2:
            raise PaneError("tmux does not answer")
        self.pid = int(words[0])
        self.pidfd = os.pidfd_open(self.pid)
        self._terminal = os.open(words[1], os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)

    def forget(self) -> None:
        """Close what belongs to the bash that was."""
        for fd in (self.pidfd, self._terminal):
            if fd is not None:
                os.close(fd)
        self.pid, self.pidfd, self._terminal = 0, None, None

    def how_it_ended(self) -> int | None:
        """The exit status of the bash that has ended, or None when tmux does not know it."""
        for _ in range(50):
            words = (_ask("#{pane_dead} #{pane_dead_status}") or "").split()
            if not words:
                return None
            if words[0] == "1":
                return int(words[1]) if len(words) > 1 else None
            time.sleep(0.01)
        return None

    def type(self, line: str) -> bool:
        """Enter a line at the prompt; False when that was not possible.

        A client that a signal ended had been heard: the line it sent may well be what ended it.
        """
        keys = ("send-keys", "-t", _TARGET)
        answer = _tmux(*keys, "C-u", ";", *keys, "-l", line, ";", *keys, "Enter")
        return _heard(answer)

    def press(self, keystrokes: str) -> bool:
        """Press keys for whatever runs in the pane; False when that was not possible."""
        batch: list[str] = []
        for arguments in clients(keystrokes):
            batch += [*([";"] if batch else []), "send-keys", "-t", _TARGET, *arguments]
            if sum(map(len, batch)) > _BATCH:
                if not _heard(_tmux(*batch)):
                    return False
                batch = []
        return not batch or _heard(_tmux(*batch))

    def text(self) -> bytes | None:
        """What the pane shows, with all that has scrolled out of it; None when tmux is silent."""
        answer = _tmux("capture-pane", "-p", "-J", "-S", "-", "-t", _TARGET)
        return None if answer is None or answer.returncode != 0 else answer.stdout

    def show(self, data: bytes) -> None:
        """Copy output to the pane; dropped where it comes faster than anyone could look."""
        now = time.monotonic()
        allowed = self._allowance + (now - self._allowance_at) * _SHOWN_PER_SECOND
        self._allowance, self._allowance_at = min(allowed, float(_SHOWN_PER_SECOND)), now
        if self._terminal is None or self._allowance < len(data):
            return
        self._allowance -= len(data)
        with contextlib.suppress(OSError):
            os.write(self._terminal, data)

    def foreground(self) -> int | None:
        """The process group that has the terminal, or None."""
        fields = stat_fields(self.pid) if self.pid else None
        return int(fields[5]) if fields and int(fields[5]) > 1 else None


def viewing(write: bool) -> list[str]:
    """The command of a client that shows the session to a person."""
    flags = "ignore-size" if write else "read-only,ignore-size"
    return [*_TMUX[:1], "-u", "-S", _SOCKET, "attach-session", "-t", "agent", "-f", flags]


def move_view(tty: str, direction: str, by: int) -> None:
    """Show another part of a window that is larger than the client; "c" follows the cursor."""
    how = ["-c"] if direction == "c" else [f"-{direction}", str(by)]
    _tmux("refresh-client", "-t", tty, *how)


def _ask(question: str) -> str | None:
    answer = _tmux("display-message", "-p", "-t", _TARGET, question)
    if answer is None or answer.returncode != 0:
        return None
    return answer.stdout.decode(errors="replace")


def _heard(answer: subprocess.CompletedProcess[bytes] | None) -> bool:
    """Whether a client's command arrived; one that a signal ended had been heard."""
    return answer is not None and answer.returncode <= 0


def _tmux(*arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """Run a tmux client; None when there is no process left to run it with."""
    try:
        return subprocess.run(
            [*_TMUX, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
