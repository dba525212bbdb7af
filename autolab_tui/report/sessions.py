"""The sessions of a run on the page: how they ended, their trajectories, what they used."""

from __future__ import annotations

from autolab_tui import words
from autolab_tui.report.cells import (
    REASON,
    UNKNOWN,
    anchor,
    figure,
    name,
    number,
    percent,
    section,
    table,
)
from autolab_tui.report.facts import Facts, SessionFacts
from autolab_tui.report.markup import Markup, element
from autolab_tui.report.trajectory import MEANINGS, legend, marks, trajectory
from engine.analysis.counting import name_of
from engine.analysis.persistence_index import Correlation
from engine.analysis.warnings import LiveWarning
from engine.state import Point, SessionState
from verifier.numerals import numeral

_OUTCOMES = {"converged": "good", "ran_to_end": "good"}


def sessions(facts: Facts) -> Markup:
    """How each session ended, and how it persisted."""
    how = ("session", "task", "model", "harness", "final", "outcome", "evidence")
    head = ("session", "task", "model", "first", "final", "best", "AUC", "iterations",
            "verified", "improving", "to 50 %", "to 90 %", "last gain", "used", "late gain",
            "regret")  # fmt: skip
    index = "; ".join(map(_correlation, facts.index))
    return section(
        "Sessions",
        table(how, map(_ending_row, facts.sessions), right={4}, caption="How they ended"),
        table(head, map(_figures_row, facts.sessions), right=set(range(3, 16)),
               caption="Persistence"),
        element("p", "Shares are of the budget. Rank correlation of the final reward with ", index,
                class_="dim") if any(c.rho is not None for c in facts.index) else None,
    )  # fmt: skip


def _ending_row(one: SessionFacts) -> tuple[Markup, ...]:
    s = one.session
    outcome = s.outcome or s.state
    evidence = s.outcome_evidence or "; ".join(map(_warning, one.warnings))
    return (
        _link(s),
        name(s.task),
        name(name_of(s)),
        name(s.harness),
        figure(number(s.final_reward)),
        element("td", _said(outcome), class_=_OUTCOMES.get(outcome)),
        element("td", evidence[:REASON], class_="prose"),
    )


def _warning(warning: LiveWarning) -> str:
    return f"{_said(warning.kind)}: {warning.evidence}"


def _said(kind: str) -> str:
    """The name of a class or a warning, in words."""
    return kind.replace("_", " ")


def _figures_row(one: SessionFacts) -> tuple[Markup, ...]:
    s, p = one.session, one.persistence
    return (
        _link(s),
        name(s.task),
        name(name_of(s)),
        *(figure(number(value)) for value in (p.first, p.final, p.best, p.auc)),
        *(figure(str(value)) for value in (p.iterations, p.verified, p.improving)),
        *(figure(percent(value)) for value in (p.half, p.ninety, p.last_improvement, p.used)),
        *(figure(number(value)) for value in (p.late_gain, p.regret)),
    )


def _link(session: SessionState) -> Markup:
    return element("td", element("a", session.id, href=f"#{anchor(session)}"), class_="mono")


def _correlation(found: Correlation) -> str:
    said = UNKNOWN if found.rho is None else f"{found.rho:.2f}"
    if found.interval is not None:
        said += f" ({found.interval.low:.2f} to {found.interval.high:.2f})"
    return f"{found.figure} {said}, n = {found.sessions}"


def trajectories(facts: Facts) -> Markup:
    """Each session with its plot and its verdicts."""
    return section("Trajectories", legend(), *(_session(one) for one in facts.sessions))


def _session(one: SessionFacts) -> Markup:
    s = one.session
    final = "not judged" if s.over else "still going"
    if s.final_reward is not None:
        final = f"final {s.final_reward:.3f}"
    best = "" if s.best_reward is None else f", best {s.best_reward:.3f}"
    outcome = f", {_said(s.outcome or s.state)}"
    marked = [flag for flag, holds in (("assisted", s.assisted), ("unofficial", not s.official),
                                       ("timed_by: task", s.timed_by == "task"))
              if holds]  # fmt: skip
    return element(
        "section",
        element("h3", f"{s.id}: {name_of(s)} in {s.harness} on {s.task}, attempt {s.attempt}"),
        element("p", f"{final}{best}{outcome}", *(f", {flag}" for flag in marked)),
        trajectory(s, one.used, one.budget),
        element("p", s.outcome_evidence, class_="dim") if s.outcome_evidence else None,
        *(element("p", _warning(w), class_="warn") for w in one.warnings),
        _verdicts(s),
        class_="session",
        id=anchor(s),
    )


def _reason(point: Point) -> str:
    why = f"; unofficial: {point.unofficial[:REASON]}" if point.unofficial else ""
    return point.reason[:REASON] + why


def _verdicts(session: SessionState) -> Markup | None:
    if not session.points:
        return None
    unit = session.metric_unit
    rows = [
        (
            figure(words.duration(at)),
            element("td", MEANINGS[kind], class_="bad" if kind == "gate" else None),
            element("td", point.stage),
            figure(number(point.reward)),
            figure(UNKNOWN if point.value is None else f"{numeral(point.value)} {unit}".rstrip()),
            figure(words.speedup(point.speedup)),
            element("td", point.failed_gate or ""),
            element("td", point.snapshot[:12], class_="mono"),
            element("td", _reason(point), class_="prose"),
        )
        for at, point, kind in marks(session)
    ]
    head = (session.counts, "", "stage", "reward", session.metric_name or "metric", "speedup",
            "gate", "snapshot", "reason")  # fmt: skip
    return element(
        "details",
        element("summary", words.plural(len(rows), "verdict")),
        table(head, rows, right={0, 3, 4, 5}),
    )


def spent(facts: Facts) -> Markup:
    """What each session used of its budget."""
    clocks = ("wall", "active", "waiting", "frozen", "paused")
    head = ("session", *clocks, "no work because of", "budget", "tokens", "turns", "cost",
            "GPU time")  # fmt: skip
    rows = [
        (
            element("td", one.session.id, class_="mono"),
            *(figure(words.duration(one.clocks[name])) for name in clocks),
            element("td", ", ".join(f"{k} {words.duration(v)}" for k, v in one.causes.items())),
            element("td", _budget(one.session)),
            figure(f"{one.session.usage.tokens:,}"),
            figure(str(one.session.usage.turns)),
            figure(words.cost(one.session.usage.cost, one.session.usage.unpriced)),
            figure(words.duration(one.gpu_seconds) if one.gpu_seconds else "–"),
        )
        for one in facts.sessions
    ]
    return section(
        "Clocks and budgets",
        table(head, rows, right={1, 2, 3, 4, 5, 8, 9, 10, 11}),
        element("p", "wall is active, waiting and frozen together; pauses are apart.",
                class_="dim"),
    )  # fmt: skip


def _budget(session: SessionState) -> str:
    parts = []
    for key, limit in session.budget.items():
        said = [] if limit.hard is None else [words.amount(key, limit.hard)]
        said += [] if limit.soft is None else [f"(soft {words.amount(key, limit.soft)})"]
        parts.append(" ".join([key, *said]))
    times = words.plural(session.budget_changes, "time")
    changed = f" (changed {times})" if session.budget_changes else ""
    return ", ".join(parts) + changed
