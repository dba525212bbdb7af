"""What calls cost: whole ones, broken ones as far as their stream told, and those under way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Usage
from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.spending import (
    BYTES_A_TOKEN,
    FIRST_OUTPUT,
    committed,
    most_output,
    priced,
    request_bytes,
)
from engine.models.types import Api, Carried, Message, ModelError, Provider, ToolCall
from engine.money import Price, Tier
from tests.engine.models.asking import ASK, TOOLS
from tests.support.model_server import APIS, Fault, ModelServer, Say, encode, events

every_api = pytest.mark.parametrize("api", APIS)
PRICE = Price(input=10.0, output=100.0, cached=1.0)
GOOD = Say(text="word " * 40)
WHOLE = (60 * 10.0 + 40 * 1.0 + 10 * 100.0) / 1e6
NOTHING = Usage()


async def spent(step: Say | Fault, api: Api, price: Price | None = PRICE, **more: Any) -> Usage:
    """What a call that fails has used."""
    with ModelServer([step]) as server:
        provider = replace(Provider("local", server.url(api), api=api), **more)
        http = HttpClient()
        model = HttpModel(http, provider, "tiny", price)
        try:
            with pytest.raises(ModelError):
                _ = [delta async for delta in model.ask(ASK, TOOLS)]
        finally:
            await http.close()
    return model.spent


@every_api
async def test_a_whole_answer_is_priced_and_leaves_nothing_over(api: Api) -> None:
    with ModelServer([GOOD]) as server:
        http = HttpClient()
        model = HttpModel(http, Provider("local", server.url(api), api=api), "tiny", PRICE)
        turn = [delta async for delta in model.ask(ASK, TOOLS)][-1]
        await http.close()
    assert turn.usage.cost == pytest.approx(WHOLE)  # type: ignore[union-attr]  # the last is a Turn
    assert turn.usage.unpriced == 0  # type: ignore[union-attr]
    assert model.spent == NOTHING


@every_api
async def test_a_stream_that_is_cut_was_paid_for(api: Api) -> None:
    used = await spent(Fault(say=GOOD, cut=0.5), api)
    assert (used.turns, used.unpriced) == (0, 1)
    if api == "anthropic":  # the one that tells at the start what was sent
        assert (used.sent, used.output) == (100, 1)
        assert used.cost == pytest.approx((60 * 10.0 + 40 * 1.0 + 1 * 100.0) / 1e6)
    else:
        assert (used.tokens, used.cost) == (0, None)


@pytest.mark.parametrize("api", ["chat", "gemini"])
async def test_servers_that_tell_it_with_each_piece_are_believed(api: Api) -> None:
    """As several chat servers do, and Google."""
    told = {
        "chat": {"usage": {"prompt_tokens": 100, "completion_tokens": 4}},
        "gemini": {"usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 4}},
    }[api]
    pieces = [(kind, {**data, **told}) for kind, data in events(api, GOOD)[:2]]  # type: ignore[dict-item]
    used = await spent(Fault(body=b"".join(encode(pieces)).decode()), api)
    assert (used.input, used.output, used.unpriced) == (100, 4, 1)
    assert used.cost == pytest.approx((100 * 10.0 + 4 * 100.0) / 1e6)


async def test_an_answer_that_is_whole_and_of_no_use_is_paid_to_the_cent() -> None:
    body = {
        "candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}],
        "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 10},
    }
    used = await spent(Fault(body=f"data: {json.dumps(body)}\n\n"), "gemini")
    assert (used.unpriced, used.turns) == (0, 0)
    assert used.cost == pytest.approx((100 * 10.0 + 10 * 100.0) / 1e6)


async def test_a_failed_response_tells_what_it_used() -> None:
    usage = {"input_tokens": 100, "output_tokens": 10}
    error = {"code": "server_error", "message": "x"}
    body = {"type": "response.failed", "response": {"error": error, "usage": usage}}
    used = await spent(Fault(body=f"data: {json.dumps(body)}\n\n"), "responses")
    assert (used.input, used.output) == (100, 10)
    assert used.cost == pytest.approx((100 * 10.0 + 10 * 100.0) / 1e6)


async def test_a_price_is_stated_by_the_server_also_when_the_stream_breaks() -> None:
    chunk = {"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 5, "cost": 0.25}}
    used = await spent(Fault(body=f"data: {json.dumps(chunk)}\n\n"), "chat")
    assert (used.cost, used.stated, used.unpriced) == (0.25, 1, 1)


@every_api
@pytest.mark.parametrize(
    "step",
    [
        Fault(status=429, body="{}"),
        Fault(status=500, body="{}"),
        Fault(status=401, body="{}"),
        Fault(body='{"error": {"code": "insufficient_quota", "message": "x"}}'),
    ],
)
async def test_a_call_that_was_refused_cost_nothing(api: Api, step: Fault) -> None:
    assert await spent(step, api) == NOTHING


async def test_a_refusal_inside_a_good_stream_cost_nothing() -> None:
    error = {"code": "context_length_exceeded", "message": "x"}
    body = {"type": "response.failed", "response": {"error": error, "usage": None}}
    assert await spent(Fault(body=f"data: {json.dumps(body)}\n\n"), "responses") == NOTHING


@every_api
async def test_nobody_there_cost_nothing(api: Api) -> None:
    with ModelServer([]) as server:
        url = server.url(api)
    assert await spent(GOOD, api, base_url=url) == NOTHING


@every_api
async def test_an_answer_that_never_came_may_have_been_paid_for(api: Api) -> None:
    used = await spent(Fault(say=GOOD, silent=True), api, silence_seconds=0.2)
    assert used == Usage(unpriced=1)


@every_api
async def test_without_a_price_what_was_told_is_counted_all_the_same(api: Api) -> None:
    used = await spent(Fault(say=GOOD, cut=0.5), api, price=None)
    assert (used.cost, used.unpriced) == (None, 1)
    assert used.sent == (100 if api == "anthropic" else 0)


@every_api
async def test_a_call_that_is_left_was_paid_for(api: Api) -> None:
    with ModelServer([Fault(say=GOOD, stall=30.0)]) as server:
        http = HttpClient()
        model = HttpModel(http, Provider("local", server.url(api), api=api), "tiny", PRICE)
        begun = asyncio.Event()

        async def listen() -> None:
            async for _ in model.ask(ASK, TOOLS):
                begun.set()

        listening = asyncio.create_task(listen())
        await begun.wait()
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        await http.close()
    assert (model.spent.unpriced, model.spent.turns) == (1, 0)
    assert model.spent.sent == (100 if api == "anthropic" else 0)


async def test_a_failure_does_not_count_again_with_the_next_call() -> None:
    with ModelServer([Fault(say=GOOD, cut=0.5), GOOD]) as server:
        http = HttpClient()
        provider = Provider("local", server.url("anthropic"), api="anthropic")
        model = HttpModel(http, provider, "tiny", PRICE)
        with pytest.raises(ModelError):
            _ = [delta async for delta in model.ask(ASK, TOOLS)]
        assert model.spent != NOTHING
        _ = [delta async for delta in model.ask(ASK, TOOLS)]
        await http.close()
    assert model.spent == NOTHING


def test_a_server_that_tells_nothing_leaves_the_cost_unknown() -> None:
    used = priced(Usage(turns=1), PRICE, 0.0)
    assert (used.cost, used.unpriced) == (None, 1)
    assert priced(Usage(turns=1, cost=0.0), PRICE, 0.0) == Usage(turns=1, cost=0.0, stated=1)


# --- what is under way ----------------------------------------------------------------------------


def test_a_request_is_as_large_as_what_a_model_reads_of_it() -> None:
    call = ToolCall("c1", "bash", '{"command": "' + "x" * 100 + '"}')
    small = request_bytes([Message("user", "ä" * 50)], ())
    assert 100 <= small < 120
    more = [Message("user", "ä" * 50), Message("assistant", "", "y" * 100, (call,))]
    assert request_bytes(more, ()) >= small + 200
    carried = Carried("anthropic", ({"type": "thinking", "signature": "s" * 1000},))
    assert request_bytes([Message("assistant", "", carried=carried)], ()) > 1000
    assert request_bytes([], TOOLS) > 100


PLAIN = Price(input=3.0, output=30.0, cached=0.3)
SIZE = round(1000 * BYTES_A_TOKEN)


def test_the_first_call_is_reckoned_without_knowing_the_model() -> None:
    assert committed(PLAIN, SIZE, None, Usage(), 0.0) == pytest.approx(
        (1000 * 3.0 + FIRST_OUTPUT * 30.0) / 1e6
    )
    assert committed(PLAIN, SIZE, 100, Usage(), 0.0) == pytest.approx(
        (1000 * 3.0 + 100 * 30.0) / 1e6
    )


def test_later_calls_are_reckoned_from_those_before() -> None:
    before = Usage(input=20_000, cached=60_000, output=2000, turns=4)
    assert committed(PLAIN, SIZE, 32_000, before, 0.0) == pytest.approx(
        (250 * 3.0 + 750 * 0.3 + 500 * 30.0) / 1e6
    )


def test_a_long_request_is_reckoned_at_the_rates_of_its_tier() -> None:
    tiered = Price(input=1.0, output=1.0, tiers=(Tier(above=500, input=2.0, output=5.0),))
    assert committed(tiered, SIZE, 10, Usage(), 0.0) == pytest.approx((1000 * 2 + 10 * 5) / 1e6)


@given(
    st.integers(0, 10**7),
    st.none() | st.integers(1, 10**5),
    st.builds(Usage, output=st.integers(0, 10**6), turns=st.integers(0, 1000)),
)
def test_more_to_read_never_costs_less(size: int, most: int | None, before: Usage) -> None:
    found = committed(PLAIN, size, most, before, 0.0)
    assert 0.0 <= found <= committed(PLAIN, size + SIZE, most, before, 0.0)


@pytest.mark.parametrize(
    ("provider", "most"),
    [
        (Provider("l", "u"), None),
        (Provider("l", "u", max_output_tokens=5), 5),
        (Provider("l", "u", api="anthropic"), 32_000),
        (Provider("l", "u", api="anthropic", max_output_tokens=5), 5),
        (Provider("l", "u", body={"max_tokens": 7}, max_output_tokens=5), 7),
        (Provider("l", "u", body={"max_tokens": "many"}), None),
        (Provider("l", "u", api="gemini", body={"generationConfig": {"maxOutputTokens": 9}}), 9),
    ],
)
def test_how_long_an_answer_may_be(provider: Provider, most: int | None) -> None:
    assert most_output(provider) == most


def test_a_model_reckons_with_its_own_price() -> None:
    provider = Provider("local", "http://127.0.0.1:1/v1", max_output_tokens=100)
    assert HttpModel(HttpClient(), provider, "tiny").committed(SIZE, Usage()) is None
    found = HttpModel(HttpClient(), provider, "tiny", PRICE).committed(SIZE, Usage())
    assert found == pytest.approx((1000 * 10.0 + 100 * 100.0) / 1e6)
