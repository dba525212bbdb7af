"""Foreign tasks of our own, their images forgotten afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks import Task
from tests.verifier.foreign import making
from verifier.foreign import image

Make = Callable[..., Task]


@pytest.fixture
def make(tmp_path: Path, sandboxes: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make a tiny foreign task; keywords are those of `making.make`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made: list[Task] = []

    def one(name: str = "count_letters", **parts: object) -> Task:
        task = making.make(tmp_path / name, **parts)  # type: ignore[arg-type]
        made.append(task)
        return task

    yield one
    for task in made:
        image.forget(task)
