from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autolab_tui.demo import wire
from autolab_tui.demo.turn import Call, Conversation, Turn

HEAD = wire.Head("chatcmpl-1", "persistent", 1_700_000_000)
arguments = st.dictionaries(st.text(max_size=8), st.text(max_size=600), max_size=3)
turns = st.builds(
    Turn,
    st.text(max_size=300),
    st.lists(st.builds(Call, st.sampled_from(["bash", "edit"]), arguments), max_size=3).map(tuple),
)


def read(turn: Turn, usage: bool = True) -> tuple[list[dict[str, Any]], float]:
    """The chunks of an answer, and how long it would take."""
    chunks, seconds = [], 0.0
    sent = list(wire.stream(HEAD, turn, [{"role": "user", "content": "go"}], usage))
    assert sent[-1][1] == b"data: [DONE]\n\n"
    for pause, data in sent[:-1]:
        assert pause >= 0
        assert data.startswith(b"data: ")
        assert data.endswith(b"\n\n")
        assert data.count(b"\n") == 2
        seconds += pause
        chunks.append(json.loads(data[6:]))
    return chunks, seconds


@given(turns)
def test_the_pieces_add_up_to_the_turn(turn: Turn) -> None:
    chunks, _ = read(turn)
    assert {(c["id"], c["object"], c["model"]) for c in chunks} == {
        ("chatcmpl-1", "chat.completion.chunk", "persistent")
    }
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    assert text.split() == turn.text.split()
    calls: dict[int, dict[str, str]] = {}
    for choice in choices:
        for delta in choice["delta"].get("tool_calls", []):
            call = calls.setdefault(delta["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] += delta.get("id", "")
            call["name"] += delta["function"].get("name", "")
            call["arguments"] += delta["function"]["arguments"]
    assert [(c["name"], json.loads(c["arguments"])) for c in calls.values()] == [
        (call.name, dict(call.arguments)) for call in turn.calls
    ]
    assert len({c["id"] for c in calls.values()}) == len(turn.calls)
    finishes = [c["finish_reason"] for c in choices if c["finish_reason"]]
    assert finishes == ["tool_calls" if turn.calls else "stop"]


def test_long_arguments_come_in_several_pieces_but_soon() -> None:
    turn = Turn("Here.", (Call("edit", {"path": "solve.c", "content": "x" * 20_000}),))
    chunks, seconds = read(turn)
    pieces = [c for c in chunks if c["choices"] and c["choices"][0]["delta"].get("tool_calls")]
    assert len(pieces) > 20
    assert seconds < 10


def test_usage_comes_last_and_only_when_asked_for() -> None:
    turn = Turn("Done.")
    with_usage, _ = read(turn)
    assert with_usage[-1]["choices"] == []
    usage = with_usage[-1]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    without, _ = read(turn, usage=False)
    assert all("usage" not in chunk for chunk in without)


def test_what_was_sent_before_counts_as_cached() -> None:
    first = {"role": "user", "content": "a" * 4000}
    answer = {"role": "assistant", "content": "b"}
    usage = wire.count(Turn("x"), [first, answer, {"role": "tool", "content": "c" * 400}])
    assert 900 < usage["prompt_tokens_details"]["cached_tokens"] < 1100
    assert usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]
    assert wire.count(Turn("x"), [first])["prompt_tokens_details"]["cached_tokens"] == 0


def test_a_repeated_request_gets_the_same_call_ids_and_a_later_one_others() -> None:
    begun = [{"role": "user", "content": "go"}]
    later = [*begun, {"role": "assistant", "content": ""}, {"role": "tool", "content": ""}]
    assert wire.call_id(begun, 0) == wire.call_id(begun, 0)
    assert len({wire.call_id(m, i) for m in (begun, later) for i in (0, 1)}) == 4


def test_a_conversation_counts_turns_and_finds_tool_outputs() -> None:
    conversation = Conversation(
        [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": "a"},
            {"role": "tool", "content": "one"},
            {"role": "assistant", "content": "b"},
            {"role": "tool", "content": "two"},
            {"role": "tool", "content": [{"type": "text", "text": "three"}]},
        ]
    )
    assert conversation.turns == 2
    assert conversation.outputs == ("one", "two", "three")
    assert conversation.last_outputs == ("two", "three")
