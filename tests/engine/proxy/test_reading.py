"""An answer on its way through: every byte goes on, the key does not, and all is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.models.chat import ChatWire
from engine.models.types import Api, ModelError, Turn
from engine.proxy import reading as module
from engine.proxy.reading import Piece, Reading
from tests.engine.proxy.test_dialects import WIRES
from tests.support.model_server import APIS, Say, encode, events

KEY = "sk-canary-1234"
SAY = Say(
    text=f"{KEY}{'.' * 30}",
    reasoning="Hm.",
    calls=(("c1", "bash", {"command": "echo ü"}),),
    cached=5,
)


def through(api: Api, pieces: list[bytes], told: bool = False) -> tuple[list[Piece], Turn]:
    reading = Reading(api, WIRES[api]().answer(), KEY, streamed=True, told=told)
    found = [piece for data in pieces for piece in reading.feed(data)]
    found += reading.rest()
    return found, reading.turn()


@given(st.sampled_from(APIS), st.lists(st.integers(1, 2000), max_size=8), st.sampled_from("\n\r"))
def test_however_a_stream_is_cut_it_goes_on_whole_and_without_the_key(
    api: Api, cuts: list[int], newline: str
) -> None:
    stream = b"".join(encode(events(api, SAY)))
    stream = stream.replace(b"\n", b"\r\n" if newline == "\r" else b"\n")
    ends = sorted({min(c, len(stream)) for c in cuts} | {len(stream)})
    pieces = [stream[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    found, turn = through(api, pieces)
    assert b"".join(p.data for p in found) == stream.replace(KEY.encode(), b"[key]")
    assert turn.text == "[key]" + "." * 30
    assert turn.tool_calls[0].name == "bash"
    assert turn.usage.cached == 5
    assert all(piece.error is None for piece in found)


def test_a_count_that_only_we_asked_for_does_not_go_on() -> None:
    stream = encode(events("chat", Say(text="Hello.")))
    found, turn = through("chat", stream, told=True)
    on = b"".join(piece.data for piece in found)
    chunks = [json.loads(line[6:]) for line in on.splitlines() if line.startswith(b"data: {")]
    assert all(chunk["choices"] for chunk in chunks)
    assert on.endswith(b"data: [DONE]\n\n")
    assert turn.usage.tokens == 110
    assert b'"usage"' in b"".join(p.data for p in through("chat", stream)[0])


def test_an_event_that_tells_of_a_failure_goes_on_with_it() -> None:
    event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'
    reading = Reading("anthropic", WIRES["anthropic"]().answer(), None, streamed=True, told=False)
    (piece,) = reading.feed(event)
    assert piece.data == event
    assert piece.error is not None
    assert piece.error.failure == "overload"


def test_a_stream_that_broke_off_is_no_turn_and_goes_on_as_far_as_it_came() -> None:
    stream = b"".join(encode(events("anthropic", Say(text="word " * 20))))
    stream = stream[: int(len(stream) * 0.6)]
    reading = Reading("anthropic", WIRES["anthropic"]().answer(), None, streamed=True, told=False)
    found = [*reading.feed(stream), *reading.rest()]
    assert b"".join(piece.data for piece in found) == stream
    with pytest.raises(ModelError, match="broke off"):
        reading.turn()


def test_a_stream_of_nonsense_is_a_broken_one() -> None:
    reading = Reading("chat", ChatWire().answer(), None, streamed=True, told=False)
    pieces = list(reading.feed(b": hello\n\ndata: {nonsense\n\n"))
    assert pieces[0].error is None
    assert pieces[1].error is not None
    assert pieces[1].error.failure == "broken_stream"


def test_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    monkeypatch.setattr(module, "MAX_EVENT_BYTES", 100)
    for data, said in ((b"x" * 1001, "endless"), (b"data: " + b"x" * 200, "no end")):
        reading = Reading("chat", ChatWire().answer(), None, streamed=True, told=False)
        with pytest.raises(ModelError, match=said):
            list(reading.feed(data))
