"""Makes inputs for the pipeline. The baseline's output is the truth: no check() is needed."""

from __future__ import annotations

import random
import struct
from typing import Any

WORK = ("generations", "products", "steps", "comparisons", "passes")
SEED_BYTES = 128 * 128
# results: grid, product, memory, distance, signal, energy, digest
OUTPUT_BYTES = 128 * 128 + 4 * 64 * 64 + 4 * 64 + 4 * 64 * 64 + 8 * 1024 + 8 + 8


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    small = [
        ("nothing", (0, 0, 0, 0, 0), "noise"),
        ("once", (1, 1, 1, 1, 1), "noise"),
        ("all_zero", (3, 2, 500, 2, 3), "zero"),
        ("all_ones", (3, 2, 500, 2, 3), "ones"),
        ("ramp", (10, 3, 5000, 3, 17), "ramp"),
        ("uneven", (37, 5, 70001, 4, 41), "noise"),
        ("long_signal", (2, 1, 100, 1, 300), "noise"),
        ("sparse", (25, 4, 30000, 3, 20), "sparse"),
    ]
    untimed = [
        {"name": name, "timed": False, "params": {**dict(zip(WORK, work, strict=True)), "bytes": b}}
        for name, work, b in small
    ]
    timed = {**{key: params[key] for key in WORK}, "bytes": "noise"}
    return [*untimed, {"name": "timed", "timed": True, "params": timed}]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    work = struct.pack("<5I", *(params[key] for key in WORK))
    return work + _seed_bytes(params["bytes"], random.Random(seed)), OUTPUT_BYTES


def _seed_bytes(kind: str, rng: random.Random) -> bytes:
    if kind == "zero":
        return bytes(SEED_BYTES)
    if kind == "ones":
        return b"\xff" * SEED_BYTES
    if kind == "ramp":
        start = rng.randrange(256)
        return bytes((start + i) & 255 for i in range(SEED_BYTES))
    noise = rng.randbytes(SEED_BYTES)
    if kind == "sparse":
        return noise.translate(bytes(value if value < 16 else 0 for value in range(256)))
    return noise
