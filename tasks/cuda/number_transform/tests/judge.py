"""Makes words below a prime; transforms must equal the baseline's, and numpy's where small."""

from __future__ import annotations

from typing import Any

import numpy as np

P = 2013265921  # 15 * 2^27 + 1
GENERATOR = 31
SMALL = 1 << 17  # words of a case that numpy transforms too
SHAPES = (
    (1, 0),
    (3, 1),
    (5, 2),
    (7, 3),
    (33, 4),
    (2, 5),
    (3, 6),
    (1, 9),
    (3, 10),
    (2, 11),
    (1, 13),
)


def _params(batch: int, log_n: int) -> dict[str, int]:
    return {"batch": batch, "n": 1 << log_n, "log_n": log_n, "side": 1 << log_n // 2}


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    small = [
        {"name": f"{batch}_of_2^{log_n}", "timed": False, "params": _params(batch, log_n)}
        for batch, log_n in SHAPES
    ]
    timed = {key: params[key] for key in ("batch", "n", "log_n", "side")}
    return [*small, {"name": "timed", "timed": True, "params": timed}]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    count = params["batch"] * params["n"]
    words = np.random.default_rng(seed).integers(0, P, count, np.uint32)
    if seed % 4 == 0:  # the largest words, where sums and products are
        words[::3] = P - 1
    return words.tobytes(), 4 * count


def _transformed(words: np.ndarray, log_n: int) -> np.ndarray:
    """Cooley and Tukey's algorithm on the last axis, in 64 bits."""
    values = words.astype(np.uint64)
    batch, n = values.shape
    order = np.zeros(n, np.int64)
    for bit in range(log_n):
        order |= (np.arange(n) >> bit & 1) << (log_n - 1 - bit)
    values = values[:, order]
    for level in range(log_n):
        half = 1 << level
        root = pow(GENERATOR, (P - 1) >> (level + 1), P)
        factors = np.array([pow(root, j, P) for j in range(half)], np.uint64)
        pairs = values.reshape(batch, -1, 2, half)
        low, high = pairs[:, :, 0].copy(), pairs[:, :, 1] * factors % P
        pairs[:, :, 0] = (low + high) % P
        pairs[:, :, 1] = (low + P - high) % P
    return values.astype(np.uint32)


def check(
    params: dict[str, Any], given: memoryview, output: memoryview, expected: memoryview
) -> list[tuple[str, bool, str]]:
    shape = (params["batch"], params["n"])
    found = np.frombuffer(output, np.uint32).reshape(shape)
    truths = [np.frombuffer(expected, np.uint32).reshape(shape)]
    if found.size <= SMALL:
        words = np.frombuffer(given, np.uint32).reshape(shape)
        truths.append(_transformed(words, params["log_n"]))
    for true in truths:
        wrong = np.argwhere(found != true)
        if len(wrong):
            at = tuple(wrong[0])
            said = f"{len(wrong)} of {found.size} words are wrong; the first is word {at[1]} of "
            said += f"transform {at[0]}: {found[at]}, not {true[at]}"
            return [("correct", False, said)]
    return [("correct", True, f"all {found.size} words are right")]
