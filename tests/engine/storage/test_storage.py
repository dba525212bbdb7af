"""Snapshots and transcripts: whole or absent, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Clock
from engine.events import TranscriptGrew
from engine.storage.snapshots import SnapshotMissingError, SnapshotStore
from engine.storage.transcripts import Transcript, TranscriptReader

CLOCK = Clock(boot=lambda: "b", now=lambda: 0.0, wall=lambda: 1_700_000_000.0)


def test_a_snapshot_comes_back_byte_for_byte_and_is_stored_once(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    files = {"a.c": b"int x;\n", "deep/er/b.bin": bytes(range(256)), "same": b"int x;\n"}
    store.put("one", files)
    store.put("two", {"other": b"int x;\n"})
    assert store.get("one").files == files
    assert store.get("one").size == sum(map(len, files.values()))
    assert len(list((tmp_path / "files").iterdir())) == 2
    kept = (tmp_path / "manifests" / "one").stat()
    store.put("one", files)
    again = (tmp_path / "manifests" / "one").stat()
    assert again.st_ino == kept.st_ino
    assert again.st_mtime_ns >= kept.st_mtime_ns, "needed just now: garbage collection spares it"


def test_a_refusal_is_kept_with_its_reason(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    refused = store.put_refused("solve.c: it is a FIFO, not a regular file")
    again = SnapshotStore(tmp_path).get(refused.id)
    assert (again.files, again.refused) == ({}, "solve.c: it is a FIFO, not a regular file")
    assert store.put_refused("another reason").id != refused.id


def test_missing_and_damaged_snapshots_are_named(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    with pytest.raises(SnapshotMissingError, match="snapshot nothing cannot be read"):
        store.get("nothing")
    store.put("one", {"a": b"good"})
    (stored,) = (tmp_path / "files").iterdir()
    stored.write_bytes(b"evil")
    with pytest.raises(SnapshotMissingError, match="damaged"):
        store.get("one")
    (tmp_path / "manifests" / "one").write_bytes(b"{")
    with pytest.raises(SnapshotMissingError):
        store.get("one")


class Grown:
    """What a transcript journals."""

    def __init__(self) -> None:
        self.events: list[TranscriptGrew] = []

    def note(self, body: TranscriptGrew) -> None:
        self.events.append(body)

    @property
    def size(self) -> int:
        return self.events[-1].end if self.events else 0


entries = st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=8)


@given(entries, entries)
async def test_a_transcript_taken_up_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], second: list[str]
) -> None:
    path = tmp_path_factory.mktemp("t") / "s" / "transcript.jsonl"
    grown = Grown()
    transcript = Transcript.open(path, grown.note, CLOCK, 0)
    for text in first:
        await transcript.add({"kind": "user", "text": text})
    with path.open("ab") as file:  # what a killed engine had written and not acknowledged
        file.write(b'{"n": 99, "kind": "use')
    transcript = Transcript.open(path, grown.note, CLOCK, grown.size)
    assert [e["text"] for e in transcript.entries] == first
    await transcript.add(*({"kind": "user", "text": text} for text in second))
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["text"] for line in lines] == first + second
    assert [json.loads(line)["n"] for line in lines] == list(range(len(lines)))
    assert [e.start for e in grown.events][1:] == [e.end for e in grown.events][:-1]

    reader, found = TranscriptReader(path), []
    for event in grown.events:  # as it grew
        found += reader.read(len(found), 3, event.end)
    while len(found) < len(lines):
        found += reader.read(len(found), 3, grown.size)
    assert [e["text"] for e in found] == first + second
    assert reader.read(len(lines), 10, grown.size) == []
    assert reader.read(10**9, 10, grown.size) == []


async def test_entries_that_are_added_at_once_keep_their_order(tmp_path: Path) -> None:
    grown = Grown()
    transcript = Transcript.open(tmp_path / "s" / "t", grown.note, CLOCK, 0)
    many: list[dict[str, Any]] = [{"kind": "note", "text": str(n)} for n in range(20)]
    await asyncio.gather(*(transcript.add(entry) for entry in many))
    assert [e["n"] for e in transcript.entries] == list(range(20))
    assert [e.entries for e in grown.events] == list(range(1, 21))
    assert TranscriptReader(tmp_path / "nothing").read(0, 5, 100) == []


async def test_an_entry_is_carried_through_when_who_waits_is_cancelled(tmp_path: Path) -> None:
    grown = Grown()
    transcript = Transcript.open(tmp_path / "s" / "t", grown.note, CLOCK, 0)
    adding = [asyncio.create_task(transcript.add({"kind": "note", "text": str(n)})) for n in (0, 1)]
    await asyncio.sleep(0)
    for task in adding:
        task.cancel()
    await asyncio.gather(*adding, return_exceptions=True)
    assert all(task.cancelled() for task in adding)
    await transcript.add({"kind": "note", "text": "2"})
    assert [e["text"] for e in transcript.entries] == ["0", "1", "2"]
    assert [e.entries for e in grown.events] == [1, 2, 3]
    assert len((tmp_path / "s" / "t").read_bytes()) == grown.size
