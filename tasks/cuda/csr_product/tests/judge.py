"""Makes sparse matrices with rows of very different lengths; judges products in double precision.

A row of L entries whose products have the root mean square m, summed in fp32 in any order, is off
by at most 4 u sqrt(L) (|y| + 4 sqrt(L) m) with u = 2^-24: errors of L roundings are independent,
which makes sqrt(L), and partial sums stay below the bracket, where products have random signs
(as here) or all the same. The factor of four is for chance. Products of fewer bits are beyond it,
in short rows and in long ones. A row without entries is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

U = 2.0**-24
# name, rows, width, entries, entries of the longest row
SHAPES = (
    ("one", 1, 1, 1, 1),
    ("one_row", 1, 500, 3001, 3001),
    ("one_entry_in_many_rows", 1000, 7, 1, 1),
    ("short", 777, 300, 2049, 40),
    ("skewed", 3001, 999, 20_011, 9001),
    ("mostly_empty", 9001, 50, 4097, 600),
    ("equal", 512, 512, 4096, 8),
    ("full_tiles", 300, 2000, 16_384, 5000),
)


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    keys = ("rows", "width", "entries", "longest")
    small = [
        {"name": name, "timed": False, "params": dict(zip(keys, numbers, strict=True))}
        for name, *numbers in SHAPES
    ]
    timed = {key: params[key] for key in keys}
    return [*small, {"name": "timed", "timed": True, "params": timed}]


def _lengths(rows: int, entries: int, longest: int, rng: np.random.Generator) -> np.ndarray:
    """How many entries each row has: a heavy tail, nobody above `longest`, in all `entries`."""
    weights = rng.pareto(1.2, rows) + 0.01
    lengths = np.minimum(weights * (entries / weights.sum()), longest).astype(np.int64)
    lengths[rng.integers(rows)] = min(longest, entries)
    order = rng.permutation(rows)
    while (missing := entries - int(lengths.sum())) != 0:
        if missing > 0:
            room = order[lengths[order] < longest][:missing]
            lengths[room] += np.minimum(longest - lengths[room], max(1, missing // (4 * rows)))
        else:
            some = order[(lengths[order] > 0) & (lengths[order] < longest)][:-missing]
            lengths[some if len(some) else order[lengths[order] > 0][:-missing]] -= 1
    return lengths


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    rows, width, entries = params["rows"], params["width"], params["entries"]
    rng = np.random.default_rng(seed)
    starts = np.zeros(rows + 1, np.uint32)
    starts[1:] = np.cumsum(_lengths(rows, entries, params["longest"], rng))
    columns = rng.integers(0, width, entries, np.uint32)
    values = rng.standard_normal(entries, np.float32)
    x = rng.standard_normal(width, np.float32)
    return b"".join(part.tobytes() for part in (starts, columns, values, x)), 4 * rows


def check(
    params: dict[str, Any], given: memoryview, output: memoryview, expected: memoryview
) -> list[tuple[str, bool, str]]:
    rows, entries = params["rows"], params["entries"]
    words = np.frombuffer(given, np.uint32)
    starts = words[: rows + 1].astype(np.int64)
    columns = words[rows + 1 : rows + 1 + entries]
    values = words[rows + 1 + entries : rows + 1 + 2 * entries].view(np.float32)
    x = words[rows + 1 + 2 * entries :].view(np.float32)
    products = values.astype(np.float64) * x[columns]
    full = np.flatnonzero(np.diff(starts))
    true, squares = np.zeros(rows), np.zeros(rows)
    true[full] = np.add.reduceat(products, starts[full])
    squares[full] = np.add.reduceat(products**2, starts[full])
    root = np.sqrt(np.diff(starts))
    bound = 4 * U * root * (np.abs(true) + 4 * np.sqrt(squares))
    y = np.frombuffer(output, np.float32)
    error = np.abs(y - true)
    wrong = np.flatnonzero(~(error <= bound))  # so that no NaN passes
    if len(wrong) == 0:
        share = float((error[full] / np.maximum(bound[full], 1e-300)).max())
        return [("correct", True, f"all {rows} rows are right; at most {share:.2f} of the bound")]
    row = int(wrong[0])
    return [
        (
            "correct",
            False,
            f"{len(wrong)} of {rows} rows are wrong; the first is row {row} with "
            f"{starts[row + 1] - starts[row]} entries: {y[row]:.9g}, not {true[row]:.9g}",
        )
    ]
