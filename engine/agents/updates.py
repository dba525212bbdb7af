"""What the model is told between its turns: messages, verdicts and the time that is left.

Whatever was told is an entry of the conversation with an `about`, so that an agent that is started
again knows what its model knows already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.agents.standing import Standing, left_in_words
from engine.entries import Entry
from engine.harnesses import Harness
from engine.limits import duration
from engine.state import Point


def updates(harness: Harness, standing: Standing, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The entries (without `kind`) to add before the model is asked for its next turn."""
    found = _messages(standing, entries)
    for about, update in (("feedback", _feedback), ("time", _time)):
        if about not in _since_last_answer(entries):
            said = update(harness, standing, entries)
            if said is not None:
                found.append({"about": about, **said})
    return found


def _messages(standing: Standing, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """What the operator and the engine have to say, once each, also after a restart."""
    if not standing.messages:
        return []
    told = {entry["message"] for entry in entries if "message" in entry}
    return [
        {
            "about": message.origin,
            "text": f"[operator] {message.text}" if message.origin == "operator" else message.text,
            "message": message.id,
        }
        for message in standing.messages
        if message.id not in told
    ]


def _since_last_answer(entries: Sequence[Entry]) -> set[str]:
    """What was told for the turn that comes; before the first answer the prompt has said it all."""
    told: set[str] = set()
    for entry in reversed(entries):
        if entry["kind"] == "assistant":
            return told
        if "about" in entry:
            told.add(entry["about"])
    return {"time", "feedback"}


def _time(harness: Harness, standing: Standing, entries: Sequence[Entry]) -> dict[str, Any] | None:
    if harness.time != "every-turn":
        return None
    return {"text": f"[time] You have {left_in_words(standing)} left."}


def _feedback(
    harness: Harness, standing: Standing, entries: Sequence[Entry]
) -> dict[str, Any] | None:
    if harness.feedback == "sealed":
        return None
    last = next((e for e in reversed(entries) if e.get("about") == "feedback"), None)
    known = last["verdicts"] if last is not None else 0
    judged = [point for point in standing.points[known:] if point.status != "not_judged"]
    if not judged:
        return None
    if harness.feedback == "score-every":
        since = standing.active - (last["active"] if last is not None else 0.0)
        if since < 60.0 * harness.feedback_minutes:
            return None
    return {
        "text": f"[verifier] {_verdict(harness, standing, judged[-1])}",
        "verdicts": len(standing.points),
        "active": round(standing.active, 3),
    }


def _verdict(harness: Harness, standing: Standing, point: Point) -> str:
    state = "A recent state of your files"
    if harness.time != "none":
        ago = max(0.0, standing.active - point.active)
        state = f"The state of your files of {duration(ago)} ago (working time)"
    # Only the gate's name: its evidence may show inputs that are meant to stay hidden.
    failed = "" if point.failed_gate is None else f" at the check {point.failed_gate!r}"
    passed = point.status in ("scored", "suspect")
    outcome = "passed all checks" if passed else f"failed{failed}"
    if harness.feedback == "gates":
        return f"{state} {outcome}."
    reward = 0.0 if point.reward is None else point.reward
    return f"{state} {outcome} and earned {reward:.3f}; the best so far is {point.best:.3f}."
