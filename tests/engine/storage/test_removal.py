"""What is deleted when a run is removed, and what is not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from engine.clock import Clock
from engine.events import Event, RunCreated, RunRemoved, SessionCreated
from engine.state import State, reduce
from engine.storage.removal import Freed, folders, remove_session, remove_snapshots
from engine.storage.snapshots import Snapshot, SnapshotMissingError, SnapshotStore

LATER = 4e9  # Unix time, after every file of these tests


def test_only_what_no_needed_snapshot_has_is_deleted(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    store.put("a", {"same": b"12345", "own": b"a"})
    kept = store.put("b", {"same": b"12345", "own": b"bb"})
    refused = store.put_refused("a link")
    planned = remove_snapshots(store, {"b"}, before=LATER, dry_run=True)
    assert store.get("a").files["own"] == b"a"
    assert remove_snapshots(store, {"b"}, before=LATER, dry_run=False) == planned
    assert planned.files == 3  # two manifests and one file
    assert store.get("b") == kept
    for gone in ("a", refused.id):
        with pytest.raises(SnapshotMissingError):
            store.get(gone)
    assert remove_snapshots(store, {"b"}, before=LATER, dry_run=False) == Freed()
    assert store.put("a", {"own": b"a"}) == Snapshot("a", {"own": b"a"})


def test_what_was_stored_or_asked_for_again_since_stays(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    for name in ("old", "again"):
        store.put(name, {"f": name.encode()})
    for file in tmp_path.rglob("*"):
        if file.is_file():
            os.utime(file, (1.0, 1.0))
    store.put("again", {"f": b"again"})
    store.put("new", {"f": b"new"})
    assert remove_snapshots(store, (), before=1000.0, dry_run=False).files == 2
    assert store.get("again").files == {"f": b"again"}
    assert store.get("new").files == {"f": b"new"}


def test_storing_while_deleting_loses_nothing(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    names = [f"s{n}" for n in range(40)]
    for name in names:
        store.put(name, {"f": name.encode()})
    for file in tmp_path.rglob("*"):
        if file.is_file():
            os.utime(file, (1.0, 1.0))

    def store_again() -> None:
        for name in names:
            store.put(name, {"f": name.encode()})

    storing = threading.Thread(target=store_again)
    storing.start()
    remove_snapshots(store, (), before=Clock().wall() - 60, dry_run=False)
    storing.join()
    assert [store.get(name).files["f"] for name in names] == [name.encode() for name in names]


def test_a_damaged_snapshot_that_is_needed_stops_it(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    store.put("a", {"f": b"a"})
    (tmp_path / "manifests" / "a").write_bytes(b"{")
    with pytest.raises(SnapshotMissingError, match="snapshot a cannot be read"):
        remove_snapshots(store, {"a"}, before=LATER, dry_run=False)
    assert len(list((tmp_path / "files").iterdir())) == 1


def test_a_folder_goes_and_what_its_links_lead_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    best = tmp_path / "sessions" / "s-01" / "best"
    best.mkdir(parents=True)
    (best / "f").write_text("1234")
    (best / "link").symlink_to(outside)
    assert folders(tmp_path) == ["s-01"]
    planned = remove_session(tmp_path, "s-01", dry_run=True)
    assert best.exists()
    assert planned.files >= 1
    assert remove_session(tmp_path, "s-01", dry_run=False) == planned
    assert folders(tmp_path) == []
    assert (outside / "precious").exists()
    assert remove_session(tmp_path, "s-01", dry_run=False) == Freed()


def test_the_state_forgets_a_removed_run_and_keeps_its_id() -> None:
    state = State()
    created = SessionCreated(
        run="r",
        task="t",
        task_path="/t",
        task_hash="h",
        domain="d",
        model=None,
        agent="nop",
        harness="none",
        harness_hash="",
        attempt=1,
        budget={},
    )
    bodies = [
        (RunCreated(run="r", sessions=("r-01",), spec={}), None),
        (created, "r-01"),
        (RunRemoved(run="r", by="ann"), None),
        (RunRemoved(run="r", by="ann"), None),
        (created, None),
    ]
    for seq, (body, session) in enumerate(bodies, 1):
        reduce(state, Event("e", seq, 1.0, "b", 1.0, session, body))
    assert (state.runs, state.sessions, state.removed) == ({}, {}, ["r"])
    assert state.feed[-1].text == "run r removed by ann"
