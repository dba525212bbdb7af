"""A run that is being put together, as lines: what can be chosen, and what it would come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from autolab_tui import words
from autolab_tui.drafts import AGENTS, Draft
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut, plain, wrapped
from autolab_tui.roles import Line, Span
from autolab_tui.suite import SuiteSeen, TaskSeen
from autolab_tui.views.layout import HEADING, pad

_NAME = 13


class Offer(NamedTuple):
    """What there is to choose from, besides tasks: models and harnesses with a word on each."""

    models: Mapping[str, str]
    harnesses: Mapping[str, str]


def rows(
    draft: Draft, suite: SuiteSeen | None, offer: Offer, cells: int, glyphs: Glyphs
) -> list[tuple[str, Sequence[Line]]]:
    """The form: a row for each thing that can be chosen or set, under headings."""
    made: list[tuple[str, Sequence[Line]]] = []

    def add(title: str, entries: Sequence[tuple[str, Line]]) -> None:
        above: Line = ((f" {title}", "title"),)
        made.append((f"{HEADING}{title}", (above,)))
        made.extend((identity, (line,)) for identity, line in entries)

    def box(kind: str, name: str, chosen: bool, note: Span) -> tuple[str, Line]:
        return f"{kind}/{name}", _box((name, chosen), note, cells, glyphs)

    # Those that can be judged here first, each in the order of the suite.
    known = sorted(suite.tasks, key=lambda task: bool(task.why_not)) if suite else ()
    tasks = [box("task", task.name, task.name in draft.tasks, _about(task)) for task in known]
    add("tasks", tasks or [("task/", ((" reading the suite", "dim"),))])
    models = [*offer.models, *(m for m in draft.models if m not in offer.models)]
    more: Line = (("     add a model by name ", "dim"), ("m", "key"))
    add(
        "models",
        [
            *(box("model", m, m in draft.models, (offer.models.get(m, "typed"), "dim"))
              for m in models),
            ("model+", more),
        ],
    )  # fmt: skip
    agents = [box("agent", a, a in draft.agents, (what, "dim")) for a, what in AGENTS.items()]
    add("agents without a model", agents)
    add(
        "harnesses",
        [
            box("harness", name, name in draft.harnesses, (what, "dim"))
            for name, what in offer.harnesses.items()
        ],
    )
    budget = draft.budget or "each task's own time"
    add(
        "how much",
        [
            ("size", _value("size", draft.size, "quick tries out, full counts", cells)),
            (
                "attempts",
                _value("attempts", str(draft.attempts or "as the harness says"), "", cells),
            ),
            ("budget", _value("budget", budget, "of a session: active 2h, cost 5", cells)),
            (
                "run_budget",
                _value("run budget", draft.run_budget or "none", "of all together", cells),
            ),
            (
                "concurrency",
                _value("at a time", str(draft.concurrency or "as many as fit"), "", cells),
            ),
        ],
    )
    return made


def _about(task: TaskSeen) -> Span:
    if task.why_not:
        return plain(task.why_not), "warn"
    return plain(task.domain).replace("_", " "), "dim"


def _box(what: tuple[str, bool], note: Span, cells: int, glyphs: Glyphs) -> Line:
    name, chosen = what
    sign: Span = (f"   {glyphs.marked if chosen else glyphs.scored} ", "key" if chosen else "faint")
    shown: Span = (f"{cut(plain(name), 34):<24} ", "strong" if chosen else "text")
    room = max(0, cells - 6 - len(shown[0]))
    return tuple(pad([sign, shown, (cut(plain(note[0]), room), note[1])], cells))


def _value(name: str, value: str, note: str, cells: int) -> Line:
    spans: list[Span] = [(f"   {name:<{_NAME}}", "key"), (f"{plain(value)}  ", "strong")]
    spans.append((note, "dim"))
    return tuple(pad(spans, cells))


def outlook(draft: Draft, answer: Mapping[str, Any] | None, problem: str, cells: int) -> list[Line]:
    """What it would come to: sessions, work, money, each with its interval; or what is missing."""
    missing = draft.problem()
    if missing:
        return [((f" {missing}", "dim"),)]
    if problem:
        parts = wrapped(plain(problem), cells - 2)
        return [((f" {part}", "warn"),) for part in parts]
    if answer is None:
        return [((" Asking the engine what it would come to.", "dim"),)]
    count = len(answer.get("sessions", ()))
    spans: list[Span] = [(f" {words.plural(count, 'session')}", "strong")]
    found = answer.get("forecast")
    lines: list[Line] = []
    if isinstance(found, dict):
        for key, name, shown in (
            ("active", "work", words.duration),
            ("cost", "cost", words.money),
            *([("gpu", "GPU time", words.duration)] if found.get("gpu") else []),
        ):
            spans += [("   ", "text"), *_amount(name, found.get(key), shown)]
        finish = found.get("finish")
        lines.append(tuple(spans))
        basis = f"{found.get('level', 0):.0%} intervals; {found.get('basis', '')}"
        if isinstance(finish, dict):
            basis = f"done by {_clock(finish.get('high'))} at the latest likely; {basis}"
        lines += [((f" {part}", "dim"),) for part in wrapped(plain(basis), cells - 2)]
    else:
        lines.append(tuple(spans))
    for note in answer.get("notes", ()):
        lines += [((f" {part}", "warn"),) for part in wrapped(plain(str(note)), cells - 2)]
    lines.append(((" ctrl+s", "key"), (" starts it", "text")))
    return lines


def _amount(name: str, amount: Any, shown: Any) -> list[Span]:
    if not isinstance(amount, dict):
        return [(f"{name} ", "dim"), ("not known", "warn")]
    low, high = shown(amount["low"]), shown(amount["high"])
    spans: list[Span] = [(f"{name} ", "dim"), (shown(amount["expected"]), "strong")]
    if low != high:
        spans.append((f" ({low} to {high})", "dim"))
    return spans


def _clock(stamp: Any) -> str:
    from datetime import datetime

    try:
        return words.time_of_day(datetime.fromisoformat(str(stamp)).timestamp())
    except (ValueError, OverflowError, OSError):
        return words.UNKNOWN
