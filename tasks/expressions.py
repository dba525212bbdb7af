"""Whole-number expressions of a problem's size, as task.toml and a launch plan write them.

    sum    = term {("+" | "-") term}
    term   = factor {("*" | "//" | "%") factor}
    factor = "-" factor | NUMBER | NAME | NAME "(" sum {"," sum} ")" | "(" sum ")"

The functions are `min` and `max` of two or more, and `ceil_div` of two. Text is parsed here and
never handed to Python, and every value on the way stays within 62 bits, so that none takes long.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MOST_CHARACTERS = 256
MOST_DEPTH = 32
LARGEST = 2**62

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>//|[-+*%(),]))"
)
_Value = Callable[[Mapping[str, int]], int]


class ExpressionError(ValueError):
    """An expression that cannot be read or has no value; the message says where and why."""


@dataclass(frozen=True)
class Expression:
    """An expression that was read once and is worth a number at each size."""

    text: str
    names: frozenset[str]
    _value: _Value

    def at(self, size: Mapping[str, int]) -> int:
        """Its value where the names are worth what `size` says.

        Raises `ExpressionError` for a name that `size` lacks, a division by zero, and a value
        beyond 62 bits.
        """
        return self._value(size)


def _bounded(value: int) -> int:
    if abs(value) > LARGEST:
        raise ExpressionError("a value on the way is beyond 62 bits")
    return value


def _floor(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError("it divides by zero")
    return left // right


def _rest(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError("it takes a remainder of a division by zero")
    return left % right


_SIGNS: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "//": _floor,
    "%": _rest,
}
_FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "min": min,
    "max": max,
    "ceil_div": lambda left, right: -_floor(-left, right),
}


def _both(work: Callable[[int, int], int], left: _Value, right: _Value) -> _Value:
    return lambda size: _bounded(work(left(size), right(size)))


def _named(name: str) -> _Value:
    def value(size: Mapping[str, int]) -> int:
        if name not in size:
            known = ", ".join(sorted(size)) or "none"
            raise ExpressionError(f"`{name}` is no parameter of this size; there are: {known}")
        return _bounded(size[name])

    return value


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                start = at + len(text[at:]) - len(text[at:].lstrip())
                raise ExpressionError(
                    f"column {start + 1}: {text[start]!a} is no part of an expression"
                )
            kind = str(found.lastgroup)
            self.tokens.append((kind, found.group(kind), found.start(kind) + 1))
            at = found.end()
        self.tokens.append(("end", "the end", len(text) + 1))
        self.at = 0
        self.depth = 0
        self.names: set[str] = set()

    def next(self) -> tuple[str, str, int]:
        self.at += 1
        return self.tokens[self.at - 1]

    def sees(self, *signs: str) -> bool:
        kind, text, _ = self.tokens[self.at]
        return kind == "sign" and text in signs

    def must(self, sign: str) -> None:
        _, text, column = self.next()
        if text != sign:
            raise ExpressionError(f"column {column}: `{sign}` is missing before {text}")

    def sum(self) -> _Value:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise ExpressionError(f"it is nested more than {MOST_DEPTH} deep")
        left = self.term()
        while self.sees("+", "-"):
            sign = self.next()[1]
            left = _both(_SIGNS[sign], left, self.term())
        self.depth -= 1
        return left

    def term(self) -> _Value:
        left = self.factor()
        while self.sees("*", "//", "%"):
            sign = self.next()[1]
            left = _both(_SIGNS[sign], left, self.factor())
        return left

    def factor(self) -> _Value:
        minus = False
        while self.sees("-"):
            self.next()
            minus = not minus
        value = self.operand()
        return (lambda size: -value(size)) if minus else value

    def operand(self) -> _Value:
        kind, text, column = self.next()
        if kind == "number":
            number = _bounded(int(text))
            return lambda size: number
        if kind == "name" and self.sees("("):
            return self.call(text, column)
        if kind == "name":
            self.names.add(text)
            return _named(text)
        if text == "(":
            value = self.sum()
            self.must(")")
            return value
        raise ExpressionError(f"column {column}: a number, a name or `(` is missing before {text}")

    def call(self, name: str, column: int) -> _Value:
        if name not in _FUNCTIONS:
            known = ", ".join(_FUNCTIONS)
            raise ExpressionError(
                f"column {column}: there is no function `{name}`; there are: {known}"
            )
        self.must("(")
        given = [self.sum()]
        while self.sees(","):
            self.next()
            given.append(self.sum())
        self.must(")")
        if len(given) < 2 or (name == "ceil_div" and len(given) > 2):
            wanted = "two" if name == "ceil_div" else "two or more"
            raise ExpressionError(
                f"column {column}: `{name}` takes {wanted} values, not {len(given)}"
            )
        return functools.reduce(functools.partial(_both, _FUNCTIONS[name]), given)


def read(text: str) -> Expression:
    """The expression that `text` is.

    Raises `ExpressionError` with the column of what is wrong.
    """
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"it has {len(text)} characters; {MOST_CHARACTERS} are allowed")
    reader = _Reader(text)
    value = reader.sum()
    kind, left_over, column = reader.tokens[reader.at]
    if kind != "end":
        raise ExpressionError(f"column {column}: `{left_over}` follows a whole expression")
    return Expression(text, frozenset(reader.names), value)
