"""After a session: the best files where they are looked for, the workspace gone, nothing lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.session.place import Place
from engine.storage.snapshots import SnapshotStore
from engine.storage.tidying import export, place_file, tidy
from verifier.artifact import snapshot_hash


def kept(folder: Path, **files: bytes) -> tuple[SnapshotStore, str]:
    store = SnapshotStore(folder / "snapshots")
    return store, store.put(snapshot_hash(files), files).id


def workspace(state: Path, session: str, size: int = 10) -> Path:
    folder = state / "places" / session
    folder.mkdir(parents=True)
    (folder / "big").write_bytes(b"x" * size)
    Place(folder, 0).save(place_file(state, session))
    return folder


def test_the_best_files_replace_those_of_another_time(tmp_path: Path) -> None:
    store, best = kept(tmp_path, **{"a": b"1", "src/b": b"2"})
    folder = tmp_path / "sessions" / "s" / "best"
    (folder / "old").mkdir(parents=True)
    place = workspace(tmp_path, "s")
    assert tidy(tmp_path, "s", store, best) == []
    assert not place.exists()
    assert not place_file(tmp_path, "s").exists()
    found = {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
    assert found == {"a": b"1", "src/b": b"2"}
    assert tidy(tmp_path, "s", store, best) == []
    assert tidy(tmp_path, "never", store, None) == []
    refused = store.put_refused("a: it is a FIFO").id
    assert tidy(tmp_path, "refused", store, refused) == []
    assert not (tmp_path / "sessions" / "refused" / "best").exists()


def test_a_snapshot_that_is_damaged_is_said(tmp_path: Path) -> None:
    store, best = kept(tmp_path, a=b"1")
    workspace(tmp_path, "s")
    next((tmp_path / "snapshots" / "files").iterdir()).write_bytes(b"damaged")
    [said] = tidy(tmp_path, "s", store, best)
    assert "damaged" in said
    assert "`autolab snapshot export s best DIR` does it later" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one mebibyte."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    store, best = kept(small_disk, a=b"a" * 200_000, b=b"b" * 200_000)
    folder = small_disk / "sessions" / "s" / "best"
    folder.mkdir(parents=True)
    (folder / "earlier").write_bytes(b"e")
    place = workspace(small_disk, "s")
    with (small_disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(b"f" * 4096)
    [said] = tidy(small_disk, "s", store, best)
    assert "No space left on device" in said
    assert not place.exists()
    assert [p.name for p in folder.iterdir()] == ["earlier"]
    assert [p.name for p in folder.parent.iterdir() if p.name != "place.json"] == ["best"]
    assert store.get(best).files["b"] == b"b" * 200_000
    (small_disk / "filler").unlink()
    assert tidy(small_disk, "s", store, best) == []
    assert sorted(p.name for p in folder.iterdir()) == ["a", "b"]


def test_a_workspace_makes_the_room_that_its_files_need(small_disk: Path) -> None:
    store, best = kept(small_disk, a=b"a" * 300_000)
    workspace(small_disk, "s", 500_000)
    assert tidy(small_disk, "s", store, best) == []
    export(store, best, small_disk / "sessions" / "s" / "again")
