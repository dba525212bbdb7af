"""Makes words to sum, and sums them with numpy: the result must be equal in every bit."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZES = (1, 2, 31, 33, 255, 257, 1023, 1024, 1025, 4095, 4097, 65_537, 99_991, 1_000_003)


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    small = [{"name": f"n_{n}", "timed": False, "params": {"n": n, "kind": "noise"}} for n in SIZES]
    kinds = [
        {"name": kind, "timed": False, "params": {"n": 20_011, "kind": kind}}
        for kind in ("ones", "largest", "sparse")
    ]
    timed = {"n": params["n"], "kind": "noise"}
    return [*small, *kinds, {"name": "timed", "timed": True, "params": timed}]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    n, kind = params["n"], params["kind"]
    rng = np.random.default_rng(seed)
    if kind == "ones":
        words = np.full(n, 1, np.uint32)
    elif kind == "largest":
        words = np.full(n, 2**32 - 1, np.uint32)
    else:
        words = rng.integers(0, 2**32, n, np.uint32)
        if kind == "sparse":
            words[rng.random(n) < 0.999] = 0
    return words.tobytes(), 4 * n


def check(
    params: dict[str, Any], given: memoryview, output: memoryview, expected: memoryview
) -> list[tuple[str, bool, str]]:
    words = np.frombuffer(given, np.uint32)
    sums = np.frombuffer(output, np.uint32)
    true = np.cumsum(words, dtype=np.uint32)
    wrong = np.flatnonzero(sums != true)
    if len(wrong) == 0:
        return [("correct", True, f"all {len(true)} sums are right")]
    at = int(wrong[0])
    return [
        (
            "correct",
            False,
            f"{len(wrong)} of {len(true)} sums are wrong; "
            f"the first is number {at}: {sums[at]}, not {true[at]}",
        )
    ]
