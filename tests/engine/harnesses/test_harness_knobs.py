"""Every knob of a harness, seen in what goes over the wire to the model.

What becomes of a conversation that no longer fits is in test_context.py, the terminal's requests
are in test_terminal_loop.py, and how many attempts a run makes is in test_runs.py.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from engine.agents import compaction_words
from engine.agents.answering import CUT_OFF
from engine.agents.offers import schemas
from engine.agents.prompting import system_prompt
from engine.events import Limit
from engine.harnesses import Harness
from engine.harnesses.harness import WORDING, Feedback, Stop, Time, Tool
from engine.runs.outcomes import Ending
from tasks import load_task
from tests.engine.agents.working import Seat, changed, said, verdict
from tests.engine.support import text_turn, tool_turn

BASH = tool_turn("bash", {"command": "make bench"})
SUBMIT = tool_turn("submit", {})
IDLE = text_turn("I am done.")
Work = Callable[..., Any]


@pytest.fixture
def seat(suite: Path, tmp_path: Path) -> Callable[..., Seat]:
    numbers = itertools.count()

    def make(harness: Harness, **more: Any) -> Seat:
        return Seat(suite, tmp_path / f"seat{next(numbers)}", harness, **more)

    return make


async def test_a_prompt_variant_is_what_the_model_reads_first(seat: Work) -> None:
    _, plain = await seat(changed()).work([SUBMIT])
    mine = changed(system="Lower {editable} in {workdir}. {}")
    _, other = await seat(mine).work([SUBMIT])
    assert other[0]["messages"][0]["content"].startswith("Lower answer.txt in /app. {}\n\nYou have")
    assert "Lower" not in said(plain[0])
    assert plain[0]["messages"][1] == other[0]["messages"][1]
    assert "Make the number" in said(other[0], "user")


VERDICTS = {1: verdict(1, 0.25), 2: verdict(2, 0.0, "correct"), 3: verdict(3, 0.5)}


async def test_sealed_feedback_says_nothing_of_verdicts(seat: Work) -> None:
    _, requests = await seat(changed(), verdicts=VERDICTS).work([BASH] * 4 + [SUBMIT])
    for request in requests:
        assert "[verifier]" not in said(request)
        assert "0.25" not in said(request)
        assert "are told" not in said(request, "system")
    assert [m["role"] for m in requests[-1]["messages"]] == [
        *("system", "user"),
        *("assistant", "tool") * 4,
    ]


async def test_gates_feedback_says_whether_the_checks_were_passed(seat: Work) -> None:
    working = seat(changed(feedback="gates"), verdicts=VERDICTS)
    _, requests = await working.work([BASH] * 4 + [SUBMIT])
    told = [r["messages"][-1]["content"] for r in requests[1:4]]
    state = "[verifier] The state of your files of 10 min ago (working time)"
    assert told == [
        f"{state} passed all checks.",
        f"{state} failed at the check 'correct'.",
        f"{state} passed all checks.",
    ]
    assert requests[4]["messages"][-1]["role"] == "tool"  # nothing new, nothing said
    assert "whether such a state passed its checks" in said(requests[0], "system")
    assert "0.25" not in said(requests[-1])
    assert "4711" not in said(requests[-1])  # evidence may show what is meant to stay hidden


async def test_score_feedback_says_each_reward_and_the_best(seat: Work) -> None:
    working = seat(changed(feedback="score"), verdicts={**VERDICTS, 4: verdict(4, None)})
    _, requests = await working.work([BASH] * 4 + [SUBMIT])
    told = [r["messages"][-1]["content"] for r in requests[1:4]]
    assert "earned 0.250; the best so far is 0.250." in told[0]
    assert "'correct' and earned 0.000; the best so far is 0.250." in told[1]
    assert "earned 0.500; the best so far is 0.500." in told[2]
    assert requests[4]["messages"][-1]["role"] == "tool"  # what could not be judged is no news
    assert "4711" not in said(requests[-1])


async def test_scores_come_no_more_often_than_the_harness_allows(seat: Work) -> None:
    often = changed(feedback="score-every", feedback_minutes=25.0)
    verdicts = {n: verdict(n, n / 20) for n in range(1, 9)}
    _, requests = await seat(often, verdicts=verdicts).work([BASH] * 8 + [SUBMIT])
    told = [i for i, r in enumerate(requests) if "[verifier]" in str(r["messages"][-1]["content"])]
    assert told == [3, 6]  # after 30 and 60 minutes
    assert "At most once in 25 minutes" in said(requests[0], "system")


@pytest.mark.parametrize("budget", [{"active": Limit(hard=7200.0), "turns": Limit(hard=90.0)}])
async def test_time_is_told_when_the_harness_says_so(seat: Work, budget: dict[str, Limit]) -> None:
    seen = {}
    for time in get_args(Time):
        working = seat(changed(time=time), budget=budget)
        _, seen[time] = await working.work([BASH, BASH, SUBMIT])
    nothing = json.dumps(seen["none"])
    assert not [word for word in ("2 h", "7200", "working time", "90 turns") if word in nothing]
    assert "You have 2 h of working time and 90 turns." in said(seen["start"][0], "system")
    assert "left" not in said(seen["start"][-1])
    assert [r["messages"][-1]["content"] for r in seen["every-turn"][1:]] == [
        "[time] You have 1 h 50 min of 2 h of working time (6600 s of 7200 s) and 89 of 90 turns "
        "left.",
        "[time] You have 1 h 40 min of 2 h of working time (6000 s of 7200 s) and 88 of 90 turns "
        "left.",
    ]
    assert "2 h" not in said(seen["on-request"][-1])


async def test_time_on_request_is_a_tool_that_only_that_harness_offers(seat: Work) -> None:
    ask = tool_turn("time_left", {})
    _, requests = await seat(changed(time="on-request")).work([BASH, ask, SUBMIT])
    assert "time_left" in [tool["function"]["name"] for tool in requests[0]["tools"]]
    assert requests[2]["messages"][-1]["content"] == (
        "You have 1 h 50 min of 2 h of working time (6600 s of 7200 s) left."
    )
    _, requests = await seat(changed()).work([ask, SUBMIT])
    assert "time_left" not in [tool["function"]["name"] for tool in requests[0]["tools"]]
    assert "there is no tool 'time_left'" in requests[1]["messages"][-1]["content"]


async def test_the_reference_is_told_or_not(seat: Work) -> None:
    _, without = await seat(changed()).work([SUBMIT])
    _, told = await seat(changed(reference=True)).work([SUBMIT])
    assert "reference" not in said(without[0])
    assert (
        "It brings count from 100 (your files untouched, reward 0) to 20, which earns a reward of "
        "0.80; lower is better"
    ) in said(told[0], "system")


async def test_agent_may_stop_at_once(seat: Work) -> None:
    ending, requests = await seat(changed(stop="agent")).work([SUBMIT])
    assert (ending, len(requests)) == (Ending("agent", "submitted"), 1)
    assert "this ends the session" in said(requests[0], "system")


async def test_confirm_asks_once_with_what_is_left(seat: Work) -> None:
    turns = [BASH, SUBMIT, BASH, SUBMIT]
    ending, requests = await seat(changed(stop="confirm")).work(turns)
    assert ending == Ending("agent", "submitted")
    assert len(requests) == 4
    question = requests[2]["messages"][-1]
    assert question["role"] == "tool"
    assert "please confirm. You have 1 h 50 min of 2 h of working time" in question["content"]
    ending, requests = await seat(changed(stop="confirm", time="none")).work([SUBMIT])
    assert len(requests) == 2
    assert "please confirm. If you see" in requests[1]["messages"][-1]["content"]
    assert "left" not in said(requests[1])


async def test_confirm_asks_also_who_only_talks(seat: Work) -> None:
    ending, requests = await seat(changed(stop="confirm", nudges=1)).work([IDLE])
    assert len(requests) == 3
    assert "called no tool" in requests[1]["messages"][-1]["content"]
    assert "please confirm" in requests[2]["messages"][-1]["content"]
    assert ending == Ending("agent", "3 answers in a row called no tool")


async def test_budget_sends_back_to_work_until_the_progress_is_over(seat: Work) -> None:
    harness = changed(stop="budget", plateau=0.3, nudges=3)
    turns = [BASH, SUBMIT, BASH, BASH, SUBMIT, BASH, SUBMIT]
    ending, requests = await seat(harness, verdicts={1: verdict(1, 0.4)}).work(turns)
    refusals = [r["messages"][-1]["content"] for r in (requests[2], requests[5])]
    assert refusals[0].startswith("Not ended: the session goes on. You have 1 h 50 min of 2 h")
    assert refusals[1].startswith("Not ended: the session goes on. You have 1 h 30 min of 2 h")
    assert len(requests) == 7  # 40 of 120 minutes without improvement are more than 0.3 of them
    assert ending == Ending("agent", "submitted")
    assert "goes on until its budget is used, or until" in said(requests[0], "system")


async def test_budget_without_a_plateau_gives_up_on_who_does_nothing_else(seat: Work) -> None:
    harness = changed(stop="budget", nudges=3)
    ending, requests = await seat(harness).work([BASH, SUBMIT])
    assert len(requests) == 1 + 4
    assert ending == Ending("agent", "submitted: asked 4 times in a row")
    assert "no way to end it earlier" in said(requests[0], "system")


async def test_tools_that_are_not_allowed_are_neither_offered_nor_carried_out(seat: Work) -> None:
    harness = changed(tools=("bash", "read"), nudges=0)
    edit = tool_turn("edit", {"path": "answer.txt", "content": "1"})
    working = seat(harness)
    ending, requests = await working.work([edit, SUBMIT, IDLE])
    assert [tool["function"]["name"] for tool in requests[0]["tools"]] == ["bash", "read"]
    assert requests[1]["messages"][-1]["content"] == (
        "there is no tool 'edit'; the tools are bash, read"
    )
    assert "there is no tool 'submit'" in requests[2]["messages"][-1]["content"]
    assert working.desk.files["answer.txt"] == b"100\n"
    assert ending.by == "agent"
    assert "answer without calling a tool; this ends" in said(requests[0], "system")
    assert "submit" not in said(requests[0], "system")


async def test_a_command_may_take_as_long_as_the_harness_allows(seat: Work) -> None:
    harness = changed(command_timeout_sec=7.0, command_timeout_max_sec=20.0)
    working = seat(harness)
    long = tool_turn("bash", {"command": "make", "timeout_sec": 1000})
    await working.work([BASH, long, SUBMIT])
    assert working.desk.allowed == [7.0, 20.0]
    ending, requests = await seat(changed("autolab", command_timeout_sec=7.0)).work([IDLE])
    assert "to wait before the next keystrokes are pressed" in said(requests[0], "system")
    assert ": 7 when you leave it out, at most 60" in said(requests[0], "system")
    assert ending.by == "agent"


async def test_an_observation_is_as_long_as_the_harness_allows(seat: Work) -> None:
    noise = tool_turn("bash", {"command": "q" * 3000})
    sizes = {}
    for chars in (500, 2000):
        _, requests = await seat(changed(output_chars=chars)).work([noise, SUBMIT])
        text = requests[1]["messages"][-1]["content"]
        sizes[chars] = text.count("q")
        assert f"{3000 - chars} characters left out" in text
    assert sizes == {500: 500, 2000: 2000}


async def test_the_nudge_and_how_often_it_is_said(seat: Work) -> None:
    harness = changed(nudge="Call something.", nudges=1)
    ending, requests = await seat(harness).work([IDLE])
    assert len(requests) == 2
    assert requests[1]["messages"][-1]["content"].startswith("Call something. When you are sure")
    assert ending == Ending("agent", "2 answers in a row called no tool")


async def test_no_two_messages_of_the_user_follow_each_other(seat: Work) -> None:
    harness = changed(feedback="score", time="every-turn", nudges=2)
    turns = [BASH, IDLE, BASH, IDLE, SUBMIT]
    _, requests = await seat(harness, verdicts=VERDICTS).work(turns)
    for request in requests:
        roles = [m["role"] for m in request["messages"]]
        assert ("user", "user") not in list(itertools.pairwise(roles))
    assert requests[1]["messages"][-1]["content"].count("[") == 2  # verdict and time in one


async def test_each_request_goes_on_where_the_last_one_ended(seat: Work) -> None:
    """What providers cache is a common beginning; a harness that rewrites it pays in full."""
    harness = changed("persistent", feedback="score", reference=True)
    _, requests = await seat(harness, verdicts=VERDICTS).work([BASH, IDLE, BASH, SUBMIT, BASH] * 2)
    for before, after in itertools.pairwise(requests):
        assert after["messages"][: len(before["messages"])] == before["messages"]
        assert after["tools"] == before["tools"]


async def test_a_loop_that_is_started_again_tells_nothing_twice(
    suite: Path, tmp_path: Path
) -> None:
    harness = changed(feedback="score", time="every-turn", stop="confirm")
    first = Seat(suite, tmp_path, harness, verdicts=VERDICTS)
    await first.work([BASH, BASH, SUBMIT, SUBMIT])
    path = tmp_path / "transcript.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines)):
        path.write_bytes(b"".join(lines[:kept]))
        again = Seat(suite, tmp_path, harness)
        again.now, again._state = first.now, first._state
        await again.work([SUBMIT])
        told = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        shown = [entry["verdicts"] for entry in told if entry.get("about") == "feedback"]
        assert shown == sorted(set(shown))
        assert sum(entry["kind"] == "system" for entry in told) == 1
        abouts = [(entry["kind"], entry.get("about")) for entry in told]
        assert (("user", "time"), ("user", "time")) not in list(itertools.pairwise(abouts))


async def test_a_session_whose_end_was_granted_is_not_gone_on_with(
    suite: Path, tmp_path: Path
) -> None:
    await Seat(suite, tmp_path, changed()).work([BASH, SUBMIT])
    ending, requests = await Seat(suite, tmp_path, changed()).work([BASH])
    assert (ending, requests) == (Ending("agent", "submitted"), [])


def test_the_number_of_the_wording_is_raised_when_the_words_change(suite: Path) -> None:
    """The knobs' words are code, and part of what a harness is: their number is in its hash."""

    class Told:
        task = load_task(suite / "count_down")
        budget = "2 h of working time"
        active_sec = 7200.0
        size = "quick"
        harness = changed(system="-")

    words = [json.dumps(msgspec.to_builtins(schemas([*get_args(Tool), "time_left"])))]
    for feedback, time, stop, reference, tools, plateau in itertools.product(
        get_args(Feedback),
        get_args(Time),
        get_args(Stop),
        (False, True),
        (("bash",), ("bash", "submit"), ()),
        (0.0, 0.5),
    ):
        Told.harness = changed(
            system="-",
            loop="tools" if tools else "terminal",
            feedback=feedback,
            time=time,
            stop=stop,
            reference=reference,
            tools=tools,
            plateau=plateau,
            feedback_minutes=5.0,
        )
        words.append(system_prompt(Told()))  # type: ignore[arg-type]  # it reads these five only
    for request in (
        compaction_words.notes_request("t", "n", "r", more=True, chars=600),
        compaction_words.notes_request("t", "", "r", more=False, chars=600),
    ):
        words += [message.text for message in request]
    words += [
        compaction_words.from_notes("n", "v", "s"),
        compaction_words.from_record("r"),
        compaction_words.from_steps("v", "s"),
        CUT_OFF,
    ]
    found = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    assert (WORDING, found) == (2, "78741d2ba4295133"), (
        "raise WORDING in engine/harnesses/harness.py"
    )
