"""Each fault in the middle of a session's loop: its outcome as classified, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.events import ModelRetried, SessionPaused, TurnFailed, TurnFinished
from engine.models.retry import RetryPolicy
from engine.models.types import Api, Provider
from engine.runs.outcomes import Ending
from tests.engine.agents.working import Seat, changed
from tests.support.model_server import APIS, Fault, Json, ModelServer, Say, refusal_in_stream

LOOK = Say(
    text="Looking.",
    reasoning="What is there?",
    signature="c2lnbmVk",
    calls=(("c1", "bash", {"command": "ls"}),),
)
SUBMIT = Say(text="Done. " * 20, calls=(("c2", "submit", {}),))
BEFORE = ["system", "user", "assistant", "tool"]
AFTER = [*BEFORE, "assistant", "tool"]
SECOND_TURN = 2


def error(message: str, code: str = "", **more: Any) -> str:
    return json.dumps({"error": {"message": message, "code": code, "type": code, **more}})


WAIT = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}


@dataclass(frozen=True)
class Case:
    """A fault, made for an API, and what comes of it.

    `cause` and `waits` are those of the retry, `pause` why the session is paused, `ending` how it
    ends; none of them: it is an answer.
    """

    step: Callable[[Api], Fault]
    cause: str = ""
    waits: tuple[float, float] = (0.75, 1.0)
    pause: str = ""
    ending: str = ""
    provider: dict[str, Any] = field(default_factory=dict)


CASES = {
    "429 with Retry-After": Case(
        lambda _: Fault(status=429, headers={"Retry-After": "3"}, body=error("slow down")),
        "429 rate limit",
        (3.0, 3.25),
    ),
    "429 without Retry-After": Case(
        lambda _: Fault(status=429, body=error("slow down")), "429 rate limit"
    ),
    "429 with the wait in its details": Case(
        lambda _: Fault(status=429, body=error("slow down", details=[WAIT])),
        "429 rate limit",
        (7.0, 7.25),
    ),
    "429 with the wait in words": Case(
        lambda _: Fault(status=429, body=error("Please try again in 1m2s.")),
        "429 rate limit",
        (62.0, 62.25),
    ),
    "529": Case(lambda _: Fault(status=529, body=error("busy")), "529 overloaded"),
    "500": Case(lambda _: Fault(status=500, body="<html>oops</html>"), "500 server error"),
    "cut before anything": Case(
        lambda _: Fault(say=SUBMIT, cut=0.0), "the stream broke off|network"
    ),
    "cut mid-event": Case(lambda _: Fault(say=SUBMIT, cut=0.4), "the stream broke off|network"),
    "stalled stream": Case(
        lambda _: Fault(say=SUBMIT, stall=30.0), "timeout", provider={"silence_seconds": 0.3}
    ),
    "no answer at all": Case(
        lambda _: Fault(say=SUBMIT, silent=True), "timeout", provider={"silence_seconds": 0.3}
    ),
    "invalid JSON": Case(
        lambda _: Fault(say=SUBMIT, insert=b"data: {broken\n\n"), "unreadable stream"
    ),
    "wrong content type": Case(
        lambda _: Fault(body="<html>Sign in</html>", content_type="text/html"), "no event stream"
    ),
    "no end marker": Case(lambda _: Fault(say=SUBMIT, endless=True), "the stream broke off"),
    "overload inside a 200": Case(
        lambda api: Fault(body=refusal_in_stream(api, "overload")), "overloaded|503 overloaded"
    ),
    "context overflow as a 400": Case(
        lambda _: Fault(status=400, body=error("too long", "context_length_exceeded")),
        ending="context",
    ),
    "context overflow inside a 200": Case(
        lambda api: Fault(body=refusal_in_stream(api, "context")), ending="context"
    ),
    "quota inside a 200": Case(
        lambda api: Fault(body=refusal_in_stream(api, "quota")), pause="no credit"
    ),
    "more tokens than the account has for a minute": Case(
        lambda _: Fault(status=429, body=error("The tokens must be reduced in order to run.")),
        ending="context",
    ),
    "spend limit": Case(
        lambda _: Fault(
            status=429,
            body=error("no", details={"error_code": "enforced_spend_limit_reached"}),
        ),
        pause="no credit",
    ),
    "quota": Case(
        lambda _: Fault(status=429, body=error("pay", "insufficient_quota")), pause="no credit"
    ),
    "bad key": Case(lambda _: Fault(status=401, body=error("who?")), pause="missing key"),
    "content filter": Case(
        lambda _: Fault(status=400, body=error("no", "content_policy_violation")),
        ending="refusal",
    ),
    "a chunk that comes twice": Case(lambda _: Fault(say=SUBMIT, twice=True)),
    "slow trickle": Case(lambda _: Fault(say=SUBMIT, trickle=0.001)),
    "event of several MB": Case(lambda _: Fault(say=Say("x" * (3 << 20), calls=SUBMIT.calls))),
}


async def work(seat: Seat, server: ModelServer, api: Api, **provider: Any) -> Ending:
    lab = Provider("lab", server.url(api), api=api, **provider)
    return await seat.work_with(lab, RetryPolicy(attempts=3))


def kinds(seat: Seat) -> list[str]:
    return [entry["kind"] for entry in seat.entries()]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", CASES)
async def test_a_fault_ends_as_it_should_and_the_conversation_is_whole(
    suite: Path, tmp_path: Path, api: Api, name: str
) -> None:
    case = CASES[name]
    # Without compaction, which tests/engine/agents/test_context.py is about.
    seat = Seat(suite, tmp_path / "seat", changed(context="none"))
    with ModelServer([LOOK, case.step(api), SUBMIT]) as server:
        ending = await work(seat, server, api, **case.provider)
        sent = list(server.requests)
    finished = [body.turn for body in seat.recorded if isinstance(body, TurnFinished)]
    assert finished == ([1] if kinds(seat) == BEFORE else [1, SECOND_TURN])
    failed = [body for body in seat.recorded if isinstance(body, TurnFailed)]
    retried = [body for body in seat.recorded if isinstance(body, ModelRetried)]
    paused = [body.cause for body in seat.recorded if isinstance(body, SessionPaused)]
    assert paused == ([case.pause] if case.pause else [])
    finished = [body.turn for body in seat.recorded if isinstance(body, TurnFinished)]
    assert finished == ([1] if case.ending else [1, SECOND_TURN])
    if case.cause:
        (again,) = retried
        assert again.cause in case.cause.split("|")
        assert [body.cause for body in failed] == [again.cause]
        assert case.waits[0] <= again.wait <= case.waits[1]
        assert seat.waits == [pytest.approx(again.wait, abs=0.001)]
        assert ending.by == "agent"
        assert sent[1] == sent[2]
        assert kinds(seat) == AFTER
    elif case.pause:  # nobody shuts the gate here: it is resumed at once
        assert ending.by == "agent"
        assert (len(sent), len(failed), retried) == (3, 1, [])
        assert sent[1] == sent[2]
        assert kinds(seat) == AFTER
    elif case.ending:
        assert ending.by == case.ending
        assert (len(sent), len(failed), retried) == (2, 1, [])
        assert failed[0].turn == SECOND_TURN
        assert kinds(seat) == BEFORE
        await goes_on(suite, tmp_path, api, sent[1])
    else:
        assert ending.by == "agent"
        assert (len(sent), failed, retried) == (2, [], [])
        assert kinds(seat) == AFTER


async def goes_on(suite: Path, tmp_path: Path, api: Api, asked: Json) -> None:
    """What was kept is all that is needed to ask the same again."""
    again = Seat(suite, tmp_path / "seat", changed(context="none"))
    with ModelServer([SUBMIT]) as server:
        assert (await work(again, server, api)).by == "agent"
        assert server.requests == [asked]
    assert kinds(again) == AFTER


@pytest.mark.parametrize("api", APIS)
async def test_when_patience_ends_nothing_half_said_is_kept(
    suite: Path, tmp_path: Path, api: Api
) -> None:
    seat = Seat(suite, tmp_path / "seat", changed())
    cut = Fault(say=Say("Half. " * 20, calls=SUBMIT.calls), cut=0.4)
    with ModelServer([LOOK, cut, cut, cut, SUBMIT]) as server:
        ending = await work(seat, server, api)
        sent = list(server.requests)
    assert ending.by == "agent"
    paused = [body for body in seat.recorded if isinstance(body, SessionPaused)]
    assert [body.cause for body in paused] == ["unreachable"]
    assert sent[1:] == [sent[1]] * 4
    assert kinds(seat) == AFTER
    assert "Half." not in json.dumps(seat.entries())
    assert sum(isinstance(body, TurnFailed) for body in seat.recorded) == 3
    assert seat.facts.usage.unpriced == 5  # none has a price, and three of them no end
