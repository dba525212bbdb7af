"""Models beside each other on the page: the leaderboard, its domains, the effect of harnesses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autolab_tui import words
from autolab_tui.report.cells import (
    REASON,
    UNKNOWN,
    estimate,
    figure,
    money,
    name,
    number,
    section,
    table,
    value_of,
)
from autolab_tui.report.facts import Facts
from autolab_tui.report.markup import Markup, element, join
from engine.analysis.leaderboard import Cell, Estimate, Row, Scores


def leaderboard(facts: Facts) -> Markup:
    """Models in their harnesses, best first."""
    board = facts.board
    head = ("model", "harness", "tasks", "n", "k", "Avg@k", "attempts at each task",
            "Best@k", "dominance", "s.e.", "above next")  # fmt: skip
    rows = [
        (
            name(row.model),
            name(f"{row.harness} {row.harness_hash[:8]}"),
            figure(f"{row.overall.tasks} of {board.tasks}"),
            figure(f"{row.tally.counted} of {row.tally.sessions}"),
            figure(_attempts(row)),
            figure(estimate(row.overall.avg)),
            element("td", _spread(row.overall.avg, row.cells)),
            figure(estimate(row.overall.best)),
            figure(estimate(row.overall.dominance)),
            figure(number(row.overall.error)),
            figure(UNKNOWN if row.above_next is None else f"{row.above_next:.0%}"),
        )
        for row in board.rows
    ]
    return section(
        "Leaderboard",
        table(head, rows, right={2, 3, 4, 5, 7, 8, 9, 10}),
        element(
            "p",
            "Means over tasks with 95 % intervals (bootstrap over tasks, attempts within them). "
            "The bar is the interval of Avg@k, the line its value, each dot one attempt, from 0 "
            "to 1.",
            class_="dim",
        ),
        _domains(facts),
        *(element("p", f"Note: {remark}.", class_="warn") for remark in board.remarks),
        *(
            element(
                "p",
                f"{one.standing.replace('_', ' ')}: {one.session} ({one.model} on {one.task}): "
                f"{one.why[:REASON]}",
                class_="warn",
            )
            for one in board.left_out
        ),
    )


def _attempts(row: Row) -> str:
    least, most = row.attempts
    return str(least) if least == most else f"{least} to {most}"


def _spread(avg: Estimate | None, cells: Iterable[Cell]) -> Markup:
    """A row's interval and its attempts on a line from 0 to 1."""
    width, left = 180.0, 6.0
    dots = [
        element("circle", cx=left + reward * width, cy=19 if index % 2 else 23, r=2, class_="dot")
        for index, cell in enumerate(cells)
        for reward in cell.rewards
    ]
    line: list[Markup] = []
    if avg is not None:
        if avg.interval is not None:
            low, high = avg.interval.low, avg.interval.high
            line.append(element("line", x1=left + low * width, x2=left + high * width, y1=9, y2=9,
                                class_="bar"))  # fmt: skip
        at = left + avg.value * width
        line.append(element("line", x1=at, x2=at, y1=4, y2=14, class_="value"))
    axis = element("line", x1=left, x2=left + width, y1=14, y2=14, class_="grid")
    return element("svg", axis, *line, *dots, viewBox="0 0 192 26", class_="spread",
                   role="img", aria_label="attempts and interval")  # fmt: skip


def _domains(facts: Facts) -> Markup | None:
    rows = facts.board.rows
    names = list(rows[0].domains) if rows else []
    if len(names) < 2:
        return None
    head = ("model", "harness", *(f"{name} ({_tasks_of(rows, name)})" for name in names))
    body = [
        (
            name(row.model),
            name(f"{row.harness} {row.harness_hash[:8]}"),
            *(figure(_domain(row.domains[name])) for name in names),
        )
        for row in rows
    ]
    return table(
        head,
        body,
        right=set(range(2, len(head))),
        caption="By domain (with its number of tasks): Avg@k, then Best@k / dominance",
    )


def _tasks_of(rows: Sequence[Row], domain: str) -> int:
    return sum(cell.domain == domain for cell in rows[0].cells)


def _domain(scores: Scores) -> Markup:
    if scores.avg is None:
        return join(UNKNOWN)
    return join(
        estimate(scores.avg),
        element("br"),
        " / ".join((value_of(scores.best), value_of(scores.dominance))),
    )


def harness_effect(facts: Facts) -> Markup | None:
    """What harnesses make of models; None with fewer than the analysis wants."""
    effect = facts.effect
    if effect is None:
        return None
    rows = [
        (name(model), *(figure(number(value)) for value in values))
        for model, values in zip(effect.models, effect.grid, strict=True)
    ]
    v = effect.variances
    attempt = UNKNOWN if v.attempt is None else f"{v.attempt:.4f}"
    costs = "; ".join(f"{c.harness} {money(c.cost)} (n = {c.known})" for c in effect.costs)
    swings = "; ".join(
        f"{s.model} {s.low:.3f} in {s.worst} to {s.high:.3f} in {s.best}" for s in effect.swings
    )
    return section(
        "Harness effect",
        table(
            ("model", *effect.harnesses),
            rows,
            right=set(range(1, 1 + len(effect.harnesses))),
            caption=f"Mean reward over {words.plural(len(effect.tasks), 'task')} that all did",
        ),
        element(
            "p",
            f"Variance of a reward: model {v.model:.4f}, harness {v.harness:.4f}, interaction "
            f"{v.interaction:.4f}, task {v.task:.4f}, rest {v.rest:.4f}, attempt {attempt}.",
        ),
        element("p", f"Swings: {swings}. Mean cost of an attempt: {costs}."),
    )
