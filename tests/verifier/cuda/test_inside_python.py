"""Which Python the device process gets, and how a sandbox comes to see PyCUDA."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.cuda import python

STRANGER = 1_900_003_002


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with packages of the two names, found first."""
    top = Path(tempfile.mkdtemp(prefix="autolab-site-"))
    for name in ("pycuda", "numpy"):
        (top / "site" / name).mkdir(parents=True)
        (top / "site" / name / "__init__.py").write_text(f"name = {name!r}\n")
    (top / "site/numpy.libs").mkdir()
    monkeypatch.syspath_prepend(top / "site")
    monkeypatch.setattr(python, "_KEPT", top / "kept/python")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    top.chmod(0o755)
    yield top
    shutil.rmtree(top)


def test_what_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python, "_NEEDED", ("no_such_module_here",))
    assert "no_such_module_here is missing at" in (python.missing() or "")
    with pytest.raises(python.PythonError, match=r"docs/gpus.md"):
        python.inside(os.getuid())


def test_packages_are_mounted_where_they_are(site: Path) -> None:
    found = python.inside(STRANGER if os.geteuid() == 0 else os.getuid())
    places = {mount.target: mount.source for mount in found.mounts}
    for name in ("pycuda", "numpy", "numpy.libs"):
        assert places[f"{python.SITE}/{name}"] == site / "site" / name
    assert not found.borrowed
    assert found.env["CUDA_MODULE_LOADING"] == "EAGER"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandboxes have other uids")
def test_packages_that_a_sandbox_cannot_reach_are_copied_once(site: Path) -> None:
    (site / "site").chmod(0o700)
    first, again = python.inside(STRANGER), python.inside(STRANGER)
    assert first == again
    places = {mount.target: mount.source for mount in first.mounts}
    copied = places[f"{python.SITE}/pycuda"]
    assert copied.is_relative_to(site / "kept")
    assert (copied / "__init__.py").read_text() == "name = 'pycuda'\n"
    assert [p.name for p in (site / "kept/python").iterdir()] == [copied.parent.name]


def test_a_driver_of_the_loaders_path_is_seen_and_told(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "libcuda.so.1").write_text("")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"relative:/nowhere:{site}")
    found = python.inside(os.getuid())
    assert found.borrowed == str(site)
    assert found.env["LD_LIBRARY_PATH"] == str(site)
