"""How values are written: digits that matter, no exponent where the plain number is as short."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.numerals import numeral


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (15348, "15348"),
        (15348.7, "15349"),
        (123456789.0, "123456789"),
        (0.3, "0.3"),
        (0.00012346, "0.0001235"),
        (1.23456, "1.235"),
        (9.99996, "10"),
        (0, "0"),
        (-15348.2, "-15348"),
        (1.5e-9, "1.5e-09"),
        (2e15, "2e+15"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_examples(value: float, text: str) -> None:
    assert numeral(value) == text


@given(st.floats(-1e300, 1e300), st.integers(1, 10))
def test_it_says_the_value_to_its_digits(value: float, digits: int) -> None:
    text = numeral(value, digits)
    assert abs(float(text) - value) <= abs(value) * 0.51 * 10.0 ** (1 - digits) + 5e-324
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e15)
    assert len(text) <= 24
