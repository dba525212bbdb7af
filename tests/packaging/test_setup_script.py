"""`scripts/setup` where something is missing: it names what, and the command that installs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    *("sh", "dirname", "tr", "sed", "cat", "sha256sum", "cut", "mktemp", "rm", "make", "gcc"),
    *("tail", "pwd", "env", "git"),
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What scripts/setup reads, in a folder of its own."""
    folder = tmp_path / "clone"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy2(ROOT / "scripts" / "setup", folder / "scripts" / "setup")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def machine(place: Path, lacks: tuple[str, ...], uid: int) -> str:
    """A PATH on which only some tools are, and `id` says what the test wants."""
    bin_dir = place / "bin"
    bin_dir.mkdir()
    for name in (*TOOLS, "bwrap", "tmux", "apt-get"):
        found = shutil.which(name)
        if found and name not in lacks:
            (bin_dir / name).symlink_to(found)
    scripts = {"id": f"echo {uid}", "apt-get": "echo the test must not install >&2; exit 9"}
    if "bwrap" not in lacks:
        scripts["bwrap"] = scripts["tmux"] = "exit 0"
    scripts["python3"] = "echo Python 3.11.9"
    for name, body in scripts.items():
        (bin_dir / name).unlink(missing_ok=True)
        (bin_dir / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin_dir / name).chmod(0o755)
    if "apt-get" in lacks:
        (bin_dir / "apt-get").unlink()
    return str(bin_dir)


def setup(clone: Path, path: str, *line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(clone / "scripts" / "setup"), *line],
        capture_output=True,
        text=True,
        env={"PATH": path, "HOME": str(clone), "LANG": "C"},
        timeout=60,
        check=False,
    )


def test_an_ordinary_user_is_told_the_exact_command(clone: Path, tmp_path: Path) -> None:
    done = setup(clone, machine(tmp_path, ("bwrap", "tmux"), uid=1000))
    assert done.returncode == 1
    assert "sudo apt-get update && sudo apt-get install -y bubblewrap tmux" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_machine_without_apt_is_told_what_is_missing(clone: Path, tmp_path: Path) -> None:
    done = setup(clone, machine(tmp_path, ("bwrap", "tmux", "apt-get"), uid=0))
    assert done.returncode == 1
    assert "bubblewrap tmux" in done.stderr
    assert "package manager" in done.stderr


def test_root_sees_what_apt_said_when_it_failed(clone: Path, tmp_path: Path) -> None:
    done = setup(clone, machine(tmp_path, ("bwrap",), uid=0))
    assert done.returncode == 1
    assert "installing from the system's packages: bubblewrap" in done.stdout
    assert "the test must not install" in done.stderr


def test_an_unknown_argument_is_wrong_usage(clone: Path, tmp_path: Path) -> None:
    done = setup(clone, machine(tmp_path, (), uid=1000), "--develop")
    assert done.returncode == 2
    assert "--develop" in done.stderr


def test_a_stamp_makes_the_second_run_instant_and_a_change_undoes_it(
    clone: Path, tmp_path: Path
) -> None:
    """The python of this machine is a script that notes what it was asked to do."""
    path = machine(tmp_path, (), uid=1000)
    notes = tmp_path / "notes"
    python = Path(path) / "python3"
    python.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >> {notes}\n'
        'case "$*" in\n'
        '*venv*) case $1 in -m) mkdir -p .venv/bin; cp "$0" .venv/bin/python;; esac;;\n'
        "*%d.%d*) echo 3.11;;\n"
        "*--version*) echo Python 3.11.9;;\n"
        "esac\n"
    )
    for name in ("mkdir", "cp"):
        (Path(path) / name).symlink_to(shutil.which(name) or "")
    assert setup(clone, path).returncode == 0
    assert "-m pip install" in notes.read_text()

    def installs() -> int:
        return notes.read_text().count("-m pip install")

    assert setup(clone, path).returncode == 0
    assert installs() == 1
    assert setup(clone, path, "--dev").returncode == 0
    assert installs() == 2
    assert ".[dev]" in notes.read_text()
    assert setup(clone, path).returncode == 0
    assert setup(clone, path, "--dev").returncode == 0
    assert installs() == 2
    with (clone / "constraints.txt").open("a") as file:
        file.write("another==1.0\n")
    assert setup(clone, path).returncode == 0
    assert installs() == 3
    assert notes.read_text().splitlines()[-1].endswith(".[dev]")


def test_constraints_are_plain_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines
    for line in lines:
        name, equals, version = line.partition("==")
        assert name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        assert equals
        assert version[0].isdigit()
        assert " " not in line
