"""Entries as text of a size: what goes first, what stays, and that nothing is too long."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.agents.record import (
    first,
    newest,
    parts_of,
    shortened,
    size_of,
    text_of,
    without_output,
)
from engine.agents.toolbox import excerpt

Entry = dict[str, Any]
HEADS = 200  # characters that the heads of a few parts take, beside their bodies


def step(number: int, said: str, output: str, call: str = "x") -> list[Entry]:
    calls = [{"id": f"c{number}", "name": "bash", "arguments": call}]
    answer = {"n": 2 * number, "kind": "assistant", "text": said, "reasoning": "", "stop": "x"}
    result = {"n": 2 * number + 1, "kind": "tool", "name": "bash", "call": f"c{number}"}
    return [{**answer, "tool_calls": calls}, {**result, "output": output}]


texts = st.text(max_size=3) | st.integers(0, 5_000).map(lambda n: "x" * n)
steps = st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=12).map(
    lambda made: [e for n, (a, b, c) in enumerate(made) for e in step(n, a, b, c)]
)


def test_the_oldest_output_goes_first_and_what_was_said_stays() -> None:
    entries = [e for n in range(10) for e in step(n, f"said {n}", f"out {n} " + "o" * 2000)]
    parts = parts_of(entries)
    short = text_of(shortened(parts, 12_000))
    assert len(short) <= 12_000
    assert all(f"said {n}" in short for n in range(10))
    assert "o" * 2000 not in short[: short.index("said 7")]
    assert short.endswith("out 9 " + "o" * 2000)
    dropped = without_output(parts, 12_000)
    assert dropped is not None
    text = text_of(dropped)
    assert text.count("[2006 characters stood here]") == 5
    assert text.index("said 5") > text.rindex("stood here")
    assert without_output(parts, 2_000) is None


def test_the_newest_steps_are_whole() -> None:
    parts = parts_of([e for n in range(10) for e in step(n, f"said {n}", "o" * 500)])
    assert [p.entry for p in newest(parts, 1_200) if p.begins] == [16, 18]
    assert newest(parts, 1_200)[0].begins
    (alone,) = (p for p in newest(parts, 300) if p.head == "bash gave")
    assert "characters left out" in alone.body
    assert newest([], 100) == []


@given(steps, st.integers(700, 20_000))
def test_what_is_cut_to_a_size_is_no_longer(entries: list[Entry], limit: int) -> None:
    parts = parts_of(entries)
    assert size_of(newest(parts, limit)) <= limit + HEADS
    left, pieces = parts, 0
    while left:
        piece, rest = first(left, limit)
        assert piece
        assert size_of(piece) <= limit + HEADS
        assert len(rest) < len(left)
        left, pieces = rest, pieces + 1
    assert pieces <= len(parts)
    assert size_of(shortened(parts, limit)) <= max(limit, size_of(parts))
    dropped = without_output(parts, limit)
    assert dropped is None or size_of(dropped) <= limit
    assert [p.entry for p in shortened(parts, limit)] == [p.entry for p in parts]


@given(st.text(), st.integers(-5, 50))
def test_an_excerpt_keeps_both_ends(text: str, limit: int) -> None:
    found = excerpt(text, limit)
    half = max(0, limit) // 2
    assert found == text or (found[:half], len(text) > limit) == (text[:half], True)
    assert found == text or found.endswith(text[len(text) - half :])
