"""Makes matrices. The baseline's output is the truth, so that no check() is needed."""

from __future__ import annotations

import random
from typing import Any


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Small matrices of every shape to test correctness, and one that is timed."""
    small = [("one", 1, 1), ("column", 300, 1), ("row", 1, 777), ("odd", 129, 67)]
    return [
        *(
            {"name": name, "timed": False, "params": {"rows": rows, "columns": columns}}
            for name, rows, columns in small
        ),
        {"name": "timed", "timed": True, "params": params},
    ]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    """A matrix as bytes, and the size of its sums."""
    numbers = params["rows"] * params["columns"]
    return random.Random(seed).randbytes(4 * numbers), 4 * params["rows"]
