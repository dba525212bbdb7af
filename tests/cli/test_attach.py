"""`autolab attach` in a real terminal, on a session that means harm."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from autolab_tui.attached import Press, presses, status_line
from tests.cli import shapes
from tests.cli.conftest import Shell
from tests.cli.test_with_engine import launch, until
from tests.engine.support import ChatServer, Reply, sse, tool_turn

pytestmark = pytest.mark.usefixtures("sandbox_backend")

# What an agent sends straight to the terminals of those who look, past its own tmux.
HOSTILE = (
    r"\033]52;c;ZXZpbA==\007\033]0;evil\007\033[c\033[6n\033P\$qm\033\\\\\033[?1049l\033[?1000h"
    r"\033[8;1;1t\033_Gf=32;AAAA\033\\\\\033c\033[999;1Hroot@host:~# \033[!p\033(0"
)
HARM = (
    "while :; do for t in /dev/pts/[1-9]*; do printf '" + HOSTILE + "' > $t; done 2>/dev/null; "
    "echo line-$((i++)); sleep 0.1; done"
)


class Terminal:
    """A terminal of 80 by 24 with a program in it, as pyte draws it. `raw` is all that came."""

    def __init__(self, shell: Shell, *line: str) -> None:
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update({**shell.env, "TERM": "xterm-256color"})
            command = shell.command(*line)
            os.execv(command[0], command)
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.master)

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float = 0.1) -> bool:
        """Take what comes; False at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def until(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "\n".join(self.screen.display)
            assert self.read(), "\n".join(self.screen.display)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + 30
        while self.read():
            assert time.monotonic() < deadline, "\n".join(self.screen.display)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)

    @property
    def last(self) -> str:
        return self.screen.display[-1]

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)


@pytest.fixture
def working(shell: Shell) -> Iterator[tuple[Shell, str]]:
    """A shell and a session whose agent prints lines and attacks whoever looks."""
    turn = tool_turn("bash", {"command": HARM})
    with ChatServer(lambda _, n: Reply(sse(turn))) as server:
        run = launch(
            shell,
            *("--task", "rack_placement", "--size", "quick", "--model", "local/m"),
            *("--provider", f"local={server.url}", "--budget", "active=30m"),
        )
        until(shell, {"running"})
        yield shell, f"{run}-01"
        shell("stop", run)
        until(shell, {"finished"})


def test_a_hostile_session_is_looked_at_in_peace(working: tuple[Shell, str]) -> None:
    shell, session = working
    terminal = Terminal(shell, "attach", session)
    terminal.until(lambda: "line-" in terminal.text and "root@host" in terminal.text)
    assert f" {session} | read-only | q detaches" in terminal.last
    # What an agent sends for the last row lands in its own part, and ours is drawn after it.
    assert "root@host" not in terminal.last

    terminal.resize(60, 15)
    terminal.until(lambda: session in terminal.last and "line-" in terminal.text)
    terminal.press(b"x\x1b[C\x1b[B")  # means nothing; and moves of the view
    terminal.press(b"q")
    assert terminal.end() == 0
    assert b"detached" in terminal.raw

    sent = terminal.raw.decode()
    ours = r"\x1b\[\?1049[hl]|\x1b7|\x1b8|\x1b\[r"
    harmless = r"\x1b\[[0-9;]*[A-HJ-MPSTXdmr@]|\x1b\[\?25[hl]|\x1b[DEM]"
    rest = re.sub(f"{ours}|{harmless}", "", sent)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", rest), ascii(rest)
    assert sent.count("\x1b[?1049h") == sent.count("\x1b[?1049l") == 1
    assert "evil\x07" not in sent  # its letters may be: the shell shows the line that is typed
    [seen] = json.loads(shell("status", session, "--json").stdout)["sessions"]
    assert seen["assisted"] is False


def test_every_way_out_leaves_the_terminal_as_it_was(working: tuple[Shell, str]) -> None:
    shell, session = working
    for how in (b"\x1c", b"\x03", b"\x04", b"\x02d", signal.SIGTERM, signal.SIGHUP):
        terminal = Terminal(shell, "attach", session)
        terminal.until(lambda: "line-" in terminal.text)  # noqa: B023 - called at once
        assert termios.tcgetattr(terminal.master) != terminal.before
        if isinstance(how, bytes):
            terminal.press(how)
        else:
            os.kill(terminal.pid, how)
        deadline = time.monotonic() + 20
        while termios.tcgetattr(terminal.master) != terminal.before:
            assert time.monotonic() < deadline
            terminal.read(0.05)
        assert terminal.end() == 0
        assert b"\x1b[?1049l" in terminal.raw


def test_typing_goes_in_and_is_on_record(working: tuple[Shell, str]) -> None:
    shell, session = working
    terminal = Terminal(shell, "attach", session, "--write", "--why", "it hangs")
    terminal.until(lambda: "line-" in terminal.text)
    assert f" {session} | WRITE | Ctrl-\\ detaches" in terminal.last
    terminal.press(b"q")  # goes in, and means nothing to us
    place = json.loads((shell.folder / "sessions" / session / "place.json").read_text())
    file = Path(place["directory"], "by-hand")
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline
        # Ctrl-C ends the command; whatever its next one is, keys wait at the prompt.
        terminal.press(b"\x03echo typed > /app/by-hand\r")
        for _ in range(10):
            terminal.read(0.05)
    terminal.press(b"\x1c")
    assert terminal.end() == 0
    [seen] = json.loads(shell("status", session, "--json").stdout)["sessions"]
    assert seen["assisted"] is True
    run = session.rpartition("-")[0]
    shell("stop", run)
    until(shell, {"finished"})
    assert "attach by" in shell("watch", run, "--all").stdout
    assert "it hangs" in shell("watch", run, "--all").stdout


def test_an_engine_that_is_killed_ends_it_with_the_reason(working: tuple[Shell, str]) -> None:
    shell, session = working
    terminal = Terminal(shell, "attach", session)
    terminal.until(lambda: "line-" in terminal.text)
    pid = json.loads(shell("engine", "status", "--json").stdout)["pid"]
    os.kill(pid, signal.SIGKILL)
    assert terminal.end() == 1
    assert b"closed the stream" in terminal.raw
    assert b"autolab engine start" in terminal.raw
    assert shell("engine", "start").returncode == 0


def test_a_paused_session_says_so_and_is_left_and_goes_on(working: tuple[Shell, str]) -> None:
    shell, session = working
    before = Terminal(shell, "attach", session)
    before.until(lambda: "line-" in before.text)
    assert shell("pause", session, "--why", "lunch").returncode == 0
    before.until(lambda: "stands still (paused, operator: lunch" in before.last)
    until(shell, {"paused"})
    while_paused = Terminal(shell, "attach", session)
    while_paused.until(lambda: "stands still (paused, operator: lunch" in while_paused.last)
    assert "line-" not in while_paused.text
    gone = Terminal(shell, "attach", session)
    gone.until(lambda: "stands still" in gone.last)
    gone.press(b"q")
    assert gone.end() == 0
    assert shell("resume", session).returncode == 0
    while_paused.until(lambda: "line-" in while_paused.text)
    before.until(lambda: "arrows move" in before.last)
    for terminal in (before, while_paused):
        terminal.press(b"q")
        assert terminal.end() == 0


def test_the_end_of_the_session_ends_it(working: tuple[Shell, str]) -> None:
    shell, session = working
    terminal = Terminal(shell, "attach", session)
    terminal.until(lambda: "line-" in terminal.text)
    shell("stop", session)
    assert terminal.end() == 0
    assert b"the session is over" in terminal.raw or b"ended" in terminal.raw
    until(shell, {"finished"})
    again = shell("attach", session, "--json")
    assert again.returncode == 1
    assert f"autolab logs {session}" in again.stderr


def test_lines_for_programs_and_plans(working: tuple[Shell, str]) -> None:
    shell, session = working
    planned = json.loads(shell("attach", session, "--write", "--dry-run", "--json").stdout)
    shapes.check(planned)
    assert planned["write"] is True
    process = Terminal(shell, "attach", session, "--json")
    process.until(lambda: process.raw.count(b"\n") > 3)
    os.kill(process.pid, signal.SIGINT)
    process.end()
    line = json.loads(process.raw.splitlines()[0])
    shapes.check(line)
    assert (line["session"], line["over"]) == (session, None)
    [seen] = json.loads(shell("status", session, "--json").stdout)["sessions"]
    assert seen["assisted"] is False
    for wrong, said in (
        (("attach", session), "needs a terminal"),
        (("attach", session, "--why", "x"), "--write"),
        (("attach", session, "--write", "--json"), "--json only looks"),
    ):
        done = shell(*wrong)
        assert (done.returncode, said in done.stderr) == (2, True)


def test_what_keys_mean_to_who_only_looks() -> None:
    def meant(keys: bytes) -> list[Press]:
        return list(presses(keys))

    for leaving in (b"q", b"\x03", b"\x04", b"\x1c", b"\x02d", b"xyz\x1b[Aq"):
        assert meant(leaving)[-1] == Press(leave=True)
    assert meant(b"\x1b[A\x1bOB\x1b[C\x1b[Dc") == [Press(pan=p) for p in "UDRLc"]
    assert meant(b"hello \x1b[1;5A \x02x \x1b") == []


def test_the_last_row_fits_and_says_what_matters() -> None:
    assert status_line("r-01", False, "", "", 80).startswith(" r-01 | read-only | q detaches | ")
    still = status_line("r-01", True, "paused: lunch", "", 80)
    assert still.startswith(" r-01 | WRITE | Ctrl-\\ detaches | stands still (paused: lunch)")
    for columns in (1, 10, 80, 200):
        line = status_line("r-01", False, "\x1b[2Jbad\x07", "", columns)
        assert len(line) == columns
        assert line.isprintable()
