from __future__ import annotations

import os
from pathlib import Path

import pytest

from verifier.sandbox import places, uids


def test_a_workspace_is_a_copy_that_belongs_to_the_sandbox(state_dir, source):
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.pyc").write_bytes(b"")
    (source / "link").symlink_to("hello.txt")
    uid = uids.identity().host_uid("agent", 7)
    workspace = places.make_workspace(state_dir, source, uid)
    names = sorted(str(p.relative_to(workspace)) for p in workspace.rglob("*"))
    assert names == ["hello.txt", "link", "sub", "sub/run.sh"]
    assert (workspace / "link").is_symlink()
    assert (workspace / "sub" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert {p.lstat().st_uid for p in [workspace, *workspace.rglob("*")]} == {uid}
    assert places.why_unreachable(workspace, uid) is None
    assert "task" not in str(workspace) and source.name not in workspace.name
    places.remove(workspace)
    assert not workspace.exists()


def test_two_state_directories_have_two_places(state_dir, tmp_path):
    other = tmp_path / "other-state"
    other.mkdir()
    try:
        assert places.root(state_dir) != places.root(other)
    finally:
        places.remove_all(other)


def test_something_odd_in_a_task_is_named_and_nothing_is_left(state_dir, source):
    os.mkfifo(source / "sub" / "pipe")
    with pytest.raises(ValueError, match="pipe is neither a file"):
        places.make_workspace(state_dir, source, os.geteuid())
    assert list(places.root(state_dir).iterdir()) == []


def test_closed_and_linked_folders_are_removed_without_following(state_dir, source, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    workspace = places.make_workspace(state_dir, source, os.geteuid())
    (workspace / "closed" / "deeper").mkdir(parents=True)
    (workspace / "closed" / "deeper" / "file").write_text("")
    (workspace / "escape").symlink_to(precious)
    (workspace / "closed" / "deeper").chmod(0)
    (workspace / "closed").chmod(0)
    places.remove(workspace)
    assert not workspace.exists()
    assert (precious / "file").read_text() == "keep"


def test_why_unreachable_names_the_folder_and_the_remedy(tmp_path):
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() != "root" or os.geteuid() == 0:
            break
    closed.chmod(0o700)
    stranger = os.geteuid() + 4321
    why = places.why_unreachable(closed / "inner", stranger)
    assert why is not None and f"bars uid {stranger}" in why and "chmod o+x" in why
    assert places.why_unreachable(Path("/usr/bin"), stranger) is None
    assert places.why_unreachable(Path("/no/such"), stranger) == "it does not exist"
    assert places.why_unreachable(Path("relative"), stranger) == "the path must be absolute"
