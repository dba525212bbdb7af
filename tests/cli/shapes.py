"""The shapes that docs/json.md promises, read from its table, and held against real output."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

DOC = Path(__file__).resolve().parents[2] / "docs" / "json.md"
_ROW = re.compile(r"^\| `(autolab/[a-z-]+/1)` \| (.*?) \| `(\{.*?\})`.*\|$", re.MULTILINE)
_TOKEN = re.compile(r"[\w-]+|[{}\[\]:,]")
Shape = dict[str, Any]  # key: None (anything), a shape, or [a shape] for a list


@cache
def promised() -> dict[str, Shape]:
    """The shape of each schema."""
    return {schema: parse(text) for schema, _, text in _ROW.findall(DOC.read_text())}


def parse(text: str) -> Shape:
    """`{a, b: [{c}]}` as {"a": None, "b": [{"c": None}]}; a named shape counts as None.

    `{a: {b}}` is an object that is always there.
    """
    tokens = iter(_TOKEN.findall(text))
    assert next(tokens) == "{"
    shape, last = _object(tokens)
    assert last == "}"
    return shape


def _object(tokens: Any) -> tuple[Shape, str]:
    shape: Shape = {}
    key = next(tokens)
    while True:
        shape[key] = None
        mark = next(tokens)
        if mark == ":":
            opening = next(tokens)
            if opening == "{":
                shape[key] = _object(tokens)[0]
            elif opening == "[":
                inner = next(tokens)
                if inner == "{":
                    shape[key] = [_object(tokens)[0]]
                assert next(tokens) == "]"
            mark = next(tokens)
        if mark == "}":
            return shape, mark
        assert mark == ","
        key = next(tokens)


def check(printed: dict[str, Any]) -> None:
    """Assert that an object has exactly the promised keys, at every depth that is described."""
    shape = promised()[printed["schema"]]
    _compare({k: v for k, v in printed.items() if k != "schema"}, shape, printed["schema"])


def _compare(found: Any, shape: Shape, where: str) -> None:
    assert set(found) == set(shape), where
    for key, inner in shape.items():
        if isinstance(inner, list):
            assert isinstance(found[key], list), f"{where}.{key}"
            for item in found[key]:
                _compare(item, inner[0], f"{where}.{key}")
        elif inner is not None:
            _compare(found[key], inner, f"{where}.{key}")
