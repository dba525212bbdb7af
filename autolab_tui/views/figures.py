"""One session in figures: how it went on, what its time and money went to, how it ended."""

from __future__ import annotations

from autolab_tui import words
from autolab_tui.plain import plain, wrapped
from autolab_tui.roles import Line, Role
from autolab_tui.store import Moment
from autolab_tui.views import sessions as say
from engine.analysis.persistence import persistence
from engine.analysis.warnings import live_warnings
from engine.state import SessionState

_NAME = 18


def lines(session: SessionState, moment: Moment, cells: int) -> list[Line]:
    """The figures under headings; docs/analysis.md defines each."""
    made: list[Line] = []

    def head(text: str) -> None:
        if made:
            made.append(((" ", "text"),))
        made.append(((f" {text}", "title"),))

    def fact(name: str, text: str, role: Role = "text") -> None:
        for at, part in enumerate(wrapped(text, max(8, cells - _NAME - 3)) or [""]):
            made.append(((f"   {name if at == 0 else '':<{_NAME}}", "dim"), (part, role)))

    head("how it stands" if not session.over else "how it ended")
    if session.over:
        fact("class", (session.outcome or words.UNKNOWN).replace("_", " "), "strong")
        fact("evidence", plain(session.outcome_evidence))
    for warning in live_warnings(session, moment.boot, moment.stamp):
        fact(warning.kind.replace("_", " "), plain(warning.evidence), "warn")
    for alert in session.alerts:
        known = f", known to {plain(alert.acknowledged)}" if alert.acknowledged else ""
        fact("alert", f"{plain(alert.text)}{known}", "dim" if alert.acknowledged else "warn")
    if session.assisted:
        fact("assisted", "a person wrote to it, typed, or put files back", "warn")

    head("persistence")
    found = persistence(session, moment.boot, moment.stamp)
    fact("rewards", f"first {_r(found.first)}, best {_r(found.best)}, final {_r(found.final)}, "
                    f"given away {_r(found.regret)}")  # fmt: skip
    fact("budget used", f"{_p(found.used)}; last gain at {_p(found.last_improvement)}")
    fact("half of the best", f"at {_p(found.half)} of the budget, 90 % of it at {_p(found.ninety)}")
    fact("area", f"{_r(found.auc)}; gained in the last quarter {_r(found.late_gain)}")
    judged = words.plural(found.verified, "snapshot")
    fact(
        "cycles",
        f"{found.iterations} of edit and measure, {judged} judged, "
        f"{found.improving} better than all before",
    )

    head("time")
    used = say.use(session, moment)
    fact("active", f"{words.duration(used.active)} of {words.limit(used.active_limit)}")
    fact("wall", f"{words.duration(used.wall)} of {words.limit(used.wall_limit)}")
    if session.want.count:
        fact("GPU", f"{words.duration(used.gpu)} of {words.limit(used.gpu_limit)}")
    for cause, seconds in sorted(
        session.clocks.by_cause(moment.boot, moment.stamp).items(), key=lambda pair: -pair[1]
    ):
        fact(cause, words.duration(seconds))
    fact("verified for", words.duration(session.verified_seconds))

    head("model")
    usage = session.usage
    causes = "".join(f", {count} {plain(cause)}" for cause, count in session.retry_causes.items())
    fact("turns", f"{session.turn}; calls tried again: {session.retries}{causes}")
    fact(
        "tokens",
        f"{words.count(usage.input)} new, {words.count(usage.cached)} cached, "
        f"{words.count(usage.output)} out, {words.count(usage.reasoning)} of them thought",
    )
    fact("cost", words.cost(usage.cost, usage.unpriced))
    if session.price is not None:
        price = session.price
        fact("price", f"${price.input:g} and ${price.output:g} for a million tokens in and out")
    if session.compactions:
        fact("compacted", words.plural(session.compactions, "time"))
    fact("harness", f"{plain(session.harness)} {session.harness_hash[:12]}")

    head("budget")
    for key, limit in session.budget.items():
        parts = [f"{name} {words.amount(key, value)}"
                 for name, value in (("hard", limit.hard), ("soft", limit.soft))
                 if value is not None]  # fmt: skip
        fact(key, ", ".join(parts))
    if session.budget_changes:
        fact("changed", words.plural(session.budget_changes, "time"))
    return made


def _r(value: float | None) -> str:
    return words.reward(value)


def _p(value: float | None) -> str:
    return words.UNKNOWN if value is None else f"{value:.0%}"
