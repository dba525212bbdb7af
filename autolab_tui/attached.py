"""An agent's terminal in the operator's: raw keys in, sieved output, and a line that is ours.

The agent's part of the screen is all but the last row. That row says whose terminal this is, and is
drawn after whatever the agent shows, so that nothing inside can pass itself off as the operator's
own shell.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from autolab_tui.plain import fit, plain
from autolab_tui.sieve import Sieve
from engine.client import EngineDownError, EngineRefusedError
from engine.client.terminal import Over, Shown, Still, TerminalStream

DETACH = b"\x1c"  # Ctrl-\
_LOOKING_ENDS = (b"q", b"\x03", b"\x04", DETACH)  # for who only looks: q, Ctrl-C, Ctrl-D
_PREFIX, _PREFIX_ENDS = b"\x02", b"d"  # Ctrl-b d, as in tmux
_ARROWS = {b"A": "U", b"B": "D", b"C": "R", b"D": "L"}
_STEP_COLUMNS, _STEP_ROWS = 20, 5
_ENTER = "\x1b[?1049h\x1b[0m\x1b[2J"
# Cleared first: tmux puts what a resized alternate screen showed into the main one.
_LEAVE = "\x1b[r\x1b[0m\x1b[H\x1b[2J\x1b[?25h\x1b[?1049l"
_LEAST_ROWS = 2


@dataclass(frozen=True, slots=True)
class Press:
    """What a key means to who only looks: to leave, or to move the view."""

    leave: bool = False
    pan: str = ""


def presses(keys: bytes) -> Iterator[Press]:
    """What keys mean to who only looks, in order. What means nothing is passed over."""
    at = 0
    while at < len(keys):
        key = keys[at : at + 1]
        if key in _LOOKING_ENDS or keys[at : at + 2] == _PREFIX + _PREFIX_ENDS:
            yield Press(leave=True)
            return
        if keys[at : at + 2] in (b"\x1b[", b"\x1bO") and keys[at + 2 : at + 3] in _ARROWS:
            yield Press(pan=_ARROWS[keys[at + 2 : at + 3]])
            at += 2
        elif key == b"c":
            yield Press(pan="c")
        at += 1


def status_line(name: str, write: bool, still: str, trouble: str, columns: int) -> str:
    """The last row: whose terminal this is, whether it stands still, and the way out."""
    how, way_out = ("WRITE", "Ctrl-\\ detaches") if write else ("read-only", "q detaches")
    news = trouble or (f"stands still ({still})" if still else "")
    if not news and not write:
        news = "arrows move the view, c follows"
    parts = [name, how, way_out, *([news] if news else [])]
    return fit(f" {plain(' | '.join(parts))}", columns)


class Attached:
    """One terminal shown in another. `run` returns why it ended."""

    def __init__(
        self, stream: TerminalStream, name: str, *, write: bool, keys: int, screen: int
    ) -> None:
        self._stream = stream
        self._name = name
        self._write = write
        self._keys = keys
        self._screen = screen
        self._columns, self._rows = size_of(screen)
        self._sieve = Sieve(self._rows)
        self._order = threading.Lock()  # between what is shown and a change of size
        self._still = self._trouble = ""
        self._why = ""
        self._lost: EngineDownError | None = None
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._woken, False)

    def run(self) -> str:
        """Show it until the operator leaves or it ends; the terminal is then as it was.

        Raises `EngineDownError` when the engine was lost.
        """
        reader = threading.Thread(target=self._read, name="attached", daemon=True)
        with self._signals(), raw(self._keys):
            self._put(_ENTER + self._margins())
            try:
                reader.start()
                self._type()
            finally:
                self._stream.close()
                reader.join(timeout=5)
                self._put(_LEAVE)
        os.close(self._wake)
        os.close(self._woken)
        if self._lost is not None and not self._why:
            raise self._lost
        return self._why

    # what is shown; on a thread of its own

    def _read(self) -> None:
        try:
            for told in self._stream:
                match told:
                    case Shown(data):
                        self._show(data)
                    case Still(why):
                        self._say(still=why)
                    case Over(why):
                        self._end(why)
                        return
        except EngineDownError as error:
            self._lost = error
            self._poke(b"e")
        except OSError as error:  # our own terminal has gone
            self._end(f"the terminal cannot be written: {error}")

    def _show(self, data: bytes) -> None:
        with self._order:
            self._put(self._sieve.take(data) + self._status())

    def _say(self, *, still: str | None = None, trouble: str = "") -> None:
        with self._order:
            self._still = self._still if still is None else still
            self._trouble = trouble
            self._put(self._status())

    def _end(self, why: str) -> None:
        self._why = why
        self._poke(b"e")

    def _status(self) -> str:
        """The last row, drawn without moving the agent's cursor."""
        line = status_line(self._name, self._write, self._still, self._trouble, self._columns)
        return f"\x1b7\x1b[{self._rows + 1};1H\x1b[0;7m{line}\x1b[0m\x1b8"

    def _margins(self) -> str:
        return f"\x1b[1;{self._rows}r\x1b[1;1H{self._status()}"

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._screen, data) :]

    # keys; on the thread that called `run`

    def _type(self) -> None:
        while True:
            ready, _, _ = select.select([self._keys, self._wake], [], [])
            if self._wake in ready and not self._on_signal(os.read(self._wake, 64)):
                return
            if self._keys in ready:
                keys = os.read(self._keys, 4096)
                if not keys or not (self._write_keys(keys) if self._write else self._look(keys)):
                    self._why = self._why or "detached"
                    return

    def _look(self, keys: bytes) -> bool:
        for press in presses(keys):
            if press.leave:
                return False
            by = _STEP_ROWS if press.pan in "UD" else _STEP_COLUMNS
            self._ask(
                lambda press=press, by=by: self._stream.pan(  # type: ignore[misc]
                    self._columns, self._rows, press.pan, by
                )
            )
        return True

    def _write_keys(self, keys: bytes) -> bool:
        typed, end, _ = keys.partition(DETACH)
        if typed and not self._still:  # the last row says why they go nowhere
            self._ask(lambda: self._stream.type(typed))
        return not end

    def _ask(self, what: Callable[[], None]) -> None:
        try:
            what()
        except (EngineRefusedError, EngineDownError) as error:
            self._say(trouble=str(error))
        else:
            if self._trouble:
                self._say()

    def _on_signal(self, told: bytes) -> bool:
        """Whether to go on after these: e the stream ended, t we are told to end, w the size."""
        if b"w" in told:
            with self._order:
                self._columns, self._rows = size_of(self._screen)
                self._sieve.rows = self._rows
                self._put("\x1b[r\x1b[2J" + self._margins())
            self._ask(lambda: self._stream.resize(self._columns, self._rows))
        if b"t" in told:
            self._why = self._why or "told to end"
        return b"e" not in told and b"t" not in told

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The end of this process puts the terminal back; a change of size is passed on."""
        marks = {signal.SIGWINCH: b"w", signal.SIGTERM: b"t", signal.SIGHUP: b"t"}
        before = {
            number: signal.signal(number, lambda *_, mark=mark: self._poke(mark))
            for number, mark in marks.items()
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _poke(self, mark: bytes) -> None:
        with suppress(BlockingIOError):
            os.write(self._woken, mark)


@contextmanager
def raw(terminal: int) -> Iterator[None]:
    """Every key as it is pressed, none echoed; as it was before at the end."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        with suppress(termios.error, OSError):
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


def size_of(screen: int) -> tuple[int, int]:
    """(columns, rows of the agent's part): all but the last row."""
    try:
        size = os.get_terminal_size(screen)
    except OSError:
        size = shutil.get_terminal_size()
    return max(size.columns, 1), max(size.lines - 1, _LEAST_ROWS - 1)
