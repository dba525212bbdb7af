"""What passes from an agent's terminal to the operator's: nothing that could drive it."""

from __future__ import annotations

import re
from itertools import pairwise

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autolab_tui.sieve import Sieve

ROWS = 23
# All that may ever come out, as one pattern. Written down apart from the sieve's own tables.
HARMLESS = re.compile(
    r"(?:[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\u061c\u200b\ufeff]"
    r"|[\b\t\n\r]"
    r"|\x1b[DEM]"
    r"|\x1b\[[0-9;:]{0,200}m"
    r"|\x1b\[\?25[hl]"
    r"|\x1b\[[0-9]{0,4}[ABCDEFGILMPSTXZ@`ae]"
    r"|\x1b\[[0-2]?[JK]"
    r"|\x1b\[(?:[0-9]|1[0-9]|2[0-3]);[0-9]{1,4}[H]"
    r"|\x1b\[(?:[0-9]|1[0-9]|2[0-3])d"
    r"|\x1b\[[0-9]{1,2};(?:[0-9]|1[0-9]|2[0-3])r"
    r")*"
)
ATTACKS = [
    *("\x1b]52;c;ZXZpbA==\x07", "\x1b]52;c;ZXZpbA==\x1b\\", "\x9d52;c;x\x9c", "\x1b]0;title\x07"),
    *("\x1b]8;;http://x\x1b\\", "\x1b]1337;File=name=eA==:AAAA\x07"),
    *("\x1b]4;1;?\x07", "\x1b]11;?\x1b\\"),
    *("\x1bPq#0;2;0;0;0~\x1b\\", "\x1b_Gf=32;AAAA\x1b\\", "\x1b^private\x1b\\", "\x1bXsos\x1b\\"),
    *("\x1bP$qm\x1b\\", "\x1bP+q544e\x1b\\", "\x1bktitle\x1b\\", "\x1b]777;notify;a;b\x07"),
    *("\x1b[c", "\x1b[>c", "\x1b[=c", "\x1b[0c", "\x1b[6n"),
    *("\x1b[5n", "\x1b[?6n", "\x1b[>q", "\x1b[x"),
    *("\x1b[?1000h", "\x1b[?1002;1006h", "\x1b[?1004h", "\x1b[?2004h", "\x1b[?1049h", "\x1b[?1h"),
    *("\x1b[?7l", "\x1b[?6h", "\x1b[?2026h", "\x1b[4h", "\x1b[20h", "\x1b[34h", "\x1b[?9001h"),
    *("\x1b[21t", "\x1b[18t", "\x1b[8;999;999t", "\x1b[2t", "\x1b[22;0;0t", "\x1b[>1u", "\x1b[?u"),
    *("\x1b[3J", "\x1b[!p", "\x1b[61\"p", "\x1b[ q", "\x1b[2 q", "\x1b[3g", "\x1b[s", "\x1b[u"),
    *("\x1bc", "\x1b7", "\x1b8", "\x1b#8", "\x1b=", "\x1b>"),
    *("\x1bZ", "\x1bH", "\x1bN", "\x1b|", "\x1bl"),
    *("\x1b(0", "\x1b(B", "\x1b)0", "\x1b%G", "\x1b F"),
    *("\x0e", "\x0f", "\x05", "\x07", "\x00", "\x7f"),
    *("\x1b[99999999b", "\x1b[5b", "\x1b[1;2;3;4;5T", "\x1b[99999999A", "\x1b[>4;2m", "\x1b[?4m"),
    *("\x1b[1\x07;2H", "\x1b[ 5", "\x1b[" + "1" * 400 + "m"),
    *("\x1b]" + "x" * 400, "\x1b[1;1", "\x1b"),
    *("\x85", "\x84", "\x8d", "\x9b6n", "\x9b31m"),
    *("\x90q\x9c", "\u202e", "\u2066", "\u200b", "\u2028"),
]  # fmt: skip
PASSING = [
    *("text", "世界", "ü", "e\u0301", "\r\n", "\t", "\b", "\x1b[31m", "\x1b[m", "\x1b[38;5;200m"),
    *("\x1b[38:2::1:2:3m", "\x1b[H", "\x1b[5;10H"),
    *("\x1b[3d", "\x1b[2J", "\x1b[K", "\x1b[1K", "\x1bM"),
    *("\x1b[?25l", "\x1b[?25h", "\x1b[1;23r", "\x1b[3;10r"),
    *("\x1b[4A", "\x1b[2L", "\x1b[7@", "\x1b[9X"),
]  # fmt: skip
STREAM = st.lists(
    st.one_of(
        st.sampled_from(ATTACKS),
        st.sampled_from(PASSING),
        st.text(max_size=6),
        st.text("\x1b[]P_?;:0123456789mHJKhlrcnqt\\ \x07\x9b\x9d\x9c", max_size=12),
    ),
    max_size=20,
).map("".join)
BYTES = st.one_of(STREAM.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary())


def taken(data: bytes, rows: int = ROWS) -> str:
    return Sieve(rows).take(data)


@given(BYTES)
def test_nothing_but_what_is_harmless_comes_out(data: bytes) -> None:
    assert HARMLESS.fullmatch(taken(data))


@given(BYTES, st.lists(st.integers(0, 400), max_size=8))
def test_it_does_not_matter_how_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    sieve = Sieve(ROWS)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    passed = [sieve.take(piece) for piece in pieces]
    assert "".join(passed) == taken(data)
    assert all(HARMLESS.fullmatch(piece) for piece in passed)  # nothing ends within a sequence


@given(BYTES)
def test_what_has_passed_passes_again(data: bytes) -> None:
    once = taken(data)
    assert taken(once.encode()) == once


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_an_attack_leaves_the_text_around_it_and_little_else(attack: str) -> None:
    passed = taken(f"before{attack}".encode())
    assert passed.startswith("before")
    # Whatever is left of it is text or a colour; after a full stop, the stream goes on.
    rest = passed.removeprefix("before")
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]", rest)
    ended = taken(f"{attack}\x18\x1b\\\x1b[0mafter".encode())
    assert ended.endswith("after")


@pytest.mark.parametrize("good", PASSING, ids=ascii)
def test_what_a_screen_is_drawn_with_passes_unchanged(good: str) -> None:
    passed = taken(good.encode())
    assert passed == {"\x1b[H": "\x1b[1;1H"}.get(good, good)


def test_strings_are_swallowed_whole_wherever_they_are_cut() -> None:
    sieve = Sieve(ROWS)
    pieces = [b"a\x1b", b"]52;c;", b"AAAA\xe4", b"\xb8", b"\x96\x1b", b"\\b"]
    assert [sieve.take(piece) for piece in pieces] == ["a", "", "", "", "", "b"]
    # One that never ends is given up at the next sequence, as terminals do.
    assert sieve.take(b"\x1bP never ended " + b"x" * 100_000) == ""
    assert sieve.take(b"\x1b[31mred") == "\x1b[31mred"


def test_memory_is_bounded_whatever_comes() -> None:
    sieve = Sieve(ROWS)
    for endless in (b"\x1b[" + b"1;" * 50_000, b"\x1b" + b"(" * 50_000, b"\x1b]" + b"x" * 50_000):
        for _ in range(20):
            sieve.take(endless)
            assert len(sieve._rest) < 1000


@given(STREAM)
def test_the_cursor_is_sent_to_no_row_of_the_operators(text: str) -> None:
    for place in re.finditer(
        r"\x1b\[(\d+)(?:;\d+)?[Hd]", taken(text.encode("utf-8", "replace"), 5)
    ):
        assert int(place[1]) <= 5


def test_margins_stay_in_the_agents_part() -> None:
    assert taken(b"\x1b[r\x1b[0;99r\x1b[2r\x1b[9;3r\x1b[5;5r", 10) == (
        "\x1b[1;10r\x1b[0;10r\x1b[2;10r"
    )


def test_a_terminal_shows_the_same_as_without_the_sieve() -> None:
    """For a stream as tmux writes it."""
    stream = (
        "\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[H\x1b[2J\x1b[?12l\x1b[?25h\x1b[?1000l\x1b(B\x1b[m"
        "\x1b[1;1H\x1b[1;23r\x1b[>c\x1b[>q\x1b[1;11H\x1b[?2004h\x1b[?25l\x1b[H/app $ make\x1b[K\r\n"
        "\x1b[31mred\x1b(B\x1b[m \x1b[1mbold\x1b[m\r\n\x1b[5;10Hhere\x1b[2A\x1b[3Dup\x1b[2L\x1b[4d!"
    )
    plain, sieved = pyte.Screen(80, 24), pyte.Screen(80, 24)
    pyte.Stream(plain).feed(stream.replace("\x1b[>c", "").replace("\x1b[>q", ""))
    pyte.Stream(sieved).feed(taken(stream.encode()))
    assert sieved.display == plain.display
    assert (sieved.cursor.x, sieved.cursor.y) == (plain.cursor.x, plain.cursor.y)
