"""The suite's own tasks, pinned, and what their honest twins earn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks import load_task
from tests.redteam.catalogue import HERE
from tests.verifier.patience import patiently
from verifier import pins
from verifier.request import VerifyRequest
from verifier.sandbox.spec import Backend

SECRET = "autolab-redteam-secret"  # in what agents must not see; never in what they are given
Twin = Callable[[str], float]
Place = Callable[[str], Path]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox_backend: Backend) -> Place:
    """A pinned copy of the suite's own task of a kind."""
    root = tmp_path_factory.mktemp("redteam")
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")

    def placed(kind: str) -> Path:
        folder = root / kind
        if not folder.exists():
            shutil.copytree(HERE / "tasks" / kind, folder)
            for hidden in (*folder.glob("tests/*.py"), *folder.glob("solution/steps/*/README.md")):
                hidden.write_text(f"{hidden.read_text()}\n# {SECRET}\n")
            pins.write(folder)
        return folder

    return placed


@pytest.fixture(scope="session")
def twin(place: Place) -> Twin:
    """What the honest twin of a kind earns: the reference, measured here. It is never flagged."""
    known: dict[str, float] = {}

    def earned(kind: str) -> float:
        if kind not in known:
            artifact = load_task(place(kind)).steps()[-1].artifact
            verdict = patiently(VerifyRequest(task=str(place(kind)), files=dict(artifact)))
            assert verdict.status == "scored", verdict.reason
            assert not [
                f
                for f in verdict.findings
                if f.severity != "info" and "is known less well" not in f.what
            ], verdict.findings
            assert verdict.reward is not None
            assert verdict.reward > 0.1
            known[kind] = verdict.reward
        return known[kind]

    return earned
