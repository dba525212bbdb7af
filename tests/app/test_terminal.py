"""The app in a real pseudo-terminal, and what goes over the wire."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from autolab_tui import preferences
from autolab_tui.glyphs import UNICODE, terminal_is_unicode, to_ascii
from autolab_tui.plain import width
from autolab_tui.terminal import AsciiFilter, refusal
from tests.app.journal import Journal
from tests.app.served import EngineServer

ROOT = Path(__file__).resolve().parents[2]
# The app as `autolab` runs it, but with a clock that stands still.
PROGRAM = """
import os, sys
from pathlib import Path
from autolab_tui.app import AutolabApp
from engine.client import EngineClient
from engine.clock import Clock
clock = Clock(boot=lambda: "b", now=lambda: 100.0, wall=lambda: 1764000000.0)
app = AutolabApp(EngineClient(Path(sys.argv[1])), clock=clock, config=Path(sys.argv[2]))
app.run()
"""


class Terminal:
    """A program on a pseudo-terminal, and the screen that its output makes."""

    def __init__(self, arguments: list[str], size: tuple[int, int], **environ: str) -> None:
        self.screen = pyte.Screen(*size)
        self.stream = pyte.ByteStream(self.screen)
        self.sent, self.received = 0, bytearray()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
            # Those who draw pictures in this process leave the size of theirs behind.
            kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
            os.execve(sys.executable, arguments, {**kept, **settings, **environ})
        self.resize(*size)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def read(self, seconds: float) -> None:
        """Take what comes, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                return
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.sent += len(data)
            self.received += data
            # pyte prints the private modes and queries that it does not know.
            self.stream.feed(_without_queries(data))

    def until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, f"{what} never came:\n{self.text()}"
            self.read(0.05)

    def settle(self) -> None:
        """Wait until nothing has come for a while."""
        while True:
            before = self.sent
            self.read(0.4)
            if self.sent == before:
                return

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def cells(self) -> list[list[tuple[object, ...]]]:
        """Every cell with its looks."""
        screen = self.screen
        return [
            [looks(screen.buffer[y][x]) for x in range(screen.columns)] for y in range(screen.lines)
        ]

    def wait(self) -> int:
        """The exit code, once it ends."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.read(0.05)
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it did not end:\n{self.text()}")

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def looks(cell: Any) -> tuple[Any, ...]:
    """What can be seen of a cell: a blank shows no ink."""
    ink = (cell.fg, cell.bold, cell.italics) if cell.data.strip() or cell.reverse else ()
    return (cell.data, cell.bg, cell.underscore, cell.reverse, *ink)


def _without_queries(data: bytes) -> bytes:
    for query in (b"\x1b[?2026$p", b"\x1b[?2048$p", b"\x1b[>1u", b"\x1b[<u", b"\x1b[?u"):
        data = data.replace(query, b"")
    return data


@contextmanager
def terminal(arguments: list[str], size: tuple[int, int], **environ: str) -> Iterator[Terminal]:
    opened = Terminal(arguments, size, **environ)
    try:
        yield opened
    finally:
        opened.close()


def still_app(engine: EngineServer, folder: Path) -> list[str]:
    engine.beat = 3600
    return [sys.executable, "-c", PROGRAM, str(engine.server_address), str(folder)]


def differing(
    seen: list[list[tuple[Any, ...]]], now: list[list[tuple[Any, ...]]]
) -> list[tuple[Any, ...]]:
    """The cells that differ, with where they are; the heart that beats may have moved on."""
    return [
        (y, x, before, after)
        for y, (row, other) in enumerate(zip(seen, now, strict=True))
        for x, (before, after) in enumerate(zip(row, other, strict=True))
        if before != after and not {before[0], after[0]} <= set(UNICODE.pulse)
    ]


def test_a_terminal_that_shrank_and_grew_at_once_is_whole(
    engine: EngineServer, tmp_path: Path
) -> None:
    with terminal(still_app(engine, tmp_path), (80, 24)) as at:
        at.until(lambda: "done 16:" in at.text(), "the fleet and its outlook")
        at.settle()
        seen = at.cells()
        at.resize(70, 24)
        at.resize(80, 24)
        at.until(lambda: differing(seen, at.cells()) == [], "all of the columns again")


def test_a_size_that_no_signal_told_of_is_taken_up(engine: EngineServer, tmp_path: Path) -> None:
    deaf = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})\n"
    python, flag, program, *rest = still_app(engine, tmp_path)
    with terminal([python, flag, deaf + program, *rest], (80, 24)) as at:
        at.until(lambda: "improved 37s ago" in at.text(), "the fleet, two lines a session")
        at.settle()
        at.resize(200, 50)
        at.until(lambda: "last verdict" in at.text(), "the columns of a wide terminal")


def test_a_size_that_was_exported_is_not_believed(engine: EngineServer, tmp_path: Path) -> None:
    exported = {"COLUMNS": "60", "LINES": "20"}
    with terminal(still_app(engine, tmp_path), (200, 50), **exported) as at:
        at.until(lambda: "last verdict" in at.text(), "the columns of a wide terminal")


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_frames_of_changes_equal_a_full_repaint(
    engine: EngineServer, tmp_path: Path, size: tuple[int, int]
) -> None:
    with terminal(still_app(engine, tmp_path), size) as at:
        at.until(lambda: "median_filter" in at.text(), "the fleet")
        # Moves, a popup and its end, a toast, another screen, scrolling, changes from the engine.
        for keys in ("j", "j", "k", "?", "\x1b", "x", "n", "/", "median", "\r", "\x1b", "\r", "b",
                     "\t", "g", "j", " ", "j", "G", "]", "z", "q", "\t", "j"):  # fmt: skip
            at.press(keys)
            at.read(0.12)
        before = len(engine.journal.events)
        engine.journal.verdict("s-rising", 230, 0.463, speedup=33.0)
        engine.journal.tool("s-hasty", "世界 wide characters é and accents e\u0301")
        for event in engine.journal.events[before:]:
            for follower in list(engine.followers):
                follower.put(event)
        at.until(lambda: "0.463" in at.text(), "the new verdict")
        at.settle()
        seen = at.cells()
        at.resize(size[0] - 1, size[1])
        at.settle()
        at.resize(*size)
        deadline = time.monotonic() + 10
        repainted = at.cells()
        while (
            differing(seen, repainted) and time.monotonic() < deadline
        ):  # a busy machine draws late
            at.settle()
            repainted = at.cells()
        assert differing(seen, repainted) == []


def test_whole_regions_can_be_asked_for(engine: EngineServer, tmp_path: Path) -> None:
    sent = {}
    for every in ("0", "1"):
        with terminal(still_app(engine, tmp_path), (120, 40), AUTOLAB_FULL_FRAMES=every) as at:
            at.until(lambda: "median_filter" in at.text(), "the fleet")
            at.settle()
            at.press("?")
            at.until(lambda: "Open the session" in at.text(), "the help")
            at.settle()
            sent[every] = at.sent
    assert sent["1"] > sent["0"]


def test_a_still_screen_sends_nothing(engine: EngineServer, tmp_path: Path) -> None:
    with terminal(still_app(engine, tmp_path), (120, 40)) as at:
        at.until(lambda: "median_filter" in at.text(), "the fleet")
        at.settle()
        windows = []
        for _ in range(3):  # one of them may hold the moment in which silence makes the data stale
            before = at.sent
            at.read(2.0)
            windows.append(at.sent - before)
        assert min(windows) < 200


def test_a_second_of_life_costs_few_bytes(
    engine: EngineServer, tmp_path: Path, journal: Journal
) -> None:
    """Heartbeats, ages and an activity each second: what an operator's link carries all day."""
    arguments = [
        sys.executable, "-c",
        "import sys; from pathlib import Path; from autolab_tui.opening import run; "
        "sys.exit(run(Path(sys.argv[1])))", str(engine.server_address),
    ]  # fmt: skip
    engine.beat = 0.5
    with terminal(arguments, (80, 24), AUTOLAB_CONFIG=str(tmp_path)) as at:
        at.until(lambda: "median_filter" in at.text(), "the fleet")
        at.read(2.0)
        before = at.sent
        for _ in range(4):
            journal.now += 1
            at.read(1.0)
        assert at.sent > before
        assert (at.sent - before) / 4 < 1500


def test_leaving_restores_the_terminal_and_says_how_to_come_back(
    engine: EngineServer, tmp_path: Path
) -> None:
    arguments = [
        sys.executable, "-c",
        "import sys; from pathlib import Path; from autolab_tui.opening import run; "
        "sys.exit(run(Path(sys.argv[1]), mouse=False))", str(engine.server_address),
    ]  # fmt: skip
    with terminal(arguments, (80, 24), AUTOLAB_CONFIG=str(tmp_path)) as at:
        at.until(lambda: "median_filter" in at.text(), "the fleet")
        at.press("q")
        assert at.wait() == 0
        assert "2 sessions go on without this screen. Come back with `autolab`." in at.text()


@pytest.mark.parametrize("keys", ["\x11", "\x03\x03"])  # ctrl+q, ctrl+c twice
def test_a_call_that_hangs_holds_nobody_up(engine: EngineServer, tmp_path: Path, keys: str) -> None:
    hanging = PROGRAM.replace(
        "app = ",
        """import time
EngineClient.gpus = lambda *_: Path(sys.argv[3]).touch() or time.sleep(3600)
app = """,
    )
    asked = tmp_path / "asked"
    program = [sys.executable, "-c", hanging, str(engine.server_address), str(tmp_path), str(asked)]
    with terminal(program, (80, 24)) as at:
        at.until(lambda: "median_filter" in at.text(), "the fleet")
        at.press("5")
        at.until(asked.exists, "the call")
        at.press(keys)
        assert at.wait() == 0


def test_terminated_it_gives_the_terminal_back(engine: EngineServer, tmp_path: Path) -> None:
    with terminal(still_app(engine, tmp_path), (80, 24)) as at:
        at.until(lambda: "median_filter" in at.text(), "the fleet")
        at.received.clear()
        os.kill(at.pid, signal.SIGTERM)
        assert at.wait() == 0
        assert b"\x1b[?1049l" in at.received and b"\x1b[?1003l" in at.received


def test_a_dropped_line_leaves_word_of_what_was_open(engine: EngineServer, tmp_path: Path) -> None:
    with terminal(still_app(engine, tmp_path), (80, 24)) as at:
        at.until(lambda: "median_filter" in at.text(), "the fleet")
        at.press("3")
        at.until(lambda: "leaderboard" in at.text(), "another screen")
        os.kill(at.pid, signal.SIGHUP)  # what the system sends when the terminal is gone
        assert at.wait() == 0
        assert preferences.load(tmp_path).screen == "leaderboard"


@pytest.mark.parametrize(
    "environ", [{"NO_COLOR": "1"}, {"LC_ALL": "C"}, {"COLORTERM": "", "TERM": "xterm"}]
)
def test_poorer_terminals_show_the_same_words(
    engine: EngineServer, tmp_path: Path, environ: dict[str, str]
) -> None:
    arguments = [
        sys.executable, "-c",
        "import sys; from pathlib import Path; from autolab_tui.opening import run; "
        "sys.exit(run(Path(sys.argv[1])))", str(engine.server_address),
    ]  # fmt: skip
    with terminal(arguments, (80, 24), AUTOLAB_CONFIG=str(tmp_path), **environ) as at:
        for word in ("median_filter", "running", "finished", "engine live", "0.421"):
            at.until(lambda word=word: word in at.text(), word)
        if "LC_ALL" in environ:
            at.read(0.5)
            assert at.text().isascii()


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_dumb_terminal_is_sent_to_watch(tmp_path: Path, term: str) -> None:
    arguments = [
        sys.executable, "-c",
        "import sys; from pathlib import Path; from autolab_tui.opening import run; "
        "sys.exit(run(Path('/nonexistent/s')))",
    ]  # fmt: skip
    with terminal(arguments, (80, 24), AUTOLAB_CONFIG=str(tmp_path), TERM=term) as at:
        assert at.wait() == 1
        assert "autolab watch" in at.text().replace("\n", "")


def test_without_a_terminal_it_says_what_to_use() -> None:
    assert "autolab watch" in refusal({"TERM": "xterm"}, is_terminal=False)
    assert refusal({"TERM": "xterm"}, is_terminal=True) == ""


def test_starting_loads_no_more_than_it_needs() -> None:
    heavy = "pydantic pydantic_settings httpx starlette uvicorn anyio sqlite3"
    code = f"import sys, autolab_tui.app; print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_themes_and_preferences_load_without_textual() -> None:
    code = (
        "import sys, autolab_tui.themes as t, autolab_tui.preferences; t.shipped();"
        "print('textual' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "False"


@given(st.text())
def test_ascii_keeps_widths(text: str) -> None:
    text = "".join(c for c in text if c.isprintable())
    assert to_ascii(text).isascii()


def test_the_ascii_filter_keeps_cells() -> None:
    segments = [Segment("│ 世界 — ✓", Style(bold=True))]
    (made,) = AsciiFilter().apply(segments, Color(0, 0, 0))
    assert made.text == "| ???? - +"
    assert width(made.text) == width(segments[0].text)


@pytest.mark.parametrize(
    ("environ", "unicode"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C.utf8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_CTYPE": "de_DE.ISO-8859-1"}, False),
        ({"LANG": "en_US.UTF-8", "AUTOLAB_ASCII": "1"}, False),
    ],
)
def test_the_locale_decides_about_unicode(environ: dict[str, str], unicode: bool) -> None:
    assert terminal_is_unicode(environ) is unicode
