"""Files that commands leave are whole, or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autolab_tui.cli import writing
from autolab_tui.cli.failures import CommandError


def every(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_disk_that_fills_leaves_nothing_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.json").write_text("as it was")
    written: list[Path] = []
    real = Path.write_text

    def fills(path: Path, text: str, **more: str) -> int:
        written.append(path)
        if len(written) == 3:
            real(path, text[:2], **more)
            raise OSError(28, "No space left on device", str(path))
        return real(path, text, **more)

    monkeypatch.setattr(Path, "write_text", fills)
    files = {"r/s-1/result.json": "one", "old.json": "two", "r/result.json": "three", "z": "four"}
    full = r"cannot write .*result\.json: No space left on device on the disk at /.*, \S+ .B of "
    with pytest.raises(CommandError, match=full):
        writing.write_all(tmp_path, files)
    assert every(tmp_path) == ["old.json"]
    assert (tmp_path / "old.json").read_text() == "as it was"


def test_files_of_names_that_lead_elsewhere_are_not_written(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("../out.json", str(tmp_path / "out.json"), "a/../../out.json"):
        with pytest.raises(CommandError, match="no file's name"):
            writing.write_all(folder, {"first.json": "", name: ""})
    assert every(tmp_path) == []


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=r"cannot make .*file/r: .*name another folder"):
        writing.write_all(tmp_path / "file", {"r/result.json": ""})
    with pytest.raises(CommandError, match=r"cannot write .*nowhere"):
        writing.write_whole(tmp_path / "nowhere" / "x.html", "")
    assert every(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_does_not_fit_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from autolab_tui.cli.failures import guarded

    def command() -> int:
        file = os.open("/dev/full", os.O_WRONLY)
        try:
            return os.write(file, b"x")
        finally:
            os.close(file)

    assert guarded(command) == 1
    assert capsys.readouterr().err == (
        "autolab: cannot write the output: no space left on its disk\n"
    )
