"""The folded state, kept beside the journal so that a start need not fold everything again.

A checkpoint is the JSON of `engine.state.State` as of one event, under a line that says what it
fits: the code that folded it, the event it ends with, and a checksum. It is a convenience and never
a source of truth: one that does not fit in every respect is passed over, and the journal is folded
from its first event. So nothing has to be done about it when the reducer changes, or when somebody
puts an older journal in place of a newer one.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from engine.journal import JournalError, stored_line
from engine.state import State

_log = logging.getLogger(__name__)
_FORMAT = 1
_ROOT = Path(__file__).resolve().parents[2]
_ROOMS = ("engine", "verifier", "tasks")


class _Head(msgspec.Struct, frozen=True):
    """What the state below it fits. `tie` is the hash of the journal's line number `seq`."""

    format: int
    reducer: str
    seq: int
    tie: str
    checksum: str


def checkpoint_file(journal: Path) -> Path:
    """Where the checkpoint of a journal is kept."""
    return journal.with_suffix(".checkpoint")


def load(journal: Path) -> State:
    """The state as of the newest checkpoint that fits the journal; an empty one without any."""
    try:
        head_line, _, data = checkpoint_file(journal).read_bytes().partition(b"\n")
        head = msgspec.json.decode(head_line, type=_Head)
        misfit = _misfit(journal, head, data)
        if not misfit:
            return msgspec.json.decode(data, type=State)
    except FileNotFoundError:
        return State()
    except (OSError, ValueError, JournalError) as error:
        misfit = str(error)
    _log.info("the whole journal is folded: its checkpoint does not fit (%s)", misfit)
    return State()


def save(journal: Path, seq: int, state: bytes) -> None:
    """Keep the JSON of the state as of event `seq`, in place of the checkpoint before.

    Raises `OSError` and `JournalError`; the checkpoint before is then still there.
    """
    tie = _tie(journal, seq)
    if tie is None or not reducer():
        return
    head = _Head(_FORMAT, reducer(), seq, tie, hashlib.sha256(state).hexdigest())
    target = checkpoint_file(journal)
    partial = target.with_suffix(".checkpoint.new")
    try:
        with partial.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(msgspec.json.encode(head) + b"\n")
            file.write(state)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _misfit(journal: Path, head: _Head, data: bytes) -> str:
    """Why a checkpoint cannot be used, or an empty string."""
    if head.format != _FORMAT or not reducer() or head.reducer != reducer():
        return "another version wrote it"
    if hashlib.sha256(data).hexdigest() != head.checksum:
        return "it is damaged"
    if _tie(journal, head.seq) != head.tie:
        return f"it ends with another event {head.seq} than the journal has"
    return ""


def _tie(journal: Path, seq: int) -> str | None:
    line = stored_line(journal, seq)
    return None if line is None else hashlib.sha256(line.encode()).hexdigest()


@cache
def reducer() -> str:
    """A fingerprint of the code that folds; empty where its source cannot be read.

    That is the text of `engine.state` and of every module of ours that it imports, however
    indirectly: a new field, event or rule makes another fingerprint without anybody's doing.
    """
    found = hashlib.sha256()
    seen, waiting = set[Path](), [_ROOT / "engine" / "state" / "__init__.py"]
    try:
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen.add(path)
                text = path.read_bytes()
                found.update(b"%s\0%d\0" % (path.name.encode(), len(text)) + text)
                waiting += sorted(_imported(text))
    except OSError:
        return ""
    return found.hexdigest()


def _imported(text: bytes) -> Iterator[Path]:
    """The files of our own modules that a module imports."""
    import ast  # not for a start without a checkpoint

    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] in _ROOMS:
                place = _ROOT.joinpath(*name.split("."))
                yield from (
                    p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()
                )
