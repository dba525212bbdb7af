"""A small pinned task of its own, and real verifications of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks import Task, load_task
from tests.verifier.patience import Judge, patiently
from verifier import pins
from verifier.request import VerifyRequest
from verifier.sandbox import get_backend
from verifier.sandbox.spec import SandboxUnavailableError
from verifier.verdict import Verdict

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def sandboxes() -> None:
    """Skip where no sandbox can be started or no compiler is there."""
    try:
        get_backend().require()
    except SandboxUnavailableError as error:
        pytest.skip(f"needs working sandboxes: {error}")
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")


@pytest.fixture
def task_dir(tmp_path: Path) -> Path:
    """A private, pinned copy of the task `equal_bytes`."""
    folder = tmp_path / "equal_bytes"
    shutil.copytree(FIXTURES / "equal_bytes", folder)
    pins.write(folder)
    return folder


@pytest.fixture
def task(task_dir: Path) -> Task:
    return load_task(task_dir)


@pytest.fixture
def judge(sandboxes: None, task_dir: Path) -> Judge:
    """Verify a solve.c (C text) or whole `files`; other work on the machine is waited out."""

    def run(source: str | None = None, **fields: object) -> Verdict:
        if source is not None:
            fields["files"] = {"solve.c": source.encode()}
        request = VerifyRequest(task=str(task_dir), **fields)  # type: ignore[arg-type]
        return patiently(request)

    return run
