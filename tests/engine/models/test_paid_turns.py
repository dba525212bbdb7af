"""Money in whole sessions: the price of the first day, and every call that was paid for."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.client import EngineRefusedError
from engine.events import TurnAbandoned, TurnFailed, TurnFinished, Usage
from engine.models.spending import FIRST_OUTPUT
from engine.money import Price
from engine.state import SessionState
from tests.engine.support import EngineProcess, everything, running_engine, wait_for
from tests.support.model_server import Fault, Json, ModelServer, Say

pytestmark = pytest.mark.usefixtures("sandboxes")
CALL = Say(text="word " * 40, calls=(("c1", "bash", {"command": "true"}),))
SUBMIT = Say(calls=(("c2", "submit", {}),))
WHOLE = (60 * 1.0 + 40 * 0.5 + 10 * 10.0) / 1e6
CUT = (60 * 1.0 + 40 * 0.5 + 1 * 10.0) / 1e6  # one token of the answer was told of


def state_price(tmp_path: Path, server: ModelServer, output: float) -> None:
    config = tmp_path / "config"
    config.mkdir(exist_ok=True)
    (config / "autolab.toml").write_text(
        f'[providers.lab]\nbase_url = "{server.url("anthropic")}"\napi = "anthropic"\n'
        f"[providers.lab.prices.tiny]\ninput = 1.0\ncached = 0.5\noutput = {output}\n"
    )


def launch(engine: EngineProcess, suite: Path) -> str:
    made = engine.client.create_run({"suite": str(suite), "size": "quick", "models": ["lab/tiny"]})
    return str(made["sessions"][0])


Ended = TurnFinished | TurnFailed | TurnAbandoned


def turns(engine: EngineProcess, session: str) -> list[Ended]:
    bodies = [event.body for event in everything(engine) if event.session == session]
    return [body for body in bodies if isinstance(body, Ended)]


def test_a_session_keeps_its_price_and_counts_what_broke(tmp_path: Path, suite: Path) -> None:
    """Through a broken stream, a death of the engine in mid-answer, and a change of the price."""
    waiting = threading.Event()

    def script(body: Json, number: int) -> Say | Fault:
        if number == 1:
            return Fault(say=CALL, cut=0.5)
        if number == 2:
            waiting.set()
            return Fault(say=CALL, stall=60.0)
        return CALL if number == 0 else SUBMIT

    with ModelServer(script) as server:
        state_price(tmp_path, server, 10.0)
        with running_engine(tmp_path / "state") as engine:
            session = launch(engine, suite)
            assert waiting.wait(60)
            wait_for(lambda: engine.session(session).turn_open)
            engine.kill()
            state_price(tmp_path, server, 99.0)
            engine.restart()
            facts = engine.until_over(session).sessions[session]
            journal = turns(engine, session)
    assert facts.price == Price(input=1.0, output=10.0, cached=0.5)
    assert [type(body).__name__ for body in journal] == [
        "TurnFinished",
        "TurnFailed",
        "TurnAbandoned",
        "TurnFinished",
    ]
    _, broken, lost, _ = journal
    assert isinstance(broken, TurnFailed)
    assert isinstance(lost, TurnAbandoned)
    assert broken.usage.cost == pytest.approx(CUT)
    assert (broken.turn, broken.usage.turns, broken.usage.unpriced) == (2, 0, 1)
    assert (lost.turn, lost.usage) == (2, Usage(unpriced=1))
    assert facts.usage.cost == pytest.approx(2 * WHOLE + CUT)
    assert (facts.usage.turns, facts.usage.unpriced) == (2, 2)
    assert facts.usage.sent == 3 * 100


def test_a_session_that_is_stopped_in_mid_answer_says_what_that_cost(
    tmp_path: Path, suite: Path
) -> None:
    with ModelServer([Fault(say=CALL, stall=60.0)]) as server:
        state_price(tmp_path, server, 10.0)
        with running_engine(tmp_path / "state") as engine:
            session = launch(engine, suite)

            def streaming() -> bool:
                live = engine.client.transcript(session)["live"]
                return bool(live and live["text"])

            wait_for(streaming, 60)
            engine.client.stop([session])
            facts = engine.until_over(session).sessions[session]
            (left,) = turns(engine, session)
    assert isinstance(left, TurnAbandoned)
    assert (left.why, left.usage.unpriced) == ("it was called off", 1)
    assert facts.usage.cost == left.usage.cost == pytest.approx(CUT)
    assert (facts.usage.turns, facts.turn_open) == (0, False)


def test_a_cost_limit_ends_a_session_that_paid_for_broken_answers(
    tmp_path: Path, suite: Path
) -> None:
    with ModelServer(lambda *_: Fault(say=CALL, cut=0.5)) as server:
        state_price(tmp_path, server, 10.0)
        with running_engine(tmp_path / "state") as engine:
            made = engine.client.create_run(
                {
                    "suite": str(suite),
                    "size": "quick",
                    "models": ["lab/tiny"],
                    "budget": {"cost": {"hard": 1.5 * CUT}},
                }
            )
            session = made["sessions"][0]
            facts: SessionState = engine.until_over(session).sessions[session]
    assert "cost limit reached" in facts.outcome_evidence
    assert facts.usage.turns == 0


def test_a_limit_that_nobody_can_keep_is_told_of(tmp_path: Path, suite: Path) -> None:
    silent = Say(calls=CALL.calls, input=0, cached=0, output=0, thinking=0)
    waiting = threading.Event()

    def script(body: Json, number: int) -> Say | Fault:
        if number == 2:
            waiting.set()
            return Fault(say=SUBMIT, stall=60.0)
        return silent

    with ModelServer(script) as server, running_engine(tmp_path / "state") as engine:
        spec = {
            "suite": str(suite),
            "size": "quick",
            "models": ["local/tiny"],
            "providers": {"local": {"base_url": server.url("chat")}},
            "budget": {"tokens": {"hard": 1000}},
        }
        (session,) = engine.client.create_run(spec)["sessions"]
        assert waiting.wait(60)
        (alert,) = engine.session(session).alerts
        usage = engine.session(session).usage
        engine.client.stop([session])
        engine.until_over(session)
    assert alert.text == "the provider does not tell what calls use: limit of tokens void"
    assert usage == Usage(turns=2, unpriced=2)


def test_a_runs_money_is_not_spent_twice_by_calls_under_way(tmp_path: Path, suite: Path) -> None:
    """Two calls wait for their answers; together they will probably cost more than is left."""
    with ModelServer(lambda *_: Fault(say=CALL, stall=60.0)) as server:
        state_price(tmp_path, server, 10.0)
        with running_engine(tmp_path / "state") as engine:
            made = engine.client.create_run(
                {
                    "suite": str(suite),
                    "size": "quick",
                    "models": ["lab/tiny"],
                    "attempts": 2,
                    "concurrency": 2,
                    "run_budget": {"cost": {"hard": 1.5 * FIRST_OUTPUT * 10.0 / 1e6}},
                }
            )
            state = engine.until_over(*made["sessions"])
    assert len(server.requests) == 2
    for session in made["sessions"]:
        assert "the run's cost limit reached" in state.sessions[session].outcome_evidence


def test_a_cost_limit_cannot_be_given_later_without_a_price(tmp_path: Path, suite: Path) -> None:
    with (
        ModelServer(lambda *_: Fault(say=CALL, stall=60.0)) as server,
        running_engine(tmp_path / "state") as engine,
    ):
        spec = {
            "suite": str(suite),
            "size": "quick",
            "models": ["local/tiny"],
            "providers": {"local": {"base_url": server.url("chat")}},
        }
        made = engine.client.create_run(spec)
        (session,) = made["sessions"]
        more = {"changes": {"cost": {"hard": "5"}}}
        for order in ({"globs": [session], **more}, {"globs": [made["run"]], "run": True, **more}):
            with pytest.raises(EngineRefusedError, match=r"that of local/tiny was not known"):
                engine.client.order("extend", order)
        engine.client.stop([session])
        engine.until_over(session)
