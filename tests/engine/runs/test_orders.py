"""Orders: what they change, what they refuse, and that no busy loop keeps them waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.server import Api
from engine.client import EngineClient, EngineRefusedError
from engine.events import Limit, RunCreated, SessionPaused
from engine.journal import Journal
from engine.paths import journal_file, make_private, runtime_dir, short_name
from engine.runs.orders import ORDERS, OrderRefusedError, read_order
from engine.service.engine import Engine
from engine.settings import load_settings
from tests.engine.state.test_state_fold import created


async def serve(state: Path, work: Any) -> None:
    """An engine in this process with one queued session, `a-01`, while `work(client)` goes on."""
    journal = Journal(journal_file(make_private(state)))
    engine = Engine(state, journal, load_settings(), "test")
    path = runtime_dir() / f"{short_name(state)}.engine"
    api = Api(engine, path, "test")
    await api.start()
    running = asyncio.create_task(engine.run())
    try:
        await asyncio.sleep(0.1)
        made = RunCreated(run="a", sessions=("a-01",), spec={}, budget={"tokens": Limit(5.0)})
        journal.append(made)
        with_model = msgspec.structs.replace(created("a-01"), model="local/m", agent="tools")
        await asyncio.wrap_future(journal.append(with_model, "a-01"))
        await work(EngineClient(path))
    finally:
        engine.end()
        await running
        await api.stop()
        journal.close()


async def test_an_order_is_answered_and_holds_while_the_sessions_loop_is_stuck(
    tmp_path: Path,
) -> None:
    stuck, answered_while_stuck = threading.Event(), []

    async def work(client: EngineClient) -> None:
        def give() -> None:
            stuck.wait()
            chosen = client.order("pause", {"globs": ["a"], "by": "ann", "why": "now"})
            told = client.state().sessions["a-01"].pause
            answered_while_stuck.append((stuck.is_set(), chosen, str(told)))

        asked = threading.Thread(target=give)
        asked.start()
        stuck.set()
        deadline = time.monotonic() + 10.0
        while asked.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - nothing else may run on this loop
        stuck.clear()
        asked.join()

    await serve(tmp_path / "state", work)
    assert answered_while_stuck == [(True, ["a-01"], "operator: now (by ann)")]


async def test_orders_change_what_they_say_and_refuse_what_makes_no_sense(tmp_path: Path) -> None:
    def give_all(client: EngineClient) -> None:
        def order(name: str, dry: bool = False, **more: Any) -> list[str]:
            return client.order(name, {"globs": ["a-01"], "by": "ann", **more}, dry)

        assert order("pause", dry=True) == ["a-01"]
        assert client.state().sessions["a-01"].pause is None
        assert order("pause") == ["a-01"]
        assert order("pause") == []
        assert order("pause", now=True) == ["a-01"]
        assert order("resume") == ["a-01"]
        assert order("resume") == []
        assert order("extend", changes={"turns": {"hard": "9", "soft": "5"}}) == ["a-01"]
        assert client.state().sessions["a-01"].budget["turns"] == Limit(9.0, 5.0)
        assert client.order("extend", {"globs": ["a"], "run": True, "changes": {
            "tokens": {"hard": "+2"}}}) == ["a"]  # fmt: skip
        assert client.state().runs["a"].budget["tokens"] == Limit(7.0)
        assert order("message", text="hello") == ["a-01"]
        assert order("stop") == ["a-01"]
        for name, more, said in (
            ("extend", {"changes": {"time": {"hard": "5"}}}, "no limit 'time'"),
            ("extend", {"changes": {"turns": {"most": "5"}}}, "no 'most'; use hard or soft"),
            ("message", {"text": ""}, "the message is empty"),
            ("message", {"text": "x" * 40_000}, "above the 32000 that fit"),
            ("extend", {"changes": {"cost": {"hard": "5"}}}, "needs a price, and that of local/m"),
            ("pause", {"forever": True}, "unknown field `forever`"),
        ):
            with pytest.raises(EngineRefusedError, match=said):
                order(name, **more)

    async def work(client: EngineClient) -> None:
        await asyncio.to_thread(give_all, client)

    await serve(tmp_path / "state", work)


json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.sampled_from(ORDERS), st.dictionaries(st.text(max_size=5) | st.just("globs"), json))
def test_whatever_is_sent_is_an_order_or_refused(name: str, data: dict[str, Any]) -> None:
    try:
        order = read_order(name, data)
    except OrderRefusedError as error:
        assert str(error)
    else:
        assert order.globs


def test_a_pause_in_the_journal_reads_as_it_was_written() -> None:
    paused = SessionPaused(cause="schedule", why="night", by="ann", until=1.5)
    assert msgspec.json.decode(msgspec.json.encode(paused), type=SessionPaused) == paused
