"""Files written into a directory whose owner meant harm: into place, and nowhere else."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import globs
from verifier.artifact import ArtifactRefusedError, collect
from verifier.planting import PlantingError, in_the_way, plant, weed


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """An agent's directory, beside a folder that must not be touched."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("precious")
    folder = tmp_path / "box"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def untouched(tmp_path: Path) -> Iterator[None]:
    yield
    outside = tmp_path / "outside"
    if outside.is_dir():
        assert [p.name for p in outside.iterdir()] == ["precious"]
        assert (outside / "precious").read_text() == "precious"


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_files_and_folders_are_made_and_replaced(box: Path) -> None:
    (box / "run.sh").write_text("old")
    (box / "run.sh").chmod(0o755)
    plant(box, {"run.sh": b"new", "a/b/c.txt": b"deep", "empty": b""})
    assert content(box) == {"run.sh": b"new", "a/b/c.txt": b"deep", "empty": b""}
    modes = [stat.S_IMODE((box / p).stat().st_mode) for p in ("run.sh", "empty", "a/b")]
    assert modes == [0o755, 0o644, 0o755]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_is_made_belongs_to_the_owner(box: Path) -> None:
    (box / "there").mkdir()
    plant(box, {"there/x": b"", "new/y": b""}, owner=1234)
    owners = [(box / p).stat().st_uid for p in ("there", "there/x", "new", "new/y")]
    assert owners == [0, 1234, 1234, 1234]
    assert (box / "new").stat().st_gid == 1234


def test_links_are_replaced_and_never_followed(box: Path) -> None:
    outside = box.parent / "outside"
    (box / "file").symlink_to(outside / "precious")
    (box / "folder").symlink_to(outside)
    (box / "dangling").symlink_to(outside / "new")
    (box / "loop").symlink_to("loop")
    files = {"file": b"1", "folder/precious": b"2", "dangling": b"3", "loop/x": b"4"}
    plant(box, files, clear=True)
    assert content(box) == files
    assert not (box / "folder").is_symlink()


def test_hard_links_and_special_files_are_replaced(box: Path) -> None:
    os.link(box.parent / "outside" / "precious", box / "linked")
    os.mkfifo(box / "fifo")
    plant(box, {"linked": b"1", "fifo": b"2"}, clear=True)
    assert content(box) == {"linked": b"1", "fifo": b"2"}


def test_folders_and_files_that_changed_places_are_put_right(box: Path) -> None:
    (box / "file" / "deep").mkdir(parents=True)
    (box / "file" / "deep" / "x").write_text("x")
    (box / "file" / "link").symlink_to(box.parent / "outside")
    (box / "folder").write_text("a file")
    plant(box, {"file": b"f", "folder/y": b"y"}, clear=True)
    assert content(box) == {"file": b"f", "folder/y": b"y"}


def test_a_folder_that_its_owner_closed_is_entered(box: Path) -> None:
    (box / "closed").mkdir(mode=0o000)
    plant(box, {"closed/x": b"x"}, clear=True)
    assert content(box) == {"closed/x": b"x"}


def test_without_leave_nothing_in_the_way_is_removed(box: Path) -> None:
    (box / "link").symlink_to(box.parent / "outside")
    (box / "dir").mkdir()
    for path in ("link/x", "dir", "link"):
        with pytest.raises(PlantingError, match="move it away"):
            plant(box, {"fine": b"", path: b"x"})
    assert sorted(p.name for p in box.iterdir()) == ["dir", "link"]


def test_paths_that_lead_away_are_refused(box: Path) -> None:
    for path in ("../outside/precious", "/etc/passwd", "a/../../x", "a//b", "", "a/./b", "x\ny"):
        with pytest.raises(ArtifactRefusedError):
            plant(box, {path: b"x"}, clear=True)
    assert list(box.iterdir()) == []


def test_a_disk_that_is_full_leaves_what_was(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (box / "a").write_text("old")
    calls = iter(range(9))

    def full(fd: int, mode: int) -> None:
        if next(calls) == 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("verifier.planting.os.fchmod", full)
    with pytest.raises(OSError, match="No space left"):
        plant(box, {"a": b"new", "b": b"new"})
    assert content(box) == {"a": b"old"}


def test_what_is_there_already_is_named(box: Path) -> None:
    (box / "a").write_text("")
    (box / "link").symlink_to(box.parent / "outside")
    (box / "d").mkdir()
    assert in_the_way(box, ["a", "b", "link/precious", "d", "d/x"]) == ["a", "link/precious", "d"]
    assert in_the_way(box / "missing", ["a"]) == []


def test_weeding_takes_what_the_globs_name_and_nothing_else(box: Path) -> None:
    files = {"src/a.c": b"", "src/b.c": b"", "src/b.h": b"", "src/x/c.c": b"", "notes.txt": b""}
    plant(box, files)
    (box / "src" / "gone.c").symlink_to(box.parent / "outside" / "precious")
    (box / "src" / "dir.c").mkdir()
    (box / "src" / "dir.c" / "link").symlink_to(box.parent / "outside")
    removed = weed(box, ["src/*.c"], {"src/a.c"})
    assert removed == ["src/b.c", "src/dir.c", "src/gone.c"]
    assert set(content(box)) == {"src/a.c", "src/b.h", "src/x/c.c", "notes.txt"}
    assert weed(box, ["src/**/*.c"], {"src/a.c"}) == ["src/x/c.c"]


def test_a_link_in_place_of_an_editable_folder_goes(box: Path) -> None:
    (box / "lib").symlink_to(box.parent / "outside")
    assert weed(box, ["lib/*.c"], set()) == ["lib"]
    assert collect(box, ["lib/*.c"]).files == {}


def test_too_much_is_refused_before_anything_is_removed(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.planting._MOST_ENTRIES", 5)
    for number in range(9):
        (box / f"{number}.c").write_text("")
    with pytest.raises(PlantingError, match="more than 5 entries"):
        weed(box, ["*.c"], set())
    assert len(list(box.iterdir())) == 9


NAMES = st.sampled_from(["a.c", "b.c", "src", "lib", "x", "link"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
PATTERNS = ["a.c", "*.c", "src/*.c", "src/**", "lib/x/*.c", "**/b.c"]


@given(
    st.dictionaries(PATHS, st.sampled_from(["file", "folder", "link", "fifo"]), max_size=8),
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True),
    st.dictionaries(PATHS, st.binary(max_size=4), max_size=4),
)
def test_whatever_was_there_the_editable_files_are_then_exactly_those(
    before: dict[str, str], patterns: list[str], wanted: dict[str, bytes]
) -> None:
    wanted = {
        path: data
        for path, data in wanted.items()
        if globs.matches_any(patterns, path) and not any(o.startswith(f"{path}/") for o in wanted)
    }
    with tempfile.TemporaryDirectory() as place:
        box = Path(place, "box")
        box.mkdir()
        outside = Path(place, "outside")
        outside.mkdir()
        (outside / "a.c").write_text("precious")
        for path, kind in before.items():
            target = box / path
            if any(parent.is_symlink() for parent in target.parents):
                continue
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                match kind:
                    case "file":
                        target.write_text("old")
                    case "folder":
                        target.mkdir()
                    case "link":
                        target.symlink_to(outside)
                    case _:
                        os.mkfifo(target)
            except OSError:
                continue
        weed(box, patterns, wanted.keys())
        plant(box, wanted, clear=True)
        assert [p.name for p in outside.iterdir()] == ["a.c"]
        assert (outside / "a.c").read_text() == "precious"
        found = content(box).items()
        assert {p: data for p, data in found if globs.matches_any(patterns, p)} == wanted
