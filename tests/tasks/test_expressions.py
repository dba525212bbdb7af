"""Expressions of a launch plan: worth what Python's own arithmetic says, and bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.expressions import LARGEST, MOST_CHARACTERS, ExpressionError, read

SIZE = {"n": 1000, "rows": 7, "none": 0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("n", 1000),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 5),
        ("100 // 7 // 2", 7),
        ("n % 256 * 2", 464),
        ("--3 - -2", 5),
        ("-7 // 2", -4),
        ("ceil_div(n, 256)", 4),
        ("ceil_div(-7, 2)", -3),
        ("min(n, rows, 9)", 7),
        ("max(4 * rows, 32)", 32),
    ],
)
def test_it_is_worth_what_it_says(text: str, value: int) -> None:
    assert read(text).at(SIZE) == value


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "column 1"),
        ("n +", "the end"),
        ("2n", "follows a whole expression"),
        ("n / 2", "'/' is no part"),
        ("n ** 2", "missing before *"),
        ("n.real", "'.' is no part"),
        ("__import__(1, 2)", "no function `__import__`"),
        ("ceil_div(1, 2, 3)", "takes two values, not 3"),
        ("min(1)", "two or more values, not 1"),
        ("(n", "`)` is missing"),
        ("1;2", "';' is no part"),
        ("é", "is no part"),
        ("9" * 30, "62 bits"),
        ("(" * 60 + "1" + ")" * 60, "nested more than"),
        ("1+" * 200 + "1", f"{MOST_CHARACTERS} are allowed"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(text: str, word: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read(text)
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("m", "there are: n, none, rows"),
        ("n // none", "divides by zero"),
        ("n % (rows - 7)", "division by zero"),
        ("ceil_div(n, none)", "divides by zero"),
        ("n*n*n*n*n*n*n", "62 bits"),
    ],
)
def test_what_has_no_value_is_refused(text: str, word: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read(text).at(SIZE)
    assert word in str(caught.value)


def test_it_knows_the_names_that_it_needs() -> None:
    assert read("min(n, rows) + n").names == {"n", "rows"}


ARITHMETIC = st.recursive(
    st.integers(0, 10**6).map(str) | st.just("n"),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%"]), inner).map(
        lambda three: f"({' '.join(three)})"
    ),
    max_leaves=8,
)


@given(ARITHMETIC, st.integers(0, 10**6))
def test_it_agrees_with_python(text: str, n: int) -> None:
    try:
        expected = eval(text, {"__builtins__": {}}, {"n": n})
    except ZeroDivisionError:
        with pytest.raises(ExpressionError):
            read(text).at({"n": n})
        return
    try:
        assert read(text).at({"n": n}) == expected
    except ExpressionError as error:
        assert "62 bits" in str(error)


@given(st.text(alphabet="n19+-*/%(), minaxce_dv.", max_size=60))
def test_any_text_gives_a_bounded_number_or_an_error(text: str) -> None:
    try:
        assert abs(read(text).at({"n": 5})) <= LARGEST
    except ExpressionError as error:
        assert str(error)
