"""How much of a score is the harness: a grid of models and harnesses on the same tasks.

Variances by moments, two-way random effects with tasks as blocks: what is left after model,
harness, their interaction and task is how tasks single out combinations, and the attempts' noise.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from engine.analysis.counting import Missing, Sheet, Subject, sheet
from engine.analysis.statistics import mean
from engine.state import SessionState, State

_Grid = dict[tuple[str, str, Subject], tuple[float, ...]]


class Variances(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one attempt's reward; negative estimates are 0. `attempt` None without repetitions.

    `rest` is what tasks do to single models and harnesses (with the attempts' noise if that is not
    known apart).
    """

    model: float
    harness: float
    interaction: float
    task: float
    rest: float
    attempt: float | None


class Swing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model in the harness that suits it least and in the one that suits it most."""

    model: str
    worst: str
    low: float
    best: str
    high: float


class HarnessCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean US dollars of an attempt, over the `known` of `sessions` whose cost is known whole."""

    harness: str
    sessions: int
    known: int
    cost: float | None


class HarnessEffect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`grid[i][j]` is the mean reward of model i in harness j over `tasks` tasks."""

    models: tuple[str, ...]
    harnesses: tuple[str, ...]
    tasks: tuple[str, ...]
    grid: tuple[tuple[float, ...], ...]
    swings: tuple[Swing, ...]
    variances: Variances
    costs: tuple[HarnessCost, ...]


def harness_effect(
    state: State, sessions: Iterable[SessionState], missing: Missing = "exclude"
) -> HarnessEffect | None:
    """The grid, over the tasks that every model did in every harness.

    None where there are not at least two models, two harnesses and two such tasks.
    """
    every = [s for s in sessions if s.model is not None]
    made = sheet(state, every, missing)
    models = sorted({entrant.model for entrant in made.entrants})
    harnesses = sorted({s.harness for s in every})
    cells = _cells(made)
    tasks = [
        subject
        for subject in made.subjects
        if all((m, h, subject) in cells for m in models for h in harnesses)
    ]
    if min(len(models), len(harnesses), len(tasks)) < 2:
        return None
    y = [[[mean(cells[m, h, t]) for t in tasks] for h in harnesses] for m in models]
    grid = [[mean(values) for values in row] for row in y]
    swings = [_swing(model, harnesses, row) for model, row in zip(models, grid, strict=True)]
    used = {(m, h, t): cells[m, h, t] for m in models for h in harnesses for t in tasks}
    return HarnessEffect(
        models=tuple(models),
        harnesses=tuple(harnesses),
        tasks=tuple(made.label(t) for t in tasks),
        grid=tuple(map(tuple, grid)),
        swings=tuple(sorted(swings, key=lambda s: (s.low - s.high, s.model))),
        variances=_variances(y, used),
        costs=tuple(_cost(h, [s for s in every if s.harness == h]) for h in harnesses),
    )


def _cells(made: Sheet) -> _Grid:
    found: dict[tuple[str, str, Subject], list[float]] = defaultdict(list)
    for entrant in made.entrants:
        for subject in made.subjects:
            if rewards := made.rewards(entrant, subject):
                found[entrant.model, entrant.harness, subject] += rewards
    return {key: tuple(sorted(values)) for key, values in found.items()}


def _swing(model: str, harnesses: Sequence[str], row: Sequence[float]) -> Swing:
    low, high = min(row), max(row)
    return Swing(model, harnesses[row.index(low)], low, harnesses[row.index(high)], high)


def _cost(harness: str, sessions: Sequence[SessionState]) -> HarnessCost:
    costs = [
        s.usage.cost
        for s in sessions
        if s.over and s.usage.cost is not None and not s.usage.unpriced
    ]
    over = sum(s.over for s in sessions)
    return HarnessCost(harness, over, len(costs), math.fsum(costs) / len(costs) if costs else None)


def _variances(y: Sequence[Sequence[Sequence[float]]], cells: _Grid) -> Variances:
    m, h, t = len(y), len(y[0]), len(y[0][0])
    all_ = mean([value for row in y for cell in row for value in cell])
    by_model = [mean([v for cell in row for v in cell]) for row in y]
    by_harness = [mean([v for row in y for v in row[j]]) for j in range(h)]
    by_task = [mean([y[i][j][k] for i in range(m) for j in range(h)]) for k in range(t)]
    by_both = [[mean(y[i][j]) for j in range(h)] for i in range(m)]
    ms_model = t * h * _squares(v - all_ for v in by_model) / (m - 1)
    ms_harness = t * m * _squares(v - all_ for v in by_harness) / (h - 1)
    ms_task = m * h * _squares(v - all_ for v in by_task) / (t - 1)
    ms_both = (t / ((m - 1) * (h - 1))) * _squares(
        by_both[i][j] - by_model[i] - by_harness[j] + all_ for i in range(m) for j in range(h)
    )
    ms_rest = _squares(
        y[i][j][k] - by_both[i][j] - by_task[k] + all_
        for i in range(m)
        for j in range(h)
        for k in range(t)
    ) / ((m * h - 1) * (t - 1))
    attempt = _attempts(cells.values())
    noise = 0.0
    if attempt is not None:
        noise = attempt * math.fsum(1 / len(values) for values in cells.values()) / len(cells)
    return Variances(
        model=max(0.0, (ms_model - ms_both) / (t * h)),
        harness=max(0.0, (ms_harness - ms_both) / (t * m)),
        interaction=max(0.0, (ms_both - ms_rest) / t),
        task=max(0.0, (ms_task - ms_rest) / (m * h)),
        rest=max(0.0, ms_rest - noise),
        attempt=attempt,
    )


def _squares(values: Iterable[float]) -> float:
    return math.fsum(value * value for value in values)


def _attempts(cells: Iterable[Sequence[float]]) -> float | None:
    """The variance of attempts at the same task, pooled over cells."""
    squares, freedom = 0.0, 0
    for values in cells:
        middle = mean(values)
        squares += _squares(v - middle for v in values)
        freedom += len(values) - 1
    return squares / freedom if freedom else None
