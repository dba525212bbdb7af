"""The loop around an agent of somebody else's: start it, wait for its end, start it again or stop.

All it knows is in the conversation: each start is an entry with the command and its text, each end
another. So a loop that is started again after the engine was restarted joins the command that runs.
"""

from __future__ import annotations

from engine.agents.bench import Bench
from engine.agents.exits import Again, judge_exit
from engine.agents.launching import (
    BASE_URL,
    PROGRAM,
    ArgumentTooLongError,
    Launch,
    exit_of,
    filled_in,
    instruction_file,
    newest_start,
)
from engine.agents.prompting import system_prompt
from engine.agents.toolbox import WORKDIR
from engine.agents.updates import updates
from engine.entries import Entry
from engine.runs import budgets
from engine.runs.outcomes import Ending


class CommandLoop:
    """An agent that is a program in the sandbox, with a model behind it."""

    async def work(self, bench: Bench) -> Ending:
        """Work until the program's end is the session's."""
        start = newest_start(bench.entries)
        again = start is not None
        while True:
            start = start or await _begin(bench, 1, "")
            if exit_of(bench.entries, start["start"]) is None:
                try:
                    await _run(bench, start, again)
                except ArgumentTooLongError as error:
                    return Ending("infrastructure", str(error))
            again = False
            match judge_exit(bench.harness, bench.standing(), bench.entries):
                case Ending() as ending:
                    return ending
                case Again(note):
                    start = await _begin(bench, start["start"] + 1, note)


async def _begin(bench: Bench, number: int, note: str) -> Entry:
    """Say what the next start is; the note is for an agent that was there before."""
    for update in updates(bench.harness, bench.standing(), bench.entries):
        await bench.say("user", **update)
    before = newest_start(bench.entries)
    news = bench.entries[before["n"] if before is not None else 0 :]
    parts = (
        f"{system_prompt(bench)}\n{bench.task.instruction.strip()}",
        note,
        *(str(entry["text"]) for entry in news if "message" in entry),
    )
    command = filled_in(bench.harness.command, _values(bench, number))
    await bench.say(
        "user",
        text="\n\n".join(part for part in parts if part) + "\n",
        about="start",
        start=number,
        command=list(command),
    )
    return bench.entries[-1]


def _values(bench: Bench, number: int) -> dict[str, str]:
    """What the slots of a command stand for, but for the text of its start."""
    standing = bench.standing()
    clock = "active" if "active" in standing.budget else "wall"
    left = bench.active_sec - (standing.used.get(clock) or 0.0)
    return {
        "instruction_file": instruction_file(number),
        "model": bench.model_name,
        "base_url": BASE_URL,
        "budget": budgets.in_words(standing.budget),
        "budget_sec": f"{max(0.0, left):.0f}",
        "workdir": WORKDIR,
        "program": PROGRAM,
    }


async def _run(bench: Bench, start: Entry, again: bool) -> None:
    """Let a start run to its end, and say how it ended; `again`, it was begun before."""
    launch = Launch(start["start"], tuple(start["command"]), start["text"])
    ended = await bench.launch(launch, again)
    code = "was cut off" if ended.code is None else f"ended with exit code {ended.code}"
    failed = ended.failed
    await bench.say(
        "note",
        text=f"the agent {code}" + (f"; {ended.note}" if ended.note else ""),
        about="exit",
        start=start["start"],
        code=ended.code,
        made=ended.made,
        lost=ended.lost,
        failed=None if failed is None else [failed.failure, failed.cause, failed.detail],
    )
