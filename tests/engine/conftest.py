"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.engine.support import EngineProcess, lacks_sandbox, make_task, running_engine

settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's folders."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("AUTOLAB_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("AUTOLAB_STATE", raising=False)


@pytest.fixture(scope="session")
def _no_sandbox() -> str:
    return lacks_sandbox()


@pytest.fixture
def sandboxes(_no_sandbox: str) -> None:
    """Skips the test where no sandbox can be had."""
    if _no_sandbox:
        pytest.skip(f"no sandbox can be had here: {_no_sandbox}")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite with one tiny task, `count_down`."""
    return make_task(tmp_path / "suite")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine in a process of its own."""
    with running_engine(tmp_path / "state") as process:
        yield process


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """One engine for the tests of a module that only ask it things."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOLAB_CONFIG", str(folder / "config"))
        with running_engine(folder / "state") as process:
            yield process
