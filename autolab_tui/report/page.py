"""A run as one HTML page that needs nothing else: no script, no font, no other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from autolab_tui import words
from autolab_tui.report.facts import Facts, HarnessFacts, SessionFacts
from autolab_tui.report.markup import Child, Markup, element, join
from autolab_tui.report.trajectory import MEANINGS, legend, marks, trajectory
from engine.analysis.counting import name_of
from engine.analysis.leaderboard import Cell, Estimate, Row, Scores
from engine.analysis.persistence_index import Correlation
from engine.events import rfc3339
from engine.state import SessionState

_STYLE = Path(__file__).with_name("style.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_REASON = 400  # characters of what a verdict says that are shown
_OUTCOMES = {"converged": "good", "ran_to_end": "good"}
_UNKNOWN = "—"


def page(facts: Facts) -> str:
    """The whole document."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"AutoLab run {facts.run.id}"),
        element("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    )
    body = element(
        "body",
        _summary(facts),
        _leaderboard(facts),
        _effect(facts),
        _sessions(facts),
        _trajectories(facts),
        _spent(facts),
        _harnesses(facts.harnesses),
        _footer(facts),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _summary(facts: Facts) -> Markup:
    run, tally = facts.run, facts.board.tally
    missing = "left out of means" if facts.board.missing == "exclude" else "counted as 0"
    going = f", {tally.unfinished} unfinished" if tally.unfinished else ""
    lines: list[Child] = [
        f"Launched {_minute(rfc3339(run.created))}; as of {_minute(facts.as_of)}.",
        f"{words.plural(tally.sessions, 'session')} on {words.plural(facts.board.tasks, 'task')}: "
        f"{tally.counted} counted "
        f"({tally.stopped} stopped by an operator, {tally.assisted} assisted, "
        f"{tally.unofficial} judged without full isolation), {tally.not_judged} not judged "
        f"({missing}), {tally.suspect} suspect (left out){going}.",
        f"Under way for {words.duration(facts.span)}; {facts.usage.tokens:,} tokens, "
        f"{facts.usage.turns:,} {words.noun(facts.usage.turns, 'turn')}, "
        f"cost {words.cost(facts.usage.cost, facts.usage.unpriced)}.",
    ]
    if (ahead := facts.forecast) is not None:
        parts = []
        if ahead.finish is not None:
            f = ahead.finish
            parts.append("done {} ({} to {})".format(*map(_minute, (f.expected, f.low, f.high))))
        if ahead.active is not None:
            a = (ahead.active.expected, ahead.active.low, ahead.active.high)
            parts.append("active time {} ({} to {})".format(*map(words.duration, a)))
        if ahead.cost is not None:
            c = (ahead.cost.expected, ahead.cost.low, ahead.cost.high)
            parts.append("cost {} ({} to {})".format(*map(_money, c)))
        if ahead.gpu is not None:
            g = (ahead.gpu.expected, ahead.gpu.low, ahead.gpu.high)
            parts.append("GPU time {} ({} to {})".format(*map(words.duration, g)))
        said = "; ".join(parts) or "cannot be told"
        lines.append(f"Forecast, {ahead.level:.0%} intervals: {said} ({ahead.basis}).")
    return element(
        "header", element("h1", f"Run {run.id}"), *(element("p", line) for line in lines)
    )


def _leaderboard(facts: Facts) -> Markup:
    board = facts.board
    head = ("model", "harness", "tasks", "n", "k", "Avg@k", "attempts at each task",
            "Best@k", "dominance", "s.e.", "above next")  # fmt: skip
    rows = [
        (
            _name(row.model),
            _name(f"{row.harness} {row.harness_hash[:8]}"),
            _n(f"{row.overall.tasks} of {board.tasks}"),
            _n(f"{row.tally.counted} of {row.tally.sessions}"),
            _n(_attempts(row)),
            _n(_estimate(row.overall.avg)),
            element("td", _spread(row.overall.avg, row.cells)),
            _n(_estimate(row.overall.best)),
            _n(_estimate(row.overall.dominance)),
            _n(_number(row.overall.error)),
            _n(_UNKNOWN if row.above_next is None else f"{row.above_next:.0%}"),
        )
        for row in board.rows
    ]
    return _section(
        "Leaderboard",
        _table(head, rows, right={2, 3, 4, 5, 7, 8, 9, 10}),
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
                f"{one.why[:_REASON]}",
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
            _name(row.model),
            _name(f"{row.harness} {row.harness_hash[:8]}"),
            *(_n(_domain(row.domains[name])) for name in names),
        )
        for row in rows
    ]
    return _table(
        head,
        body,
        right=set(range(2, len(head))),
        caption="By domain (with its number of tasks): Avg@k, then Best@k / dominance",
    )


def _tasks_of(rows: Sequence[Row], domain: str) -> int:
    return sum(cell.domain == domain for cell in rows[0].cells)


def _domain(scores: Scores) -> Markup:
    if scores.avg is None:
        return join(_UNKNOWN)
    return join(
        _estimate(scores.avg),
        element("br"),
        " / ".join((_value(scores.best), _value(scores.dominance))),
    )


def _effect(facts: Facts) -> Markup | None:
    effect = facts.effect
    if effect is None:
        return None
    rows = [
        (_name(model), *(_n(_number(value)) for value in values))
        for model, values in zip(effect.models, effect.grid, strict=True)
    ]
    v = effect.variances
    attempt = _UNKNOWN if v.attempt is None else f"{v.attempt:.4f}"
    costs = "; ".join(f"{c.harness} {_money(c.cost)} (n = {c.known})" for c in effect.costs)
    swings = "; ".join(
        f"{s.model} {s.low:.3f} in {s.worst} to {s.high:.3f} in {s.best}" for s in effect.swings
    )
    return _section(
        "Harness effect",
        _table(
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


def _sessions(facts: Facts) -> Markup:
    how = ("session", "task", "model", "harness", "final", "outcome", "evidence")
    head = ("session", "task", "model", "first", "final", "best", "AUC", "iterations",
            "verified", "improving", "to 50 %", "to 90 %", "last gain", "used", "late gain",
            "regret")  # fmt: skip
    index = "; ".join(map(_correlation, facts.index))
    return _section(
        "Sessions",
        _table(how, map(_ending_row, facts.sessions), right={4}, caption="How they ended"),
        _table(head, map(_figures_row, facts.sessions), right=set(range(3, 16)),
               caption="Persistence"),
        element("p", "Shares are of the budget. Rank correlation of the final reward with ", index,
                class_="dim") if any(c.rho is not None for c in facts.index) else None,
    )  # fmt: skip


def _ending_row(one: SessionFacts) -> tuple[Markup, ...]:
    s = one.session
    outcome = s.outcome or s.state
    evidence = s.outcome_evidence or "; ".join(f"{w.kind}: {w.evidence}" for w in one.warnings)
    return (
        _link(s),
        _name(s.task),
        _name(name_of(s)),
        _name(s.harness),
        _n(_number(one.persistence.final)),
        element("td", outcome, class_=_OUTCOMES.get(outcome)),
        element("td", evidence[:_REASON], class_="prose"),
    )


def _figures_row(one: SessionFacts) -> tuple[Markup, ...]:
    s, p = one.session, one.persistence
    return (
        _link(s),
        _name(s.task),
        _name(name_of(s)),
        *(_n(_number(value)) for value in (p.first, p.final, p.best, p.auc)),
        *(_n(str(value)) for value in (p.iterations, p.verified, p.improving)),
        *(_n(_percent(value)) for value in (p.half, p.ninety, p.last_improvement, p.used)),
        *(_n(_number(value)) for value in (p.late_gain, p.regret)),
    )


def _link(session: SessionState) -> Markup:
    return element("td", element("a", session.id, href=f"#{_anchor(session)}"), class_="mono")


def _correlation(found: Correlation) -> str:
    said = _UNKNOWN if found.rho is None else f"{found.rho:.2f}"
    if found.interval is not None:
        said += f" ({found.interval.low:.2f} to {found.interval.high:.2f})"
    return f"{found.figure} {said}, n = {found.sessions}"


def _trajectories(facts: Facts) -> Markup:
    return _section("Trajectories", legend(), *(_session(one) for one in facts.sessions))


def _session(one: SessionFacts) -> Markup:
    s = one.session
    final = "not judged" if s.over else "still going"
    if s.final_reward is not None:
        final = f"final {s.final_reward:.3f}"
    best = "" if s.best_reward is None else f", best {s.best_reward:.3f}"
    outcome = f", {s.outcome}" if s.outcome else f", {s.state}"
    marked = [flag for flag, holds in (("assisted", s.assisted), ("unofficial", not s.official),
                                       ("timed_by: task", s.timed_by == "task"))
              if holds]  # fmt: skip
    return element(
        "section",
        element("h3", f"{s.id}: {name_of(s)} in {s.harness} on {s.task}, attempt {s.attempt}"),
        element("p", f"{final}{best}{outcome}", *(f", {flag}" for flag in marked)),
        trajectory(s, one.used, one.budget),
        element("p", s.outcome_evidence, class_="dim") if s.outcome_evidence else None,
        *(element("p", f"{w.kind}: {w.evidence}", class_="warn") for w in one.warnings),
        _verdicts(s),
        class_="session",
        id=_anchor(s),
    )


def _verdicts(session: SessionState) -> Markup | None:
    if not session.points:
        return None
    unit = session.metric_unit
    rows = [
        (
            _n(words.duration(at)),
            element("td", MEANINGS[kind], class_="bad" if kind == "gate" else None),
            element("td", point.stage),
            _n(_number(point.reward)),
            _n(_UNKNOWN if point.value is None else f"{point.value:.4g} {unit}".rstrip()),
            _n(words.speedup(point.speedup)),
            element("td", point.failed_gate or ""),
            element("td", point.snapshot[:12], class_="mono"),
            element("td", point.reason[:_REASON], class_="prose"),
        )
        for at, point, kind in marks(session)
    ]
    head = (session.counts, "", "stage", "reward", session.metric_name or "metric", "speedup",
            "gate", "snapshot", "reason")  # fmt: skip
    return element(
        "details",
        element("summary", words.plural(len(rows), "verdict")),
        _table(head, rows, right={0, 3, 4, 5}),
    )


def _spent(facts: Facts) -> Markup:
    clocks = ("wall", "active", "waiting", "frozen", "paused")
    head = ("session", *clocks, "no work because of", "budget", "tokens", "turns", "cost",
            "GPU time")  # fmt: skip
    rows = [
        (
            element("td", one.session.id, class_="mono"),
            *(_n(words.duration(one.clocks[name])) for name in clocks),
            element("td", ", ".join(f"{k} {words.duration(v)}" for k, v in one.causes.items())),
            element("td", _budget(one.session)),
            _n(f"{one.session.usage.tokens:,}"),
            _n(str(one.session.usage.turns)),
            _n(words.cost(one.session.usage.cost, one.session.usage.unpriced)),
            _n(words.duration(one.gpu_seconds) if one.gpu_seconds else "–"),
        )
        for one in facts.sessions
    ]
    return _section(
        "Clocks and budgets",
        _table(head, rows, right={1, 2, 3, 4, 5, 8, 9, 10, 11}),
        element("p", "wall is active, waiting and frozen together; pauses are apart.",
                class_="dim"),
    )  # fmt: skip


def _budget(session: SessionState) -> str:
    parts = []
    for key, limit in session.budget.items():
        if limit.hard is not None:
            timed = key in ("active", "wall", "gpu")
            parts.append(f"{key} {words.duration(limit.hard) if timed else f'{limit.hard:g}'}")
    times = words.plural(session.budget_changes, "time")
    changed = f" (changed {times})" if session.budget_changes else ""
    return ", ".join(parts) + changed


def _harnesses(found: Iterable[HarnessFacts]) -> Markup | None:
    shown = [
        element(
            "section",
            element("h3", f"{harness.name} "),
            element("p", "hash ", element("code", harness.hash)),
            _knobs(harness),
        )
        for harness in found
    ]
    return _section("Harnesses", *shown) if shown else None


def _knobs(harness: HarnessFacts) -> Markup:
    if harness.knobs is None:
        return element("p", f"Its knobs are not known: {harness.why_not}.", class_="warn")
    prompt = str(harness.knobs.get("system", ""))
    rows = [
        (_name(knob), element("td", str(value)))
        for knob, value in harness.knobs.items()
        if knob != "system"
    ]
    lines = [join(line, element("br")) for line in prompt.splitlines()]
    return join(
        _table(("knob", "value"), rows),
        element("details", element("summary", "its prompt"), element("p", *lines)),
    )


def _footer(facts: Facts) -> Markup:
    board = facts.board
    return element(
        "footer",
        element(
            "p",
            f"AutoLab TUI {facts.version}. Rewards are in [0, 1]: 0 is the untouched baseline. "
            f"Intervals: {board.replicates} bootstrap replicates from seed {board.seed}, so the "
            "same journal gives the same page. docs/analysis.md defines every figure.",
        ),
    )


def _section(title: str, *children: Child) -> Markup:
    return element("section", element("h2", title), *children)


def _table(
    head: Sequence[str],
    rows: Iterable[Sequence[Markup]],
    right: set[int] | frozenset[int] = frozenset(),
    caption: str | None = None,
) -> Markup:
    heads = [element("th", h, class_="n" if i in right else None) for i, h in enumerate(head)]
    return element(
        "div",
        element(
            "table",
            element("caption", caption) if caption else None,
            element("thead", element("tr", *heads)),
            element("tbody", *(element("tr", *row) for row in rows)),
        ),
        class_="scroll",
    )


def _anchor(session: SessionState) -> str:
    return f"session-{session.id}"


def _n(value: Child) -> Markup:
    return element("td", value, class_="n")


def _name(value: str) -> Markup:
    return element("td", value, class_="name")


def _estimate(found: Estimate | None) -> Markup:
    if found is None:
        return join(_UNKNOWN)
    if found.interval is None:
        return join(f"{found.value:.3f}")
    spread = f"{found.interval.low:.2f} to {found.interval.high:.2f}"
    return join(f"{found.value:.3f} ", element("span", spread, class_="range"))


def _value(found: Estimate | None) -> str:
    return _UNKNOWN if found is None else f"{found.value:.3f}"


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.0%}"


def _minute(stamp: str) -> str:
    """`2026-01-31 12:00 UTC` of RFC 3339 in UTC."""
    return f"{stamp[:10]} {stamp[11:16]} UTC"


def _money(value: float | None) -> str:
    return "not known" if value is None else words.money(value)
