"""Whether a model that wants to stop may: the harness's stop policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.agents.standing import Standing, left_in_words
from engine.entries import Entry
from engine.harnesses import Harness

SUBMITTED = "submitted"


@dataclass(frozen=True, slots=True)
class Wish:
    """What becomes of a wish to stop: `granted` with the reason, or what to say instead."""

    granted: bool
    text: str


def judge_wish(harness: Harness, standing: Standing, entries: Sequence[Entry]) -> Wish:
    """Decide on the wish to stop that the newest answer expresses.

    Called before the wish has its result among the entries.
    """
    idle = answers_without_work(entries)
    match harness.stop:
        case "agent":
            return Wish(True, SUBMITTED)
        case "confirm":
            if _asked(entries):
                return Wish(True, SUBMITTED)
            left = "" if harness.time == "none" else f"You have {left_in_words(standing)} left. "
            again = "call `submit` again" if "submit" in harness.tools else "say so once more"
            return Wish(
                False,
                f"Not yet ended: please confirm. {left}If you see anything that is still worth "
                f"trying, go on with it; to end the session for good, {again}.",
            )
        case "budget":
            if 0 < harness.plateau <= standing.without_improvement:
                return Wish(True, SUBMITTED)
            if idle > harness.nudges:
                return Wish(True, f"{SUBMITTED}: asked {idle} times in a row")
            left = "" if harness.time == "none" else f" You have {left_in_words(standing)} left."
            return Wish(
                False,
                f"Not ended: the session goes on.{left} Look for what limits the result now, try "
                "something that you have not tried, and measure it.",
            )


def was_granted(entries: Sequence[Entry]) -> bool:
    """Whether the session was ended by the newest entry (the engine fell before it was done)."""
    last = entries[-1] if entries else None
    return (
        last is not None
        and last["kind"] == "tool"
        and last.get("name") == "submit"
        and str(last.get("output", "")).startswith(SUBMITTED)
    )


def answers_without_calls(entries: Sequence[Entry]) -> int:
    """How many answers in a row, up to the newest, called no tool."""
    count = 0
    for entry in reversed(entries):
        if entry["kind"] == "tool" or entry.get("tool_calls"):
            break
        count += entry["kind"] == "assistant" and entry.get("stop") != "pause"
    return count


def answers_without_work(entries: Sequence[Entry]) -> int:
    """How many answers in a row, up to the newest, called nothing but `submit`."""
    count = 0
    for entry in reversed(entries):
        if entry["kind"] == "tool" and entry["name"] != "submit":
            break
        if entry["kind"] == "assistant":
            if any(call["name"] != "submit" for call in entry["tool_calls"]):
                break
            count += entry.get("stop") != "pause"
    return count


def _asked(entries: Sequence[Entry]) -> bool:
    """Whether the one question was put: in place of a `submit`'s result, or as a message."""
    return any(
        entry.get("about") == "confirm" or (entry["kind"] == "tool" and entry["name"] == "submit")
        for entry in entries
    )
