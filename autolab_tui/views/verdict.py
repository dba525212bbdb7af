"""One verdict, whole: every gate with its evidence, the measurement, the seal, the findings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import fit, plain, wrapped
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views.layout import pad
from verifier.numerals import numeral

_LABEL = 11


def lines(verdict: Mapping[str, Any], cells: int, glyphs: Glyphs) -> list[Line]:
    """A verdict, as docs/json.md describes it, in `cells` columns."""
    made: list[Line] = []

    def say(label: str, text: object, role: Role = "text") -> None:
        for index, part in enumerate(wrapped(str(text), max(8, cells - _LABEL - 2))):
            head: Span = (fit(label if index == 0 else "", _LABEL), "dim")
            made.append(tuple(pad([(" ", "text"), head, (part, role)], cells)))

    reward = verdict.get("reward")
    status = plain(str(verdict.get("status", ""))).replace("_", " ")
    say("reward", f"{words.reward(_number(reward))}  {status}", "strong")
    if verdict.get("cause"):
        say("cause", plain(str(verdict["cause"])).replace("_", " "), "warn")
    say("why", verdict.get("reason", ""))
    speedup = _table(verdict.get("speedup"))
    if speedup:
        say("faster", words.speedup(_number(speedup.get("value"))) + _interval(speedup, "x"))
    metric = _table(verdict.get("metric"))
    if metric:
        unit = plain(str(metric.get("unit", "")))
        value = words.quantity(_number(metric.get("value")), unit)
        samples = _list(metric.get("samples"))
        many = f", {words.plural(len(samples), 'sample')}" if samples else ""
        name = plain(str(metric.get("name", "measured")))
        say("measured", f"{name} {value}{_interval(metric, '')}{many}")
    anchors = _table(verdict.get("anchors"))
    if anchors:
        baseline = words.quantity(_number(anchors.get("baseline")))
        reference = words.quantity(_number(anchors.get("reference")))
        source = plain(str(anchors.get("source", "")))
        say("anchors", f"baseline {baseline}, reference {reference} ({source})")
    say("", "")
    for gate in _tables(verdict.get("gates")):
        passed = gate.get("passed") is True
        sign = glyphs.states["finished"] if passed else glyphs.failed
        word = "passed" if passed else "failed"
        evidence = str(gate.get("evidence") or "")
        name = plain(str(gate.get("name", "")))
        text = f"{sign} {name} {word}" + (f": {evidence}" if evidence else "")
        say("gate", text, "verdict-pass" if passed else "verdict-fail")
    for finding in _tables(verdict.get("findings")):
        severity = plain(str(finding.get("severity", "")))
        text = f"{finding.get('what', '')} {finding.get('evidence') or ''}"
        say(severity, text, "bad" if severity == "severe" else "warn")
    seal = _table(verdict.get("seal"))
    if seal:
        official = seal.get("official") is True
        said = "official" if official else f"unofficial: {seal.get('why', '')}"
        text = f"{seal.get('level', '')}, timed by the {seal.get('timed_by', '')}, {said}"
        say("seal", text, "text" if official else "warn")
    say("snapshot", plain(str(verdict.get("snapshot", "")))[:16], "dim")
    say("verdict", verdict.get("id", ""), "dim")
    for key, label in (("regrade_of", "grade of"), ("hash", "ledger")):
        if verdict.get(key):
            say(label, plain(str(verdict[key]))[:20], "dim")
    say("took", words.duration(_number(verdict.get("seconds"))), "dim")
    return made


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value
    return ()


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [item for item in _list(value) if isinstance(item, Mapping)]


def _interval(owner: Mapping[str, Any], unit: str) -> str:
    interval = _table(owner.get("interval"))
    low, high = _number(interval.get("low")), _number(interval.get("high"))
    if low is None or high is None:
        return ""
    return f" ({numeral(low)}{unit} to {numeral(high)}{unit})"
