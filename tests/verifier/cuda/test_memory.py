"""Guards around a plan's buffers: every byte that is nobody's is watched."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.cuda.memory import ALIGNMENT, Layout, guard_content, lay_out, overruns

SIZES = {"input": 1000, "output": 4096, "partials": 20}
SEED = b"one repetition"


def fresh(layout: Layout) -> bytearray:
    """The allocation as it is before the first launch; buffers are zero."""
    memory = bytearray(layout.size)
    for index, span in enumerate(layout.guards):
        memory[span.start : span.end] = guard_content(SEED, index, span)
    return memory


def guards(layout: Layout, memory: bytearray) -> dict[int, bytes]:
    return {i: bytes(memory[span.start : span.end]) for i, span in enumerate(layout.guards)}


@given(
    st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 5000), max_size=6),
    st.integers(1, 5000),
)
def test_buffers_and_guards_cover_every_byte_once(sizes: dict[str, int], guard: int) -> None:
    layout = lay_out(sizes, guard)
    spans = sorted([*layout.buffers.values(), *layout.guards], key=lambda span: span.start)
    assert spans[0].start == 0
    assert spans[-1].end == layout.size
    assert all(left.end == right.start for left, right in itertools.pairwise(spans))
    assert all(span.start % ALIGNMENT == 0 for span in layout.buffers.values())
    assert all(span.end - span.start >= guard for span in layout.guards)
    assert {name: span.end - span.start for name, span in layout.buffers.items()} == sizes


@given(st.data())
def test_one_changed_byte_outside_of_the_buffers_is_found(data: st.DataObject) -> None:
    layout = lay_out(SIZES, 64)
    memory = fresh(layout)
    at = data.draw(st.integers(0, layout.size - 1))
    memory[at] ^= data.draw(st.integers(1, 255))
    inside = any(span.start <= at < span.end for span in layout.buffers.values())
    assert len(overruns(layout, SEED, guards(layout, memory))) == (0 if inside else 1)


def test_it_says_where_was_written() -> None:
    layout = lay_out(SIZES)
    memory = fresh(layout)
    memory[layout.buffers["output"].end] ^= 1
    memory[layout.buffers["input"].start - 8] ^= 1
    memory[layout.buffers["partials"].end + 3] ^= 1
    assert [found.words() for found in overruns(layout, SEED, guards(layout, memory))] == [
        "wrote before the begin of `input`, from 8 bytes on",
        "wrote past the end of `output`, before `partials`, from byte 0 on",
        "wrote past the end of `partials`, from byte 3 on",
    ]


def test_what_a_guard_holds_is_new_each_time() -> None:
    layout = lay_out(SIZES)
    stale = guards(layout, fresh(layout))
    assert len(overruns(layout, b"another", stale)) == len(layout.guards)


def test_a_guard_that_was_not_read_proves_nothing() -> None:
    layout = lay_out(SIZES)
    found = guards(layout, fresh(layout))
    del found[1]
    with pytest.raises(ValueError, match="guard 1 was read as 0 bytes"):
        overruns(layout, SEED, found)


def test_nothing_has_no_size() -> None:
    with pytest.raises(ValueError, match="`a` has 0 bytes"):
        lay_out({"a": 0})
    with pytest.raises(ValueError, match="guards nothing"):
        lay_out({"a": 1}, 0)
