"""Answers that end in other ways than a model means to: the conversation stays sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.models.types import Api, Provider
from engine.runs.outcomes import Ending
from tests.engine.agents.working import Seat, changed
from tests.support.model_server import APIS, Json, ModelServer, Say
from tests.support.strict_model import StrictModel, text_of, turns_of

every_api = pytest.mark.parametrize("api", APIS)
SUBMIT = Say(calls=(("end", "submit", {}),))
LOOK = ("look", "bash", {"command": "cat answer.txt"})
WRITE = ("write", "edit", {"path": "answer.txt", "content": "1\n" * 50})


def one_after_another(*says: Say) -> Callable[[Json], Say]:
    left = list(says)
    return lambda _: left.pop(0)


async def work(seat: Seat, api: Api, *says: Say) -> tuple[Ending, list[Json], StrictModel]:
    model = StrictModel(api, 1_000_000, one_after_another(*says))
    with ModelServer(model) as server:
        ending = await seat.work_with(Provider("local", server.url(api), api=api))
        return ending, server.requests, model


@every_api
async def test_a_call_that_was_cut_off_is_not_carried_out(
    suite: Path, tmp_path: Path, api: Api
) -> None:
    seat = Seat(suite, tmp_path, changed(tools=("bash", "edit", "submit")))
    cut = Say(text="Now.", reasoning="Hm.", calls=(LOOK, WRITE), stop="length", half=True)
    ending, requests, model = await work(seat, api, cut, SUBMIT)
    assert (ending, model.broken) == (Ending("agent", "submitted"), [])
    assert seat.desk.ran == ["cat answer.txt"]  # the call before it was whole
    assert seat.desk.files["answer.txt"] == b"100\n"
    if api != "gemini":  # where calls come whole or not at all
        assert "Not carried out. Your last message was cut off" in text_of(turns_of(requests[1]))
        assert "malformed_arguments" in json.dumps(requests[1])


@every_api
async def test_a_cut_off_wish_to_stop_is_none(suite: Path, tmp_path: Path, api: Api) -> None:
    cut = Say(text="Done.", calls=(("end", "submit", {}),), stop="length")
    ending, requests, model = await work(Seat(suite, tmp_path, changed()), api, cut, SUBMIT)
    assert (ending, model.broken, len(requests)) == (Ending("agent", "submitted"), [], 2)
    assert "Not carried out." in text_of(turns_of(requests[1]))


@every_api
async def test_thinking_that_was_cut_off_is_not_sent_back(
    suite: Path, tmp_path: Path, api: Api
) -> None:
    cut = Say(reasoning="I wonder " * 50, stop="length")
    whole = Say(reasoning="Shorter.", calls=(LOOK,))
    seat = Seat(suite, tmp_path, changed())
    ending, requests, model = await work(seat, api, cut, whole, cut, SUBMIT)
    assert (ending, model.broken) == (Ending("agent", "submitted"), [])
    assert "I wonder" not in text_of(requests)
    assert text_of(turns_of(requests[1])).count("was cut off: it was longer than") == 1
    answer = next(e for e in seat.entries() if e["kind"] == "assistant")
    assert answer["reasoning"].startswith("I wonder")


async def test_answers_that_are_never_whole_are_no_wish_to_stop(
    suite: Path, tmp_path: Path
) -> None:
    cut = Say(text="Let me think. " * 20, stop="length")
    seat = Seat(suite, tmp_path, changed(nudges=2))
    ending, _, _ = await work(seat, "chat", *[cut] * 3)
    assert ending.by == "infrastructure"
    assert "3 answers in a row were cut off" in ending.detail
    assert "max_output_tokens" in ending.detail
    folder = tmp_path / "other"
    folder.mkdir()
    said = Say(text="I am done.")
    ending, _, _ = await work(Seat(suite, folder, changed(nudges=2)), "chat", cut, said, cut)
    assert ending.by == "agent"


@every_api
async def test_a_refusal_ends_the_session_before_its_calls(
    suite: Path, tmp_path: Path, api: Api
) -> None:
    seat = Seat(suite, tmp_path, changed())
    refused = Say(text="I will not.", calls=(LOOK,), stop="refusal")
    ending, _, _ = await work(seat, api, refused)
    assert ending == Ending("refusal", "the model refused to go on: I will not.")
    assert seat.desk.ran == []
    again = Seat(suite, tmp_path, changed())  # a later engine
    ending, requests, _ = await work(again, api)
    assert (ending.by, requests, again.desk.ran) == ("refusal", [], [])


async def test_an_answer_that_was_interrupted_is_gone_on_with(suite: Path, tmp_path: Path) -> None:
    """Anthropic's `pause_turn`: the answer goes back as it is, with nothing after it."""
    seat = Seat(suite, tmp_path, changed(time="every-turn"))
    script = [
        Say(text="Look", signature="s1", reasoning="Hm.", stop="pause"),
        Say(text="ing.", calls=(LOOK,)),
        SUBMIT,
    ]
    with ModelServer(script) as server:
        provider = Provider("local", server.url("anthropic"), api="anthropic")
        ending = await seat.work_with(provider)
        first, second, third = (r["messages"] for r in server.requests)
    assert ending == Ending("agent", "submitted")
    assert second[:-1] == first
    assert second[-1] == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
            {"type": "text", "text": "Look"},
        ],
    }
    assert [m["role"] for m in third] == ["user", "assistant", "user"]
    assert third[1]["content"][:2] == second[-1]["content"]
    assert "[time]" in text_of(third[2])


async def test_an_interrupted_reply_of_a_terminal_is_read_as_one(
    suite: Path, tmp_path: Path
) -> None:
    keys = {"keystrokes": "make\n", "duration": 1}
    reply = json.dumps({"analysis": "a", "plan": "p", "commands": [keys]})
    done = json.dumps({"analysis": "a", "plan": "p", "commands": [], "task_complete": True})
    seat = Seat(suite, tmp_path, changed("autolab", stop="agent"))
    script = [Say(text=reply[:30], stop="pause"), Say(text=reply[30:]), Say(text=done)]
    with ModelServer(script) as server:
        provider = Provider("local", server.url("anthropic"), api="anthropic")
        ending = await seat.work_with(provider)
        shown = text_of(server.requests[-1])
    assert ending.by == "agent"
    assert [keys for _, keys, _ in seat.desk.pressed] == ["make\n"]
    assert "not understood" not in shown


@every_api
async def test_a_terminal_reply_that_was_cut_off_is_said_to_be(
    suite: Path, tmp_path: Path, api: Api
) -> None:
    done = json.dumps({"analysis": "a", "plan": "p", "commands": [], "task_complete": True})
    seat = Seat(suite, tmp_path, changed("autolab", stop="agent"))
    cut = Say(text='{"analysis": "I see', stop="length")
    ending, requests, model = await work(seat, api, cut, Say(text=done))
    assert (ending.by, model.broken) == ("agent", [])
    assert "Your last message was cut off" in text_of(turns_of(requests[1]))


@every_api
async def test_calls_of_tools_that_nobody_offered_spoil_nothing(
    suite: Path, tmp_path: Path, api: Api
) -> None:
    done = json.dumps({"analysis": "a", "plan": "p", "commands": [], "task_complete": True})
    seat = Seat(suite, tmp_path, changed("autolab", stop="agent"))
    calling = Say(text="I call.", reasoning="Hm.", calls=(LOOK,))
    ending, requests, model = await work(seat, api, calling, Say(text=done))
    assert (ending.by, model.broken) == ("agent", [])
    assert "cat answer.txt" not in json.dumps(requests[1])
    (answer,) = [e for e in seat.entries() if e.get("ignored_calls")]
    assert answer["ignored_calls"][0]["name"] == "bash"
