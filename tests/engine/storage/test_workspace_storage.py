"""How much disk a workspace may take."""

from __future__ import annotations

import os
from pathlib import Path

from engine.storage.quota import excess


def test_what_fits_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(os.urandom(1 << 20))
    assert excess(tmp_path, 8) is None


def test_many_files_add_up(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}").write_bytes(os.urandom(1 << 20))
    assert "exceeds 3 MiB" in (excess(tmp_path, 3) or "")


def test_a_hole_takes_no_room_and_a_link_is_not_followed(tmp_path: Path) -> None:
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "link").symlink_to("/usr")
    (tmp_path / "self").symlink_to(tmp_path)
    assert excess(tmp_path, 1) is None


def test_files_are_counted_too(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}").touch()
    assert "more than 20 files" in (excess(tmp_path, 1000, entries=20) or "")


def test_a_pit_is_too_much(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("x" * 200, dir_fd=here)
        below = os.open("x" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert "nested deeper" in (excess(tmp_path, 1000) or "")


def test_a_workspace_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    assert excess(tmp_path / "nothing", 1) is None
