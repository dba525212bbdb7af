"""Hostile text is made harmless, whatever it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from autolab_tui.plain import LINE_LIMIT, cut, cut_middle, fit, lines, plain, width, wrapped

HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            [
                *("\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x1bP1$r\x1b\\"),
                *("\x9b2J", "\x1b[?1049h", "\x1b", "\x1b[", "\x1b]52;c;AAAA", "\r", "\n", "\t"),
                *("\x00", "\x7f", "\x85", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028"),
                *("[red]", "[/]", "[@click=app.quit]", "世界", "e\u0301\u0301\u0301"),
                *("👩\u200d👩", "\ud800", "\U000e0041"),
            ]
        ),
    )
).map("".join)  # fmt: skip
BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def harmless(text: str) -> bool:
    """No control, no direction override, nothing invisible that could hide something."""
    return not any(
        unicodedata.category(c)[0] == "C" or c in BIDI or c in "\u2028\u2029" for c in text
    )


@given(HOSTILE)
@example(" ")
def test_one_line_is_harmless(text: str) -> None:
    shown = plain(text)
    assert harmless(shown)
    assert "\n" not in shown and shown == shown.strip()


@given(HOSTILE)
def test_lines_are_harmless(text: str) -> None:
    for line in lines(text):
        assert harmless(line)


@given(HOSTILE)
def test_making_harmless_twice_changes_nothing(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(HOSTILE, st.integers(1, 40))
def test_wrapped_lines_fit(text: str, cells: int) -> None:
    for line in wrapped(text, cells):
        assert cell_len(line) <= cells


@given(HOSTILE.map(plain), st.integers(0, 40))
def test_cut_fits(text: str, cells: int) -> None:
    assert width(cut(text, cells)) <= cells
    assert width(cut_middle(text, cells)) <= cells
    assert width(fit(text, cells)) == cells
    assert width(fit(text, cells, "right")) == cells


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;you are root\x07prompt", "prompt"),
        ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("unfinished \x1b[38;5", "unfinished"),
        ("a\rb", "a b"),
        ("null\x00byte", "null\N{REPLACEMENT CHARACTER}byte"),
        ("safe\u202egnp.exe", "safe\N{REPLACEMENT CHARACTER}gnp.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("[bold red]markup[/]", "[bold red]markup[/]"),
        ("two  spaces", "two spaces"),
    ],
)
def test_what_becomes_of_it(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown


def test_stacked_accents_are_limited() -> None:
    assert len(plain("a" + "\u0301" * 500)) == 3


def test_a_very_long_line_is_cut_and_says_so() -> None:
    (line,) = lines("x" * (LINE_LIMIT + 123))
    assert line.endswith("123 more characters")
    assert len(plain("y" * 10_000_000)) == LINE_LIMIT


def test_cut_goes_between_words() -> None:
    assert cut("output differs from the baseline", 20) == "output differs from…"
    assert cut("short", 20) == "short"
    assert cut("antidisestablishmentarianism", 10) == "antidises…"


def test_cut_middle_keeps_both_ends() -> None:
    assert cut_middle("provider/a-very-long-model-name-v2", 16) == "provider…name-v2"


def test_indentation_survives_wrapping() -> None:
    assert wrapped("    int a = one + two + three;", 20) == [
        "    int a = one +",
        "    two + three;",
    ]


def test_what_terminals_give_different_widths_is_not_sent() -> None:
    assert plain("a\u3164\u115fb\u1160\uffa0c") == "a\ufffd\ufffdb\ufffd\ufffdc"
    assert plain("ok \U0001f44d\U0001f3fd!") == "ok \U0001f44d!"
