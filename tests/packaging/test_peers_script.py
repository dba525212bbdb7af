"""`scripts/peers` where it cannot work, and the versions that it installs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def peers(clone: Path, *line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(clone / "scripts" / "peers"), *line],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy2(ROOT / "scripts" / "peers", tmp_path / "scripts" / "peers")
    return tmp_path


def test_before_the_set_up_it_says_what_to_run(clone: Path) -> None:
    done = peers(clone, "sdk")
    assert done.returncode == 1
    assert "run scripts/setup first" in done.stderr
    assert not (clone / ".peers").exists()


def test_an_unknown_name_is_wrong_usage(clone: Path) -> None:
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = peers(clone, "ollama")
    assert done.returncode == 2
    assert "unknown name 'ollama'; it knows aimock, sdk, cuda and litellm" in done.stderr


def test_every_version_is_exact() -> None:
    pins = sorted((ROOT / "tests" / "support" / "peers").glob("*.txt"))
    assert [p.stem for p in pins] == ["litellm", "sdk"]
    for line in [line for pin in pins for line in pin.read_text().splitlines()]:
        assert re.fullmatch(r"[\w.-]+==\d[\w.+!]*", line), line
    script = (ROOT / "scripts" / "peers").read_text()
    assert re.search(r"^AIMOCK=@copilotkit/aimock@\d+\.\d+\.\d+$", script, re.MULTILINE)
    assert re.search(r"^PYCUDA=pycuda==\d+(\.\d+)+$", script, re.MULTILINE)
