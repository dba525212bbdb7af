"""Task directories made for tests: a good one as plain tables, and a writer of TOML."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

Table = dict[str, Any]

FOREIGN: Table = {
    "version": "1.1",
    "metadata": {"domain": "system_optimization", "tags": ["c"]},
    "agent": {"timeout_sec": 7200},
    "verifier": {"timeout_sec": 300},
    "environment": {"cpus": 2, "memory_mb": 4096, "allow_internet": False},
    "optimization": {
        "metric": "runtime_seconds",
        "direction": "lower",
        "baseline": {"score": 4.0, "method": "slow"},
        "reference": {"score": 0.5, "method": "fast"},
    },
}

NATIVE: Table = {
    "schema_version": "1.4",
    "task": {"name": "sum_bytes"},
    "metadata": {"domain": "elsewhere"},
    "agent": {"timeout_sec": 600},
    "optimization": {
        "metric": "runtime_seconds",
        "direction": "lower",
        "baseline": {"score": 2.0, "method": "slow"},
        "reference": {"score": 0.2, "method": "fast"},
    },
    "autolab": {
        "domain": "system_optimization",
        "editable": ["solve.c", "src/**/*.h"],
        "unit": "s",
        "needs": {"commands": ["gcc"]},
        "build": {
            "commands": [["gcc", "-c", "{shim}", "-o", "shim.o"], ["gcc", "solve.c", "shim.o"]],
            "output": "candidate",
        },
        "driver": {"kind": "native"},
        "measure": {"pairs_min": 3, "pairs_max": 9, "precision": 0.1},
        "sizes": {
            "quick": {"params": {"n": 8}, "baseline": 0.5, "reference": 0.1, "active_sec": 60},
            "full": {"params": {"n": 99}},
        },
        "reward": {"rule": "log", "bound": 50.0, "bound_reason": "bandwidth"},
        "gates": [{"name": "correct", "description": "bytes are equal"}],
    },
}


def toml(table: Table) -> str:
    """`table` as TOML text; nested tables are written inline."""
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.items())


def _key(key: str) -> str:
    return json.dumps(key).replace("\x7f", "\\u007F")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return _key(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def changed(table: Table, path: str, value: Any) -> Table:
    """A copy with the dotted `path` set to `value`, or removed when that is `...`."""
    result = copy.deepcopy(table)
    *parents, last = path.split(".")
    inner = result
    for part in parents:
        inner = inner[int(part)] if isinstance(inner, list) else inner[part]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return result


def write_foreign(folder: Path, table: Table | str = FOREIGN) -> Path:
    """A task that only Harbor knows how to judge."""
    _write(folder, "task.toml", table if isinstance(table, str) else toml(table))
    _write(folder, "instruction.md", "Make it fast.\n")
    _write(folder, "environment/Dockerfile", "FROM debian\n")
    _write(folder, "tests/test.sh", "echo 1 > /logs/verifier/reward.txt\n")
    return folder


def write_native(folder: Path, table: Table | str = NATIVE) -> Path:
    """A task with everything that an AutoLab task has; its programs are never built."""
    write_foreign(folder, table)
    _write(folder, "environment/app/solve.c", "int slow;\n")
    _write(folder, "environment/app/src/deep/part.h", "#define PART 1\n")
    _write(folder, "environment/app/entry.c", "int pinned;\n")
    _write(folder, "tests/judge.py", "def cases(params): ...\n")
    _write(folder, "tests/cheats/lazy/solve.c", "int lazy;\n")
    _write(folder, "tests/cheats/lazy/expect.toml", 'gate = "correct"\n')
    _write(folder, "solution/steps/01-first/solve.c", "int faster;\n")
    _write(folder, "solution/steps/01-first/README.md", "Because.\n")
    _write(folder, "solution/steps/02-second/src/deep/part.h", "#define PART 2\n")
    return folder


def _write(folder: Path, name: str, text: str) -> None:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
