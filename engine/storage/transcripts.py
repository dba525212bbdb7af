"""Conversations: one JSONL file for each session, beside the journal that holds its length.

A line is written and flushed before the journal says `transcript.grew`; what lies beyond the
journalled length was never acknowledged, and is cut off when the session is taken up again. Entries
are plain dictionaries, `{"n", "at", "kind", ...}`, since agents and tools fill them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiofiles.os import wrap

from engine.clock import Clock
from engine.entries import Entry
from engine.events import TranscriptGrew, rfc3339
from engine.paths import make_private
from engine.storage.disk import Disk


def transcript_path(state: Path, session: str) -> Path:
    """Where the transcript of a session is kept."""
    return state / "sessions" / session / "transcript.jsonl"


class TranscriptDamagedError(ValueError):
    """A transcript whose journalled part cannot be read; the message says where, and the remedy."""


class Transcript:
    """The conversation of one session, as its agent writes it.

    `note` journals a `TranscriptGrew`. Nobody waits until that is durable: whoever acts on an entry
    records something first, and that is durable only after it. `disk` waits while the file cannot
    be written.
    """

    def __init__(
        self,
        path: Path,
        note: Callable[[TranscriptGrew], object],
        clock: Clock,
        *,
        entries: list[Entry],
        size: int,
        disk: Disk | None = None,
    ) -> None:
        self._path = path
        self._note = note
        self._clock = clock
        self._size = size
        self._disk = disk or Disk()
        self._order = asyncio.Lock()
        self.entries = entries

    @classmethod
    def open(
        cls,
        path: Path,
        note: Callable[[TranscriptGrew], object],
        clock: Clock,
        size: int,
        disk: Disk | None = None,
    ) -> Transcript:
        """Take up a transcript of which the journal knows `size` bytes; the rest is cut off.

        Raises `TranscriptDamagedError` when those bytes are not all there, or are no entries.
        """
        make_private(path.parent)
        path.open("ab").close()
        entries, good = _readable(path, size)
        if good < size:
            raise TranscriptDamagedError(
                f"{path} is damaged after {len(entries)} entries ({good} of {size} bytes); put the "
                "file back from a copy and resume, or resume as it is to go on without the rest"
            )
        os.truncate(path, size)
        return cls(path, note, clock, entries=entries, size=size, disk=disk)

    @classmethod
    def mend(
        cls,
        path: Path,
        note: Callable[[TranscriptGrew], object],
        clock: Clock,
        size: int,
        disk: Disk | None = None,
    ) -> Transcript:
        """Take up what can be read of a damaged transcript. The damaged file is kept beside it.

        A tool call at the end whose result was lost is carried out again, as after any restart.
        """
        entries, good = _readable(path, size)
        if good < size:
            copy = path.with_name(f"{path.name}.damaged-{int(clock.wall())}")
            shutil.copyfile(path, copy)
            os.truncate(path, good)
            note(TranscriptGrew(start=good, end=good, entries=len(entries)))
        return cls.open(path, note, clock, good, disk)

    async def add(self, *entries: Mapping[str, Any]) -> None:
        """Append entries (without `n` and `at`, which are filled in) and journal the new length.

        They are on disk when it returns. Once begun it is carried through, even when who waits for
        it is cancelled.
        """
        await asyncio.shield(asyncio.ensure_future(self._add(entries)))

    async def _add(self, entries: Sequence[Mapping[str, Any]]) -> None:
        async with self._order:
            at = rfc3339(self._clock.wall())
            first = len(self.entries)
            made = [{"n": first + i, "at": at, **entry} for i, entry in enumerate(entries)]
            lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in made)
            await self._disk.keep(
                f"the transcript {self._path}",
                lambda: _written(self._path, lines, self._size),
            )
            start, self._size = self._size, self._size + len(lines)
            self.entries.extend(made)
            self._note(TranscriptGrew(start=start, end=self._size, entries=first + len(made)))


def _write(path: Path, lines: bytes, start: int) -> None:
    """Put lines at `start`, where the file then ends; durable when it returns."""
    with path.open("r+b", buffering=0) as file:
        file.seek(start)
        left = memoryview(lines)
        while left:
            left = left[file.write(left) :]
        file.truncate()
        os.fdatasync(file.fileno())  # the data and the size; when it was written is of no use


# One hop to a thread for the whole write: file methods taken one by one were seven.
_written = wrap(_write)


def _readable(path: Path, size: int) -> tuple[list[Entry], int]:
    """The entries of the first `size` bytes up to the first that is none, and their bytes."""
    entries: list[Entry] = []
    good = 0
    for line in path.read_bytes()[:size].splitlines(keepends=True):
        try:
            entry = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            break
        if not line.endswith(b"\n") or entry.get("n") != len(entries):
            break
        entries.append(entry)
        good += len(line)
    return entries, good


class TranscriptReader:
    """Reads lines of a growing transcript by number; remembers where each line begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = [0]

    def read(self, after: int, limit: int, size: int) -> list[Entry]:
        """Up to `limit` entries from number `after` on, of the first `size` bytes."""
        try:
            with self._path.open("rb") as file:
                self._index(file.fileno(), size)
                last = min(after + limit, len(self._starts) - 1)
                if after >= last:
                    return []
                start, end = self._starts[after], self._starts[last]
                data = os.pread(file.fileno(), end - start, start)
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line) for line in data.splitlines()]

    def _index(self, file: int, size: int) -> None:
        while self._starts[-1] > size:  # what was damaged has been cut off
            self._starts.pop()
        at = self._starts[-1]
        if size <= at:
            return
        data = os.pread(file, size - at, at)
        found = data.find(b"\n")
        while found >= 0:
            self._starts.append(at + found + 1)
            found = data.find(b"\n", found + 1)
