"""Models, harnesses and sessions compared on the screen."""

from __future__ import annotations

from typing import Any

import pytest

from autolab_tui.screens.compare import CompareScreen
from autolab_tui.views import compare as view
from tests.app.journal import Journal
from tests.app.served import EngineServer


def two_models() -> Journal:
    """Two models on three tasks, two attempts each; one is better on two of the tasks."""
    journal = Journal()
    journal.engine()
    rewards = {"a/one": (0.4, 0.3, 0.1), "b/two": (0.2, 0.1, 0.3)}
    names = [f"s-{m[0]}{t}{k}" for m in rewards for t in range(3) for k in range(2)]
    journal.run("r-1", names)
    for model, of in rewards.items():
        for task, reward in enumerate(of):
            for attempt in range(2):
                name = f"s-{model[0]}{task}{attempt}"
                journal.create(name, task=f"task_{task}", model=model)
                journal.start(name)
                journal.wait(60)
                journal.verdict(name, 50, reward + 0.01 * attempt, stage="final", speedup=2.0)
                journal.end(name, reward + 0.01 * attempt, "ended", "it was done")
    return journal


@pytest.fixture
def journal() -> Journal:
    return two_models()


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_two_models_are_compared_pair_by_pair(desk: Any, size: tuple[int, int]) -> None:
    async with desk(size) as at:
        await at.press("a", "4")
        assert isinstance(at.app.screen, CompareScreen)
        assert "Choose two" in at.text()
        await at.press("space", "j", "space")
        await at.until(lambda: "A - B" in at.text() and "task_0" in at.text(), "the comparison")
        text = at.text()
        assert "+0.067" in text  # the mean of +0.2, +0.2 and -0.2
        assert "-0.200" in text
        assert "sign test: A 2, B 1" in text
        await at.press("x")
        await at.until(lambda: "-0.067" in at.text(), "the sides swapped")
        await at.press("tab", "tab")
        await at.until(lambda: "of the budget" in at.text(), "the plot of all tasks")


async def test_marked_sessions_are_drawn_over_one_another(desk: Any) -> None:
    async with desk((120, 40)) as at:
        await at.press("a", "space", "space", "space", "4")
        text = at.text()
        assert "compare sessions" in text
        assert "3 chosen" in text
        assert "best so far" in text


async def test_other_kinds_are_a_key_away(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        await at.press("a", "4")
        for kind in ("harness", "run", "session", "model"):
            await at.press("c")
            assert f"compare {kind}" in at.text()


def test_what_shares_no_task_says_so() -> None:
    journal = two_models()
    journal.create("s-x", task="other", model="c/three")
    journal.start("s-x")
    journal.end("s-x", 0.1, "ended", "it was done")
    state = journal.state()
    found = view.contrast(state, "model", ["a/one", "c/three"], "exclude")
    (line, *_) = view.verdict(found, 2, 100)
    assert "share no task" in line[0][0]
