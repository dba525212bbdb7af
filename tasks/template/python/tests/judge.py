"""Makes lists. The baseline's output is the truth, so that no check() is needed."""

from __future__ import annotations

import random
import struct
from typing import Any


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Small lists of every kind to test correctness, and one that is timed."""
    small = [("empty", 0), ("one", 1), ("two", 2), ("odd", 333), ("some", 2048)]
    return [
        *({"name": name, "timed": False, "params": {"count": count}} for name, count in small),
        {"name": "few_values", "timed": False, "params": {"count": 1000, "values": 3}},
        {"name": "timed", "timed": True, "params": {"count": params["count"]}},
    ]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    """A list as bytes, and the size of the answer."""
    rng = random.Random(seed)
    count = params["count"]
    if "values" in params:
        values = [rng.randrange(params["values"]) for _ in range(count)]
        return struct.pack(f"<{count}I", *values), 8
    return rng.randbytes(4 * count), 8
