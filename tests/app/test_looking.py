"""A session looked at closely: its figures, what a snapshot changes, its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autolab_tui.local import Difference, Local
from autolab_tui.screens.diff import DiffScreen
from autolab_tui.screens.files import FilesScreen
from autolab_tui.screens.listing import ListingScreen
from engine.offline.differences import compare
from engine.offline.snapshots import OfflineError
from tests.app.served import EngineServer

OLD = {"solve.c": b"int a;\nint b;\n", "gone.c": b"x\n"}
NEW = {"solve.c": b"int a;\nint \x1b[31mc;\n", "new.bin": b"\0\1"}


class Remembered(Local):
    """Differences without a journal; what was asked is kept."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.asked: list[Sequence[str]] = []
        self.trouble = ""

    def difference(self, session: str, snapshot: str, against: str) -> Difference:
        self.asked.append((session, snapshot, against))
        if self.trouble:
            raise OfflineError(self.trouble)
        return Difference("a" * 64, snapshot, compare(OLD, NEW))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_what_a_snapshot_changes(desk: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    local = Remembered(tmp_path)
    async with desk(size, local=local) as at:
        await at.press("j", "enter", "d")
        assert isinstance(at.app.screen, DiffScreen)
        await at.until(lambda: "+int" in at.text(), "the difference")
        text = at.text()
        assert "-int b;" in text and "gone.c  removed" in text and "no text" in text
        assert "\x1b" not in text
        newest = local.asked[-1]
        await at.press("right_square_bracket", "left_square_bracket", "p")
        await at.until(lambda: len(local.asked) == 4, "the other readings")
        assert local.asked[-1][2] == "previous"
        assert local.asked[-1][1] != newest[1]
        shown = local.asked[-1][1]
        await at.press("m", "left_square_bracket")
        await at.until(lambda: len(local.asked) == 5, "another beside it")
        assert local.asked[-1][2] == shown
        assert local.asked[-1][1] != shown
        local.trouble = "snapshot 3fa2 has no files"
        await at.press("b")
        await at.until(lambda: "has no files" in at.text(), "the reason")


async def test_figures_say_how_it_went_on_and_how_it_ended(desk: Any) -> None:
    async with desk((120, 40)) as at:
        await at.press("j", "enter", "F")
        assert isinstance(at.app.screen, ListingScreen)
        text = at.text()
        for word in ("how it stands", "budget used", "better than all before", "cost"):
            assert word in text
        await at.press("escape", "n", "F")
        assert "premature stop" in at.text()
        assert "11 % of its active budget" in at.text()


async def test_files_are_listed_and_their_paths_copied(desk: Any, tmp_path: Path) -> None:
    folder = tmp_path / "sessions" / "s-rising"
    folder.mkdir(parents=True)
    (folder / "transcript.jsonl").write_text("{}\n")
    async with desk((120, 40), local=Local(tmp_path)) as at:
        await at.press("j", "enter", "o")
        assert isinstance(at.app.screen, FilesScreen)
        assert "transcript" in at.text()
        await at.press("y")
        assert at.app.clipboard == str(folder / "transcript.jsonl")


async def test_without_the_folder_it_says_so(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        await at.press("j", "enter", "d")
        await at.until(lambda: "does not know the engine" in at.text(), "the words")


def test_a_file_is_read_in_the_pager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    script = tmp_path / "pager"
    script.write_text(f'#!/bin/sh\ncat "$@" > {seen}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PAGER", str(script))
    note = tmp_path / "note.txt"
    note.write_text("hello")
    assert Local(tmp_path).read(note) == ""
    assert seen.read_text() == "hello"
    assert Local(tmp_path).read(tmp_path / "missing") != ""
