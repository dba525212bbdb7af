"""What the terminal app costs: bytes to the terminal, CPU, memory, first paint, keys.

The real app on a real pseudo-terminal, reading a served journal whose sessions change. First paint
is compared with a Textual app that shows nothing, started in turn with it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import memory, table
from engine.events import ActivityChanged
from tests.app.journal import Journal
from tests.app.served import EngineServer, serve

SESSIONS = 64
SECONDS = 20.0
SIZES = ((80, 24), (200, 50))
STARTS = 7
APP = (
    "import sys; from pathlib import Path; from autolab_tui.opening import run; "
    "sys.exit(run(Path(sys.argv[1])))"
)
BLANK = "from textual.app import App; App().run()"


class Cost(NamedTuple):
    """Bytes a second to the terminal, share of a core, resident bytes."""

    sent: float
    cpu: float
    resident: int


class Screen:
    """A program on a pseudo-terminal of a size; `sent` counts the bytes that it wrote."""

    def __init__(
        self,
        line: list[str],
        size: tuple[int, int],
        config: Path,
        also: Mapping[str, str] | None = None,
    ) -> None:
        self.sent = 0
        self.began = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
            environ = {**os.environ, **settings, "AUTOLAB_CONFIG": str(config), **(also or {})}
            os.execve(line[0], line, environ)
        rows = struct.pack("HHHH", size[1], size[0], 0, 0)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, rows)

    def read(self, seconds: float, wanted: bytes = b"") -> bool:
        """Take what comes for so long, or until `wanted` has come; whether it has."""
        end, seen = time.monotonic() + seconds, bytearray()
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                break
            self.sent += len(data)
            seen += data
            if wanted and wanted in seen:
                return True
        return False

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far, all threads, to the nanosecond."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def close(self) -> None:
        """End it: gently, and if that does not help, at once."""
        os.kill(self.pid, signal.SIGTERM)
        end = time.monotonic() + 5.0
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            self.read(0.05)  # what cannot write cannot end
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                end = float("inf")
        os.close(self.fd)


def fleet(*, over: bool = False) -> Journal:
    """64 sessions at work, or over, each with verdicts."""
    journal = Journal()
    journal.engine()
    names = [f"s-{n:02}" for n in range(SESSIONS)]
    journal.run("r-1", names)
    for n, name in enumerate(names):
        journal.create(name, f"task_{n % 12}", f"acme/model-{n % 5}", "r-1", active=7200.0)
        journal.start(name)
        journal.wait(3)
        for step in range(n % 6):
            journal.verdict(name, 30.0 * (step + 1), 0.08 * (step + 1), speedup=1.5 + step)
        if over:
            journal.end(name, 0.08, "ended", "it was done")
    return journal


@contextmanager
def app(
    size: tuple[int, int], journal: Journal, beat: float = 1.0
) -> Iterator[tuple[Screen, EngineServer]]:
    """The app on a served journal, after its first seconds."""
    with tempfile.TemporaryDirectory(prefix="al-") as folder:
        path = Path(folder) / "s"
        with serve(path, journal) as server:
            server.beat = beat
            screen = Screen([sys.executable, "-c", APP, str(path)], size, Path(folder))
            try:
                screen.read(20.0, b"task_")
                screen.read(3.0)
                yield screen, server
            finally:
                screen.close()


def cost(
    size: tuple[int, int], journal: Journal, change: Callable[[EngineServer, int], None]
) -> Cost:
    """What a second costs in which `change` is called once."""
    with app(size, journal) as (screen, server):
        sent, cpu = screen.sent, screen.cpu
        for second in range(int(SECONDS)):
            journal.now += 1
            change(server, second)
            screen.read(1.0)
        return Cost(
            (screen.sent - sent) / SECONDS, (screen.cpu - cpu) / SECONDS, memory(screen.pid)
        )


def half_change(server: EngineServer, second: int) -> None:
    """Every other session does something else; one has a verdict."""
    for n in range(second % 2, SESSIONS, 2):
        said = f"bash make bench {second}"
        server.publish(ActivityChanged(activity=said), f"s-{n:02}")
    name = f"s-{second % SESSIONS:02}"
    before = len(server.journal.events)
    server.journal.verdict(name, 400.0 + second, 0.5, speedup=9.0)
    for event in server.journal.events[before:]:
        for follower in list(server.followers):
            follower.put(event)


def nothing(server: EngineServer, second: int) -> None:
    """Only heartbeats."""
    del server, second


class Started(NamedTuple):
    """Seconds from the start of a program to what was waited for: of time, and of its CPU."""

    took: float
    cpu: float


def first_paint(line: list[str], config: Path, wanted: bytes) -> Started:
    """How long it takes until a program shows something."""
    screen = Screen(line, (120, 40), config)
    try:
        screen.read(30.0, wanted)
        return Started(time.monotonic() - screen.began, screen.cpu)
    finally:
        screen.close()


def starts(socket: Path, config: Path, row: bytes, times: int) -> tuple[Started, Started, Started]:
    """Medians of the app's first frame, its whole fleet with `row` in it, and a blank Textual app.

    They start in turn. The first start of each, which may have to compile, does not count. CPU is
    what to compare on a busy machine.
    """
    line = [sys.executable, "-c", APP, str(socket)]
    bare = [sys.executable, "-c", BLANK]
    # The strip begins with the name and two blanks; the terminal's title, which comes before it,
    # does not. The first thing that a blank app draws is its background.
    waited = ((line, b"AutoLab  "), (line, row), (bare, b"\x1b[48;2;"))
    found: list[list[Started]] = [[], [], []]
    for _ in range(times + 1):
        for kept, (program, wanted) in zip(found, waited, strict=True):
            kept.append(first_paint(program, config, wanted))
    first, whole, blank = (
        Started(
            statistics.median(one.took for one in kept[1:]),
            statistics.median(one.cpu for one in kept[1:]),
        )
        for kept in found
    )
    return first, whole, blank


def paint_rows(first: Started, whole: Started, blank: Started) -> list[list[str]]:
    """The three of them, each beside the blank one."""
    named = (("first frame", first), ("the whole fleet", whole), ("a blank Textual app", blank))
    return [
        [
            name,
            f"{one.took:.3f} s",
            f"{one.took / blank.took:.2f}",
            f"{one.cpu:.3f} s",
            f"{one.cpu / blank.cpu:.2f}",
        ]
        for name, one in named
    ]


def key_latency() -> dict[str, float]:
    """Median seconds from a key to the first byte that answers it."""
    found: dict[str, list[float]] = {}
    with app((200, 50), fleet()) as (screen, _):
        for name, key in (("cursor", b"j"), ("screen", b"\r"), ("sort", b"s")):
            for _ in range(7):
                screen.read(1.3)
                begun = time.monotonic()
                os.write(screen.fd, key)
                select.select([screen.fd], [], [], 2.0)
                found.setdefault(name, []).append(time.monotonic() - begun)
                screen.read(0.2)
                if name == "screen":
                    os.write(screen.fd, b"q")
                    screen.read(0.3)
    return {name: statistics.median(times) for name, times in found.items()}


def report() -> str:
    """All of it as tables."""
    rows = []
    for columns, lines in SIZES:
        for what, over, change in (
            ("half of 64 change", False, half_change),
            ("64 at work, no news", False, nothing),
            ("all are over", True, nothing),
        ):
            found = cost((columns, lines), fleet(over=over), change)
            rows.append(
                [
                    f"{what}, {columns}x{lines}",
                    f"{found.sent:.0f}",
                    f"{found.cpu:.1%}",
                    f"{found.resident / 1e6:.0f}",
                ]
            )
    parts = [table("the app on a terminal", ("", "bytes/s", "of a core", "MB"), rows)]
    with tempfile.TemporaryDirectory(prefix="al-") as folder, serve(Path(folder) / "s", fleet()):
        shown = starts(Path(folder) / "s", Path(folder), b"task_", STARTS)
    head = ("", "took", "ratio", "CPU", "ratio")
    parts.append(table("until something is shown", head, paint_rows(*shown)))
    keys = [[name, f"{seconds * 1000:.0f}"] for name, seconds in key_latency().items()]
    parts.append(table("from a key to its answer", ("", "ms"), keys))
    return "\n".join(parts)
