"""Whatever stands in task.toml, loading ends with a task or a `TaskError`."""

from __future__ import annotations

import copy
import logging
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import TaskError, load_task
from tests.tasks.making import FOREIGN, NATIVE, Table, write_native

KEYS = st.sampled_from(
    [
        *("version", "schema_version", "task", "name", "agent", "timeout_sec", "verifier", "env"),
        *("environment", "memory", "steps", "artifacts", "source", "optimization", "baseline"),
        *("score", "autolab", "editable", "driver", "kind", "gates", "sizes", "full", "params"),
    ]
) | st.text(st.characters(codec="utf-8"), max_size=6)
SCALARS = (
    st.none().map(lambda _: "")
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from(["native", "lower", "2G", "1.0", "{shim}", "../x", "*.c", "log"])
    | st.text(st.characters(codec="utf-8"), max_size=10)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=6)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def ends_well(table: Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_native(Path(folder), table)
        try:
            task = load_task(folder)
        except TaskError as error:
            text = str(error)
            assert text.isprintable()
            assert error.remedy
            assert error.problem
        else:
            for key in task.unknown_keys:
                assert key
            if task.native:
                task.baseline()
                assert task.size("quick").active_sec is not None


@settings(max_examples=120, deadline=None)
@given(TABLES)
def test_any_table(table: Table) -> None:
    ends_well(table)


def _places(table: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = table.items() if isinstance(table, dict) else enumerate(table)
    found = []
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += _places(value, (*path, key))
    return found


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_good_table_with_anything_in_one_place(data: st.DataObject) -> None:
    table = copy.deepcopy(data.draw(st.sampled_from([NATIVE, FOREIGN])))
    *parents, last = data.draw(st.sampled_from(_places(table)))
    inner: Any = table
    for part in parents:
        inner = inner[part]
    if data.draw(st.booleans()):
        inner[last] = data.draw(VALUES)
    elif isinstance(inner, dict):
        inner[data.draw(KEYS)] = inner.pop(last)
    else:
        inner.insert(0, data.draw(VALUES))
    ends_well(table)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_native(Path(folder))
        (Path(folder) / "task.toml").write_bytes(data)
        try:
            load_task(folder)
        except TaskError as error:
            assert str(error).isprintable()
