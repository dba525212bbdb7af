"""Makes queries, keys and values, and judges attention against numpy in double precision.

With u = 2^-8 (half a unit in the last place of bf16, relative, at worst), a row's weights p_j
(their sum is 1), its true output t and A = sum p_j |v_j|, an honest kernel is off by at most

    2 u |t|         the output becomes one of its two neighbours in bf16,
    u A             weights may be rounded to bf16 before they meet v,
    2^-10 A + 1e-30 fp32: scores of magnitude S are known to S 2^-20, a sum of n weights to n 2^-24.

That is the bound of each single output (gate correct). Roundings to nearest are independent of one
another, so that the mean square over many outputs is far smaller: ulp(t)^2 / 12 for the output, and
(u p_j v_j)^2 / 5 for each weight (0.18, where their leading digits are spread evenly). A root a
quarter larger is allowed (gate precise). Sums or weights of fewer bits, and cut-off outputs, are
seen there.

Double precision is affordable for some rows of a large case only. They are drawn when the output is
already there; all other rows are held against the baseline's output, which knows no tensor cores.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

D = 64
U = 2.0**-8
ROWS = 192  # in double precision, of a large case
ALL_BELOW = 2_000_000  # scores: a case with no more is computed in full
SLACK = 1.25
KINDS = ("noise", "peaked", "growing", "large", "equal")


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    shapes = [
        ("one_key", 1, 1, "noise"),
        ("few_keys", 2, 5, "noise"),
        ("odd", 1, 77, "noise"),
        ("one_tile", 1, 128, "peaked"),
        ("growing", 1, 131, "growing"),
        ("large_scores", 1, 97, "large"),
        ("equal_keys", 1, 65, "equal"),
        ("tiles_and_one", 1, 257, "noise"),
        ("mixed", 5, 193, "mixed"),
        ("longer", 1, 519, "growing"),
    ]
    small = [
        {"name": name, "timed": False, "params": {"heads": heads, "n": n, "kind": kind}}
        for name, heads, n, kind in shapes
    ]
    timed = {"heads": params["heads"], "n": params["n"], "kind": "mixed"}
    return [*small, {"name": "timed", "timed": True, "params": timed}]


def _to_bf16(x: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def _from_bf16(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    heads, n = params["heads"], params["n"]
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal((heads, n, D), np.float32) for _ in range(3))
    for head in range(heads):
        kind = KINDS[head % len(KINDS)] if params["kind"] == "mixed" else params["kind"]
        if kind == "peaked":
            q[head] *= 8
        elif kind == "growing":  # later keys score higher, so that every tile brings a new maximum
            direction = rng.standard_normal(D, np.float32)
            q[head] = direction + 0.25 * q[head]
            k[head] += direction * np.linspace(-2, 2, n, dtype=np.float32)[:, None]
        elif kind == "large":  # beyond what exp of a bare score can hold, on either side
            q[head] *= 12
            k[head] = 12 * (k[head] + 0.5)
        elif kind == "equal":
            k[head] = k[head][:1]
    parts = [_to_bf16(x).tobytes() for x in (q, k, v)]
    return b"".join(parts), 2 * heads * n * D


def check(
    params: dict[str, Any], given: memoryview, output: memoryview, expected: memoryview
) -> list[tuple[str, bool, str]]:
    heads, n = params["heads"], params["n"]
    shape = (heads, n, D)
    q, k, v = (part.reshape(shape) for part in np.split(np.frombuffer(given, np.uint16), 3))
    found = _from_bf16(np.frombuffer(output, np.uint16).reshape(shape))
    baseline = _from_bf16(np.frombuffer(expected, np.uint16).reshape(shape))
    if not np.isfinite(found).all():
        count = int((~np.isfinite(found)).sum())
        return [("correct", False, f"{count} of {found.size} outputs are no finite numbers")]
    beside = _beside(found, baseline, v)
    if beside:
        return [("correct", False, beside)]
    return _exactly(q, k, v, found)


def _beside(found: np.ndarray, baseline: np.ndarray, v: np.ndarray) -> str:
    """Every row beside the baseline's, whose errors are of the same kind: what is wrong, if any."""
    for head in range(len(found)):
        # A is at most the largest |v| of a column; the root mean square of a row is far below it.
        most = np.abs(_from_bf16(v[head])).max(axis=0)
        apart = np.clip(found[head] - baseline[head], -1e9, 1e9)  # their squares stay finite
        size = U * np.sqrt((2 * np.clip(baseline[head], -1e9, 1e9) ** 2 + most**2 / 3).mean(axis=1))
        wrong = np.flatnonzero(np.sqrt((apart**2).mean(axis=1)) > 1.5 * size + 1e-30)
        if len(wrong):
            row = int(wrong[0])
            return (
                f"{len(wrong)} rows of head {head} are not the baseline's; the first is row {row}, "
                f"{np.abs(apart[row]).max():.3g} away"
            )
    return ""


def _exactly(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, found: np.ndarray
) -> list[tuple[str, bool, str]]:
    heads, n, _ = q.shape
    squares = allowed = 0.0
    rows = 0
    for head in range(heads):
        if heads * n * n <= ALL_BELOW:
            drawn = np.arange(n)
        else:
            rng = np.random.default_rng(secrets.randbits(64))
            drawn = rng.choice(n, max(1, ROWS // heads), replace=False)
        keys, values = (_from_bf16(x[head]).astype(np.float64) for x in (k, v))
        scores = _from_bf16(q[head][drawn]).astype(np.float64) @ keys.T / 8
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        true, a = weights @ values, weights @ np.abs(values)
        error = np.abs(found[head][drawn] - true)
        magnitude = np.abs(scores).max(axis=1, keepdims=True)
        fp32 = (2.0**-10 + magnitude * 2.0**-20) * a
        bound = 2 * U * np.abs(true) + U * a + fp32 + 1e-30
        if (error > bound).any():
            at = np.unravel_index(int((error / bound).argmax()), error.shape)
            return [
                (
                    "correct",
                    False,
                    f"head {head}, row {drawn[at[0]]}, column {at[1]}: off by {error[at]:.3g}; "
                    f"{bound[at]:.3g} is what roundings amount to",
                )
            ]
        last_place = 2.0 ** (np.floor(np.log2(np.abs(true) + 1e-30)) - 7)
        spread = (weights**2) @ (values**2)
        # What fp32 leaves open in large scores moves all weights of a row together.
        shared = (magnitude * 2.0**-22 * a) ** 2
        allowed += float((last_place**2 / 12 + U**2 / 5 * spread + shared).sum())
        squares += float((error**2).sum())
        rows += len(drawn)
    root, most = (squares / (rows * D)) ** 0.5, (allowed / (rows * D)) ** 0.5
    few = 2.0 if rows < 64 else SLACK
    said = f"root mean square error {root:.3g} over {rows} rows; {few} times {most:.3g} is allowed"
    return [
        ("correct", True, f"every output of {rows} rows is within the bound of its roundings"),
        ("precise", root <= few * most, said),
    ]
