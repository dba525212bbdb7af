"""A run as one HTML page that needs nothing else: no script, no font, no other file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from autolab_tui import words
from autolab_tui.report.cells import (
    minute,
    money,
    name,
    section,
    table,
)
from autolab_tui.report.facts import Facts, HarnessFacts
from autolab_tui.report.markup import Child, Markup, element, join
from autolab_tui.report.sessions import sessions, spent, trajectories
from autolab_tui.report.standings import harness_effect, leaderboard
from engine.events import rfc3339

_STYLE = Path(__file__).with_name("style.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


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
        leaderboard(facts),
        harness_effect(facts),
        sessions(facts),
        trajectories(facts),
        spent(facts),
        _harnesses(facts.harnesses),
        _footer(facts),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _summary(facts: Facts) -> Markup:
    run, tally = facts.run, facts.board.tally
    missing = "left out of means" if facts.board.missing == "exclude" else "counted as 0"
    going = f", {tally.unfinished} unfinished" if tally.unfinished else ""
    lines: list[Child] = [
        f"Launched {minute(rfc3339(run.created))}; as of {minute(facts.as_of)}.",
        f"{words.plural(tally.sessions, 'session')} on {words.plural(facts.board.tasks, 'task')}: "
        f"{tally.counted} counted "
        f"({tally.stopped} stopped by an operator, {tally.assisted} assisted, "
        f"{tally.unofficial} unofficial), {tally.not_judged} not judged "
        f"({missing}), {tally.suspect} suspect (left out){going}.",
        f"Under way for {words.duration(facts.span)}; {facts.usage.tokens:,} tokens, "
        f"{facts.usage.turns:,} {words.noun(facts.usage.turns, 'turn')}, "
        f"cost {words.cost(facts.usage.cost, facts.usage.unpriced)}.",
    ]
    if (ahead := facts.forecast) is not None:
        parts = []
        if ahead.finish is not None:
            f = ahead.finish
            parts.append("done {} ({} to {})".format(*map(minute, (f.expected, f.low, f.high))))
        if ahead.active is not None:
            a = (ahead.active.expected, ahead.active.low, ahead.active.high)
            parts.append("active time {} ({} to {})".format(*map(words.duration, a)))
        if ahead.cost is not None:
            c = (ahead.cost.expected, ahead.cost.low, ahead.cost.high)
            parts.append("cost {} ({} to {})".format(*map(money, c)))
        if ahead.gpu is not None:
            g = (ahead.gpu.expected, ahead.gpu.low, ahead.gpu.high)
            parts.append("GPU time {} ({} to {})".format(*map(words.duration, g)))
        said = "; ".join(parts) or "cannot be told"
        lines.append(f"Forecast, {ahead.level:.0%} intervals: {said} ({ahead.basis}).")
    return element(
        "header", element("h1", f"Run {run.id}"), *(element("p", line) for line in lines)
    )


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
    return section("Harnesses", *shown) if shown else None


def _knobs(harness: HarnessFacts) -> Markup:
    if harness.knobs is None:
        return element("p", f"Its knobs are not known: {harness.why_not}.", class_="warn")
    prompt = str(harness.knobs.get("system", ""))
    rows = [
        (name(knob), element("td", str(value)))
        for knob, value in harness.knobs.items()
        if knob != "system"
    ]
    lines = [join(line, element("br")) for line in prompt.splitlines()]
    return join(
        table(("knob", "value"), rows),
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
