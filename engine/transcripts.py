"""Conversations: one JSONL file for each session, beside the journal that holds its length.

A line is written and flushed before the journal says `transcript.grew`; what lies beyond the
journalled length was never acknowledged, and is cut off when the session is taken up again. Entries
are plain dictionaries, `{"n", "at", "kind", ...}`, since agents and tools fill them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiofiles
import msgspec

from engine.clock import Clock
from engine.events import TranscriptGrew, rfc3339
from engine.paths import make_private

Entry = dict[str, Any]


def transcript_path(state: Path, session: str) -> Path:
    """Where the transcript of a session is kept."""
    return state / "sessions" / session / "transcript.jsonl"


class Transcript:
    """The conversation of one session, as its agent writes it.

    `record` journals a `TranscriptGrew` and returns when that is durable.
    """

    def __init__(
        self,
        path: Path,
        record: Callable[[TranscriptGrew], Awaitable[object]],
        clock: Clock,
        entries: list[Entry],
        size: int,
    ) -> None:
        self._path = path
        self._record = record
        self._clock = clock
        self._size = size
        self._order = asyncio.Lock()
        self.entries = entries

    @classmethod
    def open(
        cls,
        path: Path,
        record: Callable[[TranscriptGrew], Awaitable[object]],
        clock: Clock,
        size: int,
    ) -> Transcript:
        """Take up a transcript of which the journal knows `size` bytes; the rest is cut off."""
        make_private(path.parent)
        with path.open("ab") as file:
            size = min(size, file.tell())
            os.truncate(path, size)
        entries = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        return cls(path, record, clock, entries, size)

    async def add(self, *entries: Mapping[str, Any]) -> None:
        """Append entries (without `n` and `at`, which are filled in) and journal the new length."""
        async with self._order:
            at = rfc3339(self._clock.wall())
            first = len(self.entries)
            made = [{"n": first + i, "at": at, **entry} for i, entry in enumerate(entries)]
            lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in made)
            async with aiofiles.open(self._path, "r+b") as file:
                await file.seek(self._size)
                await file.write(lines)
                await file.truncate()
                await file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            start, self._size = self._size, self._size + len(lines)
            self.entries.extend(made)
            await self._record(
                TranscriptGrew(start=start, end=self._size, entries=first + len(made))
            )


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
        at = self._starts[-1]
        if size <= at:
            return
        data = os.pread(file, size - at, at)
        found = data.find(b"\n")
        while found >= 0:
            self._starts.append(at + found + 1)
            found = data.find(b"\n", found + 1)
