"""Files are read from inside a task, and nothing leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import TaskError, files, globs, load_suite, load_task
from tests.tasks.making import write_native


def test_a_link_within_the_task_is_followed(tmp_path: Path) -> None:
    write_native(tmp_path)
    (tmp_path / "tests/shared.h").symlink_to("../environment/app/src/deep/part.h")
    assert files.read_inside(tmp_path, "tests/shared.h") == b"#define PART 1\n"
    assert load_task(tmp_path).native


@pytest.mark.parametrize("place", ["environment/app/x.h", "tests/x", "solution/x", "steps/x"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../outside"])
def test_a_link_out_of_the_task_breaks_it(tmp_path: Path, place: str, target: str) -> None:
    root = write_native(tmp_path / "a/b/c")
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).symlink_to(target)
    with pytest.raises(TaskError, match="leads out of the task") as caught:
        load_task(root)
    assert caught.value.file == root / place


def test_the_task_file_itself_may_not_be_a_link_out(tmp_path: Path) -> None:
    root = write_native(tmp_path / "task")
    (root / "task.toml").rename(tmp_path / "task.toml")
    (root / "task.toml").symlink_to("../task.toml")
    with pytest.raises(TaskError, match="leads out of the task"):
        load_task(root)


def test_a_linked_directory_is_refused(tmp_path: Path) -> None:
    write_native(tmp_path)
    (tmp_path / "tests/again").symlink_to("../environment")
    with pytest.raises(TaskError, match="link to a directory"):
        load_task(tmp_path)


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    write_native(tmp_path)
    (tmp_path / "environment/app/src/a.h").symlink_to("b.h")
    (tmp_path / "environment/app/src/b.h").symlink_to("a.h")
    with pytest.raises(TaskError):
        load_task(tmp_path).baseline()


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    write_native(tmp_path)
    os.mkfifo(tmp_path / "environment/app/src/pipe.h")
    with pytest.raises(TaskError, match="not a regular file"):
        load_task(tmp_path).baseline()


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big").touch()
    os.truncate(tmp_path / "big", 1 << 40)
    with pytest.raises(TaskError, match="larger than 64 MiB"):
        files.read_inside(tmp_path, "big")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with pytest.raises(TaskError, match="inner"):
        files.read_inside(tmp_path, "inner")
    with pytest.raises(TaskError):
        files.read_inside(tmp_path, "inner/../../outside")


def test_what_is_missing_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read_inside(tmp_path, "nowhere/file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(TaskError, match="cannot be read"):
        files.read_inside(tmp_path, "secret")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("place", [".", "environment", "tests", "environment/app/src"])
def test_a_directory_that_may_not_be_read_says_so(tmp_path: Path, place: str) -> None:
    root = write_native(tmp_path / "task")
    (root / place).chmod(0)
    try:
        with pytest.raises(TaskError, match="cannot be read") as caught:
            load_task(root)
        assert str(root / place) in str(caught.value)
        if place == ".":
            with pytest.raises(TaskError, match="cannot be read"):
                load_suite(root / "inner")
    finally:
        (root / place).chmod(0o755)


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    write_native(tmp_path)
    before = open_descriptors()
    for name in ("task.toml", "nowhere", "tests", "environment/app/solve.c"):
        try:
            files.read_inside(tmp_path, name)
        except (TaskError, FileNotFoundError):
            continue
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("solve.c", "solve.c", True),
        ("solve.c", "src/solve.c", False),
        ("*.c", "solve.c", True),
        ("*.c", "src/solve.c", False),
        ("src/*.c", "src/solve.c", True),
        ("src/*.c", "src/deep/solve.c", False),
        ("**/*.c", "solve.c", True),
        ("**/*.c", "src/deep/solve.c", True),
        ("src/**", "src/deep/solve.c", True),
        ("src/**", "src", False),
        ("src/**/x", "src/x", True),
        ("src/**/x", "srcx", False),
        ("?.c", "a.c", True),
        ("?.c", "ab.c", False),
        ("?.c", "/.c", False),
        ("[ab].c", "b.c", True),
        ("[!ab].c", "b.c", False),
        ("[!ab].c", "/.c", False),
        ("[a-c].c", "b.c", True),
        ("a.c", "abc", False),
        ("a+b(c).c", "a+b(c).c", True),
        ("*.c", "solve.c\n", False),
    ],
)
def test_globs(glob: str, path: str, expected: bool) -> None:
    assert globs.matches(glob, path) is expected


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/*?[]\\\x00"), min_size=1)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_plain_path_matches_itself_only(parts: list[str]) -> None:
    path = "/".join(parts)
    assert globs.matches(path, path)
    assert globs.matches("**", path)
    assert not globs.matches(path, path + "x")
    assert not globs.matches(path, "x/" + path)
    assert globs.matches("/".join(["*"] * len(parts)), path)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_glob_that_passes_the_check_can_be_used(glob: str, path: str) -> None:
    if globs.problem(glob) is None:
        globs.matches(glob, path)
        assert not globs.matches(glob, "../" + path)
        assert not globs.matches(glob, "/" + path)
