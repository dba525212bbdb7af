"""The loop around an agent of somebody else's: what it is started with, and when it is over."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agents.bench import Bench
from engine.agents.command import CommandLoop
from engine.agents.exits import Again, judge_exit
from engine.agents.launching import ArgumentTooLongError, Exit, Launch, filled_in
from engine.agents.prompting import system_prompt
from engine.agents.standing import Standing
from engine.events import Limit
from engine.harnesses import COMMAND_SLOTS, Harness
from engine.harnesses.harness import WORDING
from engine.models.types import ModelError
from engine.runs.outcomes import Ending
from engine.state import Message
from tasks import load_task
from tests.engine.agents.working import changed

COMMAND = ("my-agent", "--model", "{model}", "--url={base_url}/v1", "{instruction_file}")
GOOD = Exit(0, "", 3, None)


def outside(**knobs: Any) -> Harness:
    """A harness with a command."""
    return changed(**{"loop": "command", "tools": (), "command": COMMAND, **knobs})


def standing(active: float = 600.0, improved: float = 0.0, **more: Any) -> Standing:
    used: dict[str, float | None] = {"active": active}
    return Standing(active, {"active": Limit(hard=7200.0)}, used, (), improved=improved, **more)


@dataclass
class Table:
    """A bench whose agent's starts end as they are told to."""

    task: Any
    harness: Harness
    exits: Sequence[Exit]
    entries: list[dict[str, Any]] = field(default_factory=list)
    launched: list[tuple[Launch, bool]] = field(default_factory=list)
    budget: str = "2 h of working time"
    active_sec: float = 7200.0
    size: str = "quick"
    model_name: str = "tiny"
    now: Standing = field(default_factory=standing)

    def standing(self) -> Standing:
        return self.now

    async def say(self, kind: str, **fields: Any) -> None:
        self.entries.append({"n": len(self.entries), "kind": kind, **fields})

    async def launch(self, launch: Launch, again: bool) -> Exit:
        launch.script()
        self.launched.append((launch, again))
        for number in range(self.exits[len(self.launched) - 1].made):
            await self.say("assistant", text=f"answer {number}", tool_calls=[])
        return self.exits[len(self.launched) - 1]

    async def work(self) -> Ending:
        bench: Bench = self  # type: ignore[assignment]  # it has what this loop uses
        return await CommandLoop().work(bench)


@pytest.fixture
def task(suite: Path) -> Any:
    return load_task(suite / "count_down")


async def test_it_is_started_with_its_slots_filled_in_and_its_end_ends_the_session(
    task: Any,
) -> None:
    table = Table(
        task, outside(command=(*COMMAND, "{budget}", "{budget_sec}", "{workdir}")), [GOOD]
    )
    assert await table.work() == Ending("agent", "the agent ended with exit code 0")
    ((launch, again),) = table.launched
    assert (launch.name, again) == ("agent-1", False)
    assert launch.command == (
        *("my-agent", "--model", "tiny", "--url=http://127.0.0.1:47113/v1"),
        *("/run/agent/instruction-1.md", "2 h of working time", "6600", "/app"),
    )
    assert "Make the number in answer.txt" in launch.text
    assert launch.text.startswith(table.harness.system[:40])
    assert "finish; this ends the session" in launch.text
    assert launch.script() == (
        "/usr/bin/env -- my-agent --model tiny --url=http://127.0.0.1:47113/v1 "
        "/run/agent/instruction-1.md '2 h of working time' 6600 /app"
    )


async def test_confirming_is_one_more_start_with_what_is_left(task: Any) -> None:
    table = Table(task, outside(stop="confirm"), [GOOD, GOOD])
    assert (await table.work()).by == "agent"
    first, second = (launch for launch, _ in table.launched)
    assert second.text.startswith(first.text.rstrip())
    assert "asked to confirm it. You have 1 h 50 min of 2 h of working time" in second.text
    assert second.instruction_file != first.instruction_file
    untold = Table(task, outside(stop="confirm", time="none"), [GOOD, GOOD])
    await untold.work()
    assert "2 h" not in untold.launched[1][0].text


async def test_a_budget_sends_it_back_until_it_does_nothing(task: Any) -> None:
    idle = Exit(0, "", 0, None)
    harness = outside(stop="budget", nudges=1)
    table = Table(task, harness, [GOOD, idle, GOOD, idle, idle])
    ending = await table.work()
    assert ending == Ending(
        "agent", "the agent ended with exit code 0: 2 starts in a row asked the model nothing"
    )
    assert len(table.launched) == 5
    assert "but the session goes on. You have " in table.launched[1][0].text


async def test_a_plateau_ends_it(task: Any) -> None:
    table = Table(task, outside(stop="budget", plateau=0.5), [GOOD], now=standing(3700.0))
    assert (await table.work()).by == "agent"
    table = Table(task, outside(stop="budget", plateau=0.5), [GOOD, GOOD], now=standing(3500.0))
    table.harness = outside(stop="budget", plateau=0.5, nudges=0)
    with pytest.raises(IndexError):  # it would go on
        await table.work()


async def test_one_that_was_lost_is_started_again_whatever_the_policy(task: Any) -> None:
    lost = Exit(None, "its sandbox was lost", 1, None, lost=True)
    messages = (Message(7, "The engine was away.", "engine", "engine"),)
    table = Table(task, outside(), [lost, GOOD], now=standing(messages=messages))
    table.entries += [
        {"n": 0, "kind": "user", "about": "start", "start": 1, "command": ["x"], "text": "t"}
    ]
    assert (await table.work()).by == "agent"
    (first, joined), (second, fresh) = table.launched
    assert (first.number, joined) == (1, True)
    assert (second.number, fresh) == (2, False)
    assert "were cut off" in second.text
    assert second.text.endswith("The engine was away.\n")
    assert [e["message"] for e in table.entries if "message" in e] == [7]


async def test_a_loop_that_is_started_again_says_nothing_twice(task: Any) -> None:
    whole = Table(task, outside(stop="confirm"), [GOOD, GOOD])
    await whole.work()
    for kept in range(1, len(whole.entries) + 1):
        entries = [dict(entry) for entry in whole.entries[:kept]]
        under_way = entries[-1].get("about") != "exit"
        again = Table(task, outside(stop="confirm"), [GOOD, GOOD], entries=entries)
        assert (await again.work()).by == "agent"
        starts = [e["start"] for e in again.entries if e.get("about") == "start"]
        exits = [e["start"] for e in again.entries if e.get("about") == "exit"]
        assert starts == exits == [1, 2]
        joined = [launch.number for launch, joined in again.launched if joined]
        assert len(joined) == under_way


def judged(harness: Harness, *exits: Exit, output: str = "") -> Ending | Again:
    entries: list[dict[str, Any]] = []
    for number, one in enumerate(exits, 1):
        start = {"kind": "user", "about": "start", "start": number}
        failed = one.failed
        end = {
            "kind": "note",
            "about": "exit",
            "start": number,
            "text": f"the agent ended with exit code {one.code}",
            "code": one.code,
            "made": one.made,
            "lost": one.lost,
            "failed": None if failed is None else [failed.failure, failed.cause, failed.detail],
        }
        entries += [start, {"kind": "output", "text": output}, end]
    entries = [{"n": n, **entry} for n, entry in enumerate(entries)]
    return judge_exit(harness, standing(), entries)


@pytest.mark.parametrize(
    ("error", "by"),
    [
        (ModelError("network", "network", "gone"), "infrastructure"),
        (ModelError("overload", "529 overloaded"), "infrastructure"),
        (ModelError("context", "too long"), "context"),
        (ModelError("content_filter", "stopped"), "refusal"),
        (ModelError("bad_request", "400 bad request", "no such key"), "agent"),
        (None, "agent"),
    ],
)
def test_an_end_after_a_failed_call_is_what_the_failure_was(
    error: ModelError | None, by: str
) -> None:
    for code in (0, 1):
        ending = judged(outside(stop="agent"), Exit(code, "", 2, error))
        assert isinstance(ending, Ending)
        assert ending.by == by


def test_one_that_never_got_to_work_is_no_result() -> None:
    ending = judged(outside(), Exit(2, "", 0, None), output="usage:\n  my-agent")
    assert ending == Ending(
        "infrastructure",
        "the agent ended with exit code 2 before the model had answered anything: usage: my-agent",
    )
    assert judged(outside(), Exit(0, "", 0, None)) == Ending(
        "agent", "the agent ended with exit code 0"
    )
    assert isinstance(judged(outside(), Exit(2, "", 1, None)), Ending)
    gone = judged(outside(stop="budget"), GOOD, Exit(127, "", 0, None))
    assert isinstance(gone, Ending)
    assert gone.by == "infrastructure"


@given(
    st.lists(st.sampled_from(("{model}", "${model}", "{", "}", "x", "{instruction}", "{workdir}")))
)
def test_slots_are_filled_in_once_and_nothing_else_is_touched(words: list[str]) -> None:
    word = "".join(words)
    values = {"model": "{workdir}", "workdir": "{model}"}
    (found,) = filled_in([word], values)
    expected, rest = "", word
    while rest:
        for slot, value in (("{model}", "{workdir}"), ("{workdir}", "{model}")):
            if rest.startswith(slot) and not (expected_source(word, rest)).endswith("$"):
                expected, rest = expected + value, rest[len(slot) :]
                break
        else:
            expected, rest = expected + rest[0], rest[1:]
    assert found == expected


def expected_source(word: str, rest: str) -> str:
    """What stands before the rest in the word."""
    return word[: len(word) - len(rest)]


def test_every_slot_is_filled_in() -> None:
    values = dict.fromkeys(COMMAND_SLOTS, "v")
    assert filled_in([f"{{{slot}}}" for slot in COMMAND_SLOTS], values) == ("v",) * 8
    launch = Launch(1, ("a", "say: {instruction}"), "it's a task")
    assert launch.script() == """/usr/bin/env -- a 'say: it'"'"'s a task'"""
    with pytest.raises(ArgumentTooLongError, match=r"instead of \{instruction\}"):
        Launch(1, ("a", "{instruction}" * 2), "x" * 70_000).script()


def test_the_number_of_the_wording_is_raised_when_the_words_for_a_command_change(
    task: Any,
) -> None:
    words = []
    for stop in ("agent", "confirm", "budget"):
        for plateau in (0.0, 0.5):
            harness = outside(system="-", stop=stop, plateau=plateau, time="none")
            words.append(system_prompt(Table(task, harness, [])))  # type: ignore[arg-type]
            for ends in ([GOOD], [GOOD, GOOD], [Exit(None, "", 0, None, lost=True)]):
                found = judged(harness, *ends)
                words.append(found.note if isinstance(found, Again) else "over")
    found_hash = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    assert (WORDING, found_hash) == (2, "42b9a1546463197c"), (
        "raise WORDING in engine/harnesses/harness.py"
    )
