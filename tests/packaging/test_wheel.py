"""The wheel, installed somewhere else: everything that `autolab` needs is in it, nothing more."""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tracked files and whatever is not ignored."""
    place = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are borrowed from this one."""
    place = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    site = next((place / "lib").glob("python*/site-packages"))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "install"),
            *("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", str(wheel)),
        ],
        check=True,
    )
    # Appended after the wheel's own folder; .pth files of the borrowed folder are not followed.
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return place


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_tasks_with_their_hidden_files_and_themes(wheel: Path) -> None:
    found = names(wheel)
    tasks = {p.parent.relative_to(ROOT) for p in (ROOT / "tasks").glob("*/*/task.toml")}
    assert tasks
    for task in tasks:
        for path in ("task.toml", "instruction.md", "pins.json", "tests/judge.py"):
            assert f"{task}/{path}" in found
        assert any(name.startswith(f"{task}/solution/steps/") for name in found)
        assert any(name.startswith(f"{task}/environment/app/") for name in found)
    assert {f"themes/{p.name}" for p in (ROOT / "themes").glob("*.toml")} <= found
    assert any(name.endswith(".tcss") for name in found)
    assert "verifier/inside/driver.c" in found
    harnesses = [*(ROOT / "engine").rglob("*.md"), *(ROOT / "engine").rglob("*.toml")]
    assert harnesses
    assert {str(path.relative_to(ROOT)) for path in harnesses} <= found


def test_the_wheel_has_no_tests_of_ours_and_no_byte_code(wheel: Path) -> None:
    found = names(wheel)
    assert not {name for name in found if name.startswith(("tests/", "docs/", "scripts/"))}
    assert not {name for name in found if "__pycache__" in name or name.endswith(".pyc")}
    assert {name.split("/")[0] for name in found if ".dist-info" not in name} == {
        "autolab_tui",
        "engine",
        "tasks",
        "themes",
        "verifier",
    }


def autolab(
    installed: Path, state: Path, *line: str, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "AUTOLAB_DEBUG")}
    return subprocess.run(
        [str(installed / "bin" / "autolab"), *line],
        cwd="/",
        env={**env, "AUTOLAB_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_the_command_works_from_elsewhere(installed: Path, tmp_path: Path) -> None:
    done = autolab(installed, tmp_path, "--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "autolab")
    home = subprocess.run(
        [installed / "bin" / "python", "-I", "-c", "import tasks; print(tasks.__file__)"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert home.stdout.startswith(str(installed))
    themes = json.loads(autolab(installed, tmp_path, "themes", "list", "--json").stdout)
    assert len(themes["themes"]) >= 4


def test_the_installed_tasks_are_as_pinned_even_with_byte_code(
    installed: Path, tmp_path: Path
) -> None:
    site = next((installed / "lib").glob("python*/site-packages"))
    compileall.compile_dir(site / "tasks", quiet=2)
    assert list((site / "tasks").glob("*/*/tests/__pycache__/*.pyc"))
    done = autolab(installed, tmp_path, "tasks", "list", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)["tasks"]
    assert len(listed) == len(list((ROOT / "tasks").glob("*/*/task.toml")))
    assert {task["pins"] for task in listed} == {"ok"}
    assert all(task["path"].startswith(str(installed)) for task in listed)


def test_the_installed_verifier_scores_a_baseline_zero(
    installed: Path, tmp_path: Path, sandbox_backend: object
) -> None:
    done = autolab(installed, tmp_path, "verify", "rack_placement", "--json")
    verdict = json.loads(done.stdout)
    assert verdict["schema"] == "autolab/verdict/1"
    assert (done.returncode, verdict["status"], verdict["reward"]) == (0, "scored", 0.0)
