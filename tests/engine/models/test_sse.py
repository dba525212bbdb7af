"""Server-sent events, however the bytes are cut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.models.sse import ServerEvent, SseParser

lines = st.lists(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=8),
    min_size=1,
    max_size=4,
)


@given(st.lists(lines, max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_events_are_the_same_however_the_bytes_are_cut(
    messages: list[list[str]], newline: str, data: Any
) -> None:
    text = "".join(
        f": comment{newline}event: x{newline}"
        + "".join(f"data: {line}{newline}" for line in message)
        + newline
        for message in messages
    )
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    parser, found = SseParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += parser.feed(raw[start:end])
    assert found == [ServerEvent("x", "\n".join(message)) for message in messages]


@given(st.binary(max_size=200))
def test_noise_is_no_error(noise: bytes) -> None:
    parser = SseParser()
    list(parser.feed(noise))
    assert list(parser.feed(b"\n\ndata: 1\n\n"))[-1].data.endswith("1")


def test_an_event_that_no_blank_line_ends_is_never_given() -> None:
    assert list(SseParser().feed(b"data: half\n")) == []
