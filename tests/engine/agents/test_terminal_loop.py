"""The terminal loop: JSON with keystrokes in, the terminal's text out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agents.terminal_reply import Command, ReplyError, read_reply
from engine.runs.outcomes import Ending
from tests.engine.agents.working import Chunks, Seat, changed, said, verdict
from tests.engine.support import text_turn

Work = Callable[..., Seat]


def reply(*keystrokes: str, done: bool = False, duration: float | None = None) -> dict[str, Any]:
    waits = {} if duration is None else {"duration": duration}
    commands = [{"keystrokes": keys, **waits} for keys in keystrokes]
    return {"analysis": "All is well.", "plan": "p", "commands": commands, "task_complete": done}


def turn(*keystrokes: str, done: bool = False, duration: float | None = None) -> Chunks:
    return text_turn(json.dumps(reply(*keystrokes, done=done, duration=duration)))


@pytest.fixture
def seat(suite: Path, tmp_path: Path) -> Work:
    def make(**knobs: Any) -> Seat:
        verdicts = knobs.pop("verdicts", {})
        return Seat(suite, tmp_path, changed("autolab", **knobs), verdicts=verdicts)

    return make


async def test_keystrokes_are_pressed_and_new_output_is_shown(seat: Work) -> None:
    working = seat()
    turns = [turn("make\n", "ls", duration=500), turn("\n"), turn(done=True), turn(done=True)]
    ending, requests = await working.work(turns)
    assert ending == Ending("agent", "said that the task is complete: All is well.")
    assert [(keys, seconds) for _, keys, seconds in working.desk.pressed] == [
        ("make\n", 60.0),
        ("ls", 60.0),
        ("\n", 1.0),
    ]
    names = [name for name, _, _ in working.desk.pressed]
    assert len(set(names)) == 3
    for request in requests:
        assert "tools" not in request
        assert {m["role"] for m in request["messages"]} <= {"system", "user", "assistant"}
    assert requests[0]["messages"][-1]["content"] == (
        "Make the number in answer.txt as small as you can.\n\n\nCurrent terminal screen:\n/app $"
    )
    observed = [r["messages"][-1]["content"] for r in requests[1:]]
    assert observed[0] == "New terminal output:\n make\nout of make\n/app $ ls"
    assert observed[1] == "New terminal output:\nout of \n/app $"
    assert observed[2].startswith("Not yet ended: please confirm. If you see")
    assert observed[2].endswith(
        "say so once more.\n\nCurrent terminal screen:\n"
        + ("/app $ make\nout of make\n/app $ ls\nout of \n/app $")
    )


async def test_the_prompt_has_the_protocol_and_no_word_of_time_or_verdicts(seat: Work) -> None:
    _, requests = await seat(verdicts={1: verdict(1, 0.5)}).work(
        [turn("a\n")] * 2 + [turn(done=True)]
    )
    prompt = said(requests[0], "system")
    assert "1 when you leave it out, at most 60" in prompt
    assert "task_complete` to true" in prompt
    assert "submit" not in prompt
    whole = json.dumps(requests)
    assert not [word for word in ("2 h", "7200", "[verifier]", "0.500") if word in whole]


async def test_knobs_work_here_too(seat: Work) -> None:
    working = seat(feedback="score", time="every-turn", stop="agent", verdicts={1: verdict(1, 0.5)})
    ending, requests = await working.work([turn("a\n"), turn(done=True)])
    assert len(requests) == 2
    last = requests[1]["messages"][-1]["content"]
    assert last.startswith("New terminal output:")
    assert "earned 0.500" in last
    assert last.endswith("(6600 s of 7200 s) left.")
    assert ending.by == "agent"


async def test_budget_sends_a_terminal_back_to_work(seat: Work) -> None:
    working = seat(stop="budget", plateau=0.2, nudges=5, time="start")
    ending, requests = await working.work([turn("a\n", done=True)])
    assert len(requests) == 3  # 30 of 120 minutes without improvement
    assert "Not ended: the session goes on. You have 1 h 50 min" in said(requests[1], "user")
    assert ending.by == "agent"


async def test_what_is_not_in_the_protocol_is_explained_then_ended(seat: Work) -> None:
    working = seat(nudges=2, stop="agent")
    broken = text_turn('{"analysis": "x", "plan": "y", "commands": [{"keys": "ls"}]}')
    turns = [text_turn("I would run make."), broken, turn("make\n"), broken]
    ending, requests = await working.work(turns)
    told = [r["messages"][-1]["content"] for r in requests[1:]]
    assert told[0].startswith("Your last message was not understood. There is no JSON object")
    assert "missing required field `keystrokes`" in told[1]
    assert told[2].startswith("New terminal output:")
    assert len(requests) == 6
    assert ending.by == "agent"
    assert "3 answers in a row were not in the protocol" in ending.detail


async def test_a_terminal_that_does_not_answer_is_said_and_survived(seat: Work) -> None:
    working = seat(stop="agent")
    working.desk.silent = True
    ending, requests = await working.work([turn("a\n"), turn(done=True)])
    assert "the terminal did not answer" in requests[0]["messages"][-1]["content"]
    assert "Keystrokes 1: the terminal did not answer" in requests[1]["messages"][-1]["content"]
    assert ending.by == "agent"


async def test_long_output_is_cut_to_what_the_harness_allows(seat: Work) -> None:
    working = seat(stop="agent", output_chars=600)
    _, requests = await working.work([turn("q" * 5000), turn(done=True)])
    last = requests[1]["messages"][-1]["content"]
    assert "characters left out" in last
    assert len(last) < 800


async def test_a_loop_that_is_started_again_presses_nothing_twice_under_another_name(
    suite: Path, tmp_path: Path
) -> None:
    """Keystrokes of one name are pressed once by the sandbox; see the keeper's own tests."""
    harness = changed("autolab", stop="agent")
    turns = [turn("one\n", "two\n"), turn("three\n"), turn(done=True)]
    first = Seat(suite, tmp_path, harness)
    await first.work(turns)
    names = {keys: name for name, keys, _ in first.desk.pressed}
    path = tmp_path / "transcript.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines) + 1):
        path.write_bytes(b"".join(lines[:kept]))
        before = [msgspec.json.decode(line) for line in lines[:kept]]
        answers = sum(entry["kind"] == "assistant" for entry in before)
        done = sum(entry["kind"] == "tool" for entry in before)
        again = Seat(suite, tmp_path, harness)
        ending, requests = await again.work(turns[answers:] or [turn(done=True)])
        pressed = [(keys, name) for name, keys, _ in again.desk.pressed]
        assert pressed == list(names.items())[done:]
        assert len(requests) == len(turns) - answers
        assert ending.by == "agent"


@given(
    st.lists(st.tuples(st.text(), st.none() | st.floats(0, 1e6))),
    st.booleans(),
    st.text(st.characters(exclude_characters="{")),
    st.text(),
)
def test_a_reply_is_found_in_what_stands_around_it(
    commands: list[tuple[str, float | None]], done: bool, before: str, after: str
) -> None:
    made = reply(done=done)
    made["commands"] = [{"keystrokes": k, "duration": d, "note": 1} for k, d in commands]
    found = read_reply(f"{before}{json.dumps(made)}{after}")
    assert found.commands == tuple(Command(k, d) for k, d in commands)
    assert found.task_complete is done


@given(st.text())
def test_any_answer_is_a_reply_or_explained(answer: str) -> None:
    try:
        read_reply(answer)
    except ReplyError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "no JSON object"),
        ('{"analysis": "x"', "broken"),
        ('{"analysis": "x"}', "missing required field `plan`"),
        ('{"analysis": "x", "plan": "y", "commands": "ls"}', "commands"),
        ("{" * 100_000, "broken"),
        ('{"a":' * 20_000, "broken"),
    ],
)
def test_a_broken_answer_is_explained(answer: str, problem: str) -> None:
    with pytest.raises(ReplyError, match=problem):
        read_reply(answer)


def test_halves_of_characters_and_times_that_are_none_do_no_harm() -> None:
    found = read_reply(
        '{"analysis": "", "plan": "", "commands": '
        '[{"keystrokes": "\\ud800", "duration": NaN}, {"keystrokes": "a\nb", "duration": 1e999}]}'
    )
    assert found.commands == (Command("?"), Command("a\nb"))
