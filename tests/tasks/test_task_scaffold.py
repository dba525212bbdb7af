"""`autolab tasks new`: a task to start from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks import TaskError, load_task
from tasks.scaffold import KINDS, create
from verifier import pins
from verifier.check import check_task
from verifier.sandbox.spec import Backend


@pytest.mark.parametrize("kind", KINDS)
def test_it_loads_under_its_own_name(tmp_path: Path, kind: str) -> None:
    folder = create(tmp_path / "inner" / "string_search", kind)
    assert folder == tmp_path / "inner" / "string_search"
    task = load_task(folder)
    assert task.name == "string_search"
    assert task.instruction.startswith("# String search\n")
    assert task.autolab is not None
    assert task.autolab.driver.kind == kind
    assert task.steps()
    assert len(task.cheats()) >= 2
    assert task.unknown_keys == ()
    assert not [p for p in folder.rglob("*") if p.suffix == ".in"]
    assert not [p for p in folder.rglob("*") if p.is_file() and "@NAME@" in p.read_text()]
    assert [p.name for p in folder.parent.iterdir()] == ["string_search"]
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["String", "1st", "a-b", "", "a b", "ü"])
def test_names_that_no_task_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(TaskError, match=r"cannot be a task's name|exists already"):
        create(tmp_path / name)


def test_it_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work").write_text("precious")
    (tmp_path / "linked").symlink_to("nowhere")
    for name in ("mine", "linked"):
        with pytest.raises(TaskError, match="exists already"):
            create(tmp_path / name)
    assert (tmp_path / "mine" / "work").read_text() == "precious"


def test_another_kind(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="use one of native, python, data, cuda"):
        create(tmp_path / "x", "quantum")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(TaskError, match="cannot be written"):
        create(tmp_path / "x")


def test_a_file_where_a_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TaskError, match="cannot be written"):
        create(tmp_path / "file" / "x")


def check(folder: Path, backend: Backend) -> None:
    pins.write(folder)
    result = check_task(load_task(folder), backend=backend)
    if not result.available:
        pytest.skip(f"not available here: {result.why_not}")
    assert result.problems == ()
    assert result.ok


def test_the_data_example_passes_the_check(tmp_path: Path, sandbox_backend: Backend) -> None:
    check(create(tmp_path / "ruler", "data"), sandbox_backend)


@pytest.mark.slow
def test_the_native_example_passes_the_check(tmp_path: Path, sandbox_backend: Backend) -> None:
    check(create(tmp_path / "inversions", "native"), sandbox_backend)


@pytest.mark.slow
def test_the_python_example_passes_the_check(tmp_path: Path, sandbox_backend: Backend) -> None:
    check(create(tmp_path / "inversions", "python"), sandbox_backend)
