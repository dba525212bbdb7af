"""What the end of an agent of somebody else's means: the end of the session, or another start.

Such an agent is asked nothing while it runs, and forgets all but its files when it ends. So to send
it back to work is to start it anew, with a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.agents.answering import given_up
from engine.agents.launching import newest_start
from engine.agents.standing import Standing, left_in_words
from engine.entries import Entry
from engine.harnesses import Harness
from engine.models.types import Failure, ModelError
from engine.runs.outcomes import Ending

# The request itself was wrong: an agent's own doing, and no reason to call its session void.
_ITS_OWN: tuple[Failure, ...] = ("bad_request",)
_NOT_STARTED = (126, 127)  # what a shell says of a program that is not there or cannot run
_LAST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Again:
    """The agent is started anew; `note` is what it is told beside its task."""

    note: str


def judge_exit(harness: Harness, standing: Standing, entries: Sequence[Entry]) -> Ending | Again:
    """Decide after the newest start has ended."""
    every = [entry for entry in entries if entry.get("about") == "exit"]
    if every[-1]["lost"]:
        return Again(
            "You have worked on this before, and were cut off. Your files are as they were; go on "
            "from there."
        )
    exits = [entry for entry in every if not entry["lost"]]
    could_not = _could_not_go_on(exits, entries)
    if could_not is not None:
        return could_not
    done = Ending("agent", exits[-1]["text"])
    left = "" if harness.time == "none" else f" You have {left_in_words(standing)} left."
    if harness.stop == "confirm" and len(exits) == 1:
        return Again(
            f"You have finished once and are asked to confirm it.{left} Your files are as you left "
            "them. If you see anything that is still worth trying, go on with it; to end the "
            "session for good, finish again."
        )
    if harness.stop != "budget" or 0 < harness.plateau <= standing.without_improvement:
        return done
    idle = _without_an_answer(exits)
    if idle > harness.nudges:
        return Ending("agent", f"{done.detail}: {idle} starts in a row asked the model nothing")
    return Again(
        f"You have worked on this before and finished, but the session goes on.{left} Your files "
        "are as you left them. Look for what limits the result now, try something that you have "
        "not tried, and measure it."
    )


def _could_not_go_on(exits: Sequence[Entry], entries: Sequence[Entry]) -> Ending | None:
    """The end of a session whose agent did not end by its own choice."""
    last = exits[-1]
    if last["failed"] is not None and last["failed"][0] not in _ITS_OWN:
        return given_up(ModelError(*last["failed"]))
    never = not any(entry["made"] for entry in exits) and last["code"] != 0
    if never or (last["code"] in _NOT_STARTED and not last["made"]):
        said = _last_words(entries)
        return Ending(
            "infrastructure",
            f"{last['text']} before the model had answered anything" + (said and f": {said}"),
        )
    return None


def _without_an_answer(exits: Sequence[Entry]) -> int:
    """How many starts in a row, up to the newest, got no answer of the model."""
    count = 0
    for entry in reversed(exits):
        if entry["made"]:
            break
        count += 1
    return count


def _last_words(entries: Sequence[Entry]) -> str:
    """The end of what the newest start printed, in one line."""
    start = newest_start(entries)
    for entry in reversed(entries[start["n"] :] if start is not None else entries):
        if entry["kind"] == "output":
            return " ".join(str(entry["text"]).split())[-_LAST_WORDS:]
    return ""
