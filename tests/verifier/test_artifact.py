"""Collecting from a directory that an agent owns: everything that is not plain is refused."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.artifact import (
    ArtifactRefusedError,
    Caps,
    check_files,
    check_path,
    collect,
    pinned_edits,
    printable,
    snapshot_hash,
)

CAPS = Caps(files=5, file_bytes=1000, total_bytes=2000, entries=50)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "solve.c").write_text("int x;\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.c").write_text("a")
    (tmp_path / "src" / "deep").mkdir()
    (tmp_path / "src" / "deep" / "b.c").write_text("b")
    (tmp_path / "bench.c").write_text("pinned")
    return tmp_path


def test_only_editable_files_are_collected(app: Path) -> None:
    (app / "candidate").write_bytes(b"\x7fELF")
    os.utime(app / "candidate", (2_050_000_000, 2_050_000_000))
    assert dict(collect(app, ["solve.c"]).files) == {"solve.c": b"int x;\n"}
    assert set(collect(app, ["src/*.c"]).files) == {"src/a.c"}
    assert set(collect(app, ["src/**"]).files) == {"src/a.c", "src/deep/b.c"}
    assert set(collect(app, ["**/*.c"]).files) == {
        *("solve.c", "bench.c", "src/a.c", "src/deep/b.c")
    }
    assert set(collect(app, ["none/*.c", "solve.c"]).files) == {"solve.c"}


def test_the_hash_is_of_paths_and_content(app: Path) -> None:
    first = collect(app, ["solve.c", "src/*.c"])
    assert first.hash == snapshot_hash(first.files)
    (app / "solve.c").write_text("int y;\n")
    assert collect(app, ["solve.c", "src/*.c"]).hash != first.hash
    assert snapshot_hash({"a": b"b", "c": b"d"}) != snapshot_hash({"a": b"d", "c": b"b"})


def _symlink(app: Path) -> None:
    (app / "solve.c").symlink_to("/etc/passwd")


def _hardlink(app: Path) -> None:
    (app / "other").write_text("x")
    os.link(app / "other", app / "solve.c")


def _fifo(app: Path) -> None:
    os.mkfifo(app / "solve.c")


def _socket(app: Path) -> None:
    here = Path.cwd()
    os.chdir(app)  # a socket's path is limited to 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("solve.c")
    finally:
        os.chdir(here)


def _device(app: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a device")
    try:
        os.mknod(app / "solve.c", 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("may not make a device here")


def _directory(app: Path) -> None:
    (app / "solve.c").mkdir()


def _sparse(app: Path) -> None:
    with (app / "solve.c").open("wb") as file:
        file.truncate(10 << 30)


def _large(app: Path) -> None:
    (app / "solve.c").write_bytes(b"x" * 1001)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_symlink, "symbolic link"),
        (_hardlink, "hard links"),
        (_fifo, "FIFO"),
        (_socket, "socket"),
        (_device, "device"),
        (_directory, "directory"),
        (_sparse, "above the limit"),
        (_large, "above the limit"),
    ],
)
def test_what_is_not_a_small_plain_file_is_refused(
    app: Path, make: Callable[[Path], None], words: str
) -> None:
    (app / "solve.c").unlink()
    make(app)
    for patterns in (["solve.c"], ["*.c"], ["solve.c", "**"]):
        with pytest.raises(ArtifactRefusedError) as refused:
            collect(app, patterns, CAPS)
        assert refused.value.path == "solve.c"
        assert words in refused.value.why


def test_no_link_is_followed_on_the_way(app: Path) -> None:
    (app / "src" / "a.c").unlink()
    (app / "src" / "deep" / "b.c").unlink()
    (app / "src" / "deep").rmdir()
    (app / "src").rmdir()
    (app / "src").symlink_to("/etc")
    with pytest.raises(ArtifactRefusedError) as refused:
        collect(app, ["src/passwd"])
    assert refused.value.path == "src"
    with pytest.raises(ArtifactRefusedError):
        collect(app, ["src/*"])
    assert "src" not in str(collect(app, ["*.c"]).files)


def test_a_workspace_that_is_a_link_is_refused(app: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(app)
    with pytest.raises(ArtifactRefusedError, match="cannot be opened"):
        collect(tmp_path / "link", ["solve.c"])


@pytest.mark.parametrize(
    "name", ["a\nb.c", "a\x1b[2J.c", "-o.c", "a\\b.c", "\udcff.c", "a\u202eb.c"]
)
def test_odd_names_are_refused_and_shown_harmlessly(app: Path, name: str) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(app), os.fsencode(name)))).write_text("x")  # noqa: PTH118
    with pytest.raises(ArtifactRefusedError) as refused:
        collect(app, ["*.c"])
    assert str(refused.value).isprintable()


def test_too_many_and_too_much_are_refused(app: Path) -> None:
    for number in range(6):
        (app / "src" / f"{number}.c").write_bytes(b"x" * 10)
    with pytest.raises(ArtifactRefusedError, match="more than 5 files"):
        collect(app, ["src/*.c"], CAPS)
    for number in range(6):
        (app / "src" / f"{number}.c").write_bytes(b"x" * 900)
    with pytest.raises(ArtifactRefusedError, match="more than 2000 bytes"):
        collect(app, ["src/?.c"], CAPS)
    for number in range(60):
        (app / f"junk{number}").write_text("")
    with pytest.raises(ArtifactRefusedError, match="more than 50 directory entries"):
        collect(app, ["*.c"], CAPS)
    assert set(collect(app, ["solve.c"], CAPS).files) == {"solve.c"}  # junk elsewhere is no harm


def test_bottomless_folders_are_refused(app: Path) -> None:
    folder = app
    for _ in range(30):
        folder = folder / "d"
        folder.mkdir()
    with pytest.raises(ArtifactRefusedError, match="directories deep"):
        collect(app, ["**/*.h", "solve.c"])


def test_an_unreadable_file_is_refused(app: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can read everything")
    (app / "solve.c").chmod(0)
    with pytest.raises(ArtifactRefusedError, match="cannot be read"):
        collect(app, ["solve.c"])


def test_a_missing_file_or_folder_is_refused(app: Path) -> None:
    with pytest.raises(ArtifactRefusedError, match=r"other\.c: the file is missing"):
        collect(app, ["other.c"])
    with pytest.raises(ArtifactRefusedError):
        collect(app / "nowhere", ["solve.c"])


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "-x", "a/-x", "a\0b", "x" * 600]
)
def test_paths_that_lead_astray_are_refused(path: str) -> None:
    with pytest.raises(ArtifactRefusedError):
        check_path(path)


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=20), max_size=5))
def test_arbitrary_files_are_accepted_or_refused(files: dict[str, bytes]) -> None:
    try:
        check_files(files, ["**"], CAPS)
    except ArtifactRefusedError as error:
        assert str(error).isprintable()
    else:
        assert not any(".." in path.split("/") for path in files)


@given(st.text())
def test_printable_text_is_printable_and_short(text: str) -> None:
    shown = printable(text)
    assert shown == "" or shown.isprintable()
    assert len(shown) <= 200


def test_edits_of_pinned_files_are_noticed(app: Path) -> None:
    pristine = {"bench.c": b"pinned", "src/a.c": b"a", "src/deep/b.c": b"b"}
    assert pinned_edits(app, pristine) == ()
    (app / "bench.c").write_text("mine")
    (app / "src" / "a.c").unlink()
    (app / "src" / "deep" / "b.c").unlink()
    (app / "src" / "deep" / "b.c").symlink_to("/dev/zero")
    assert pinned_edits(app, pristine) == ("bench.c", "src/a.c", "src/deep/b.c")
