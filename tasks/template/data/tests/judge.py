"""Judges ruler.txt: exact, in integers."""

from __future__ import annotations

import itertools
from typing import Any


def judge(files: dict[str, bytes], params: dict[str, Any]) -> dict[str, Any]:
    """The gates `parses` and `all_different`, and the length of the ruler."""
    words = files.get("ruler.txt", b"").split()
    marks = [int(word) for word in words if word.isdigit() and len(word) <= 9]
    gates = [_parses(words, marks, params["marks"])]
    if gates[0][1]:
        gates.append(_all_different(marks))
    passed = all(gate[1] for gate in gates)
    return {"gates": gates, "metric": float(marks[-1]) if passed else None}


def _parses(words: list[bytes], marks: list[int], wanted: int) -> tuple[str, bool, str]:
    if len(words) != wanted or len(marks) != wanted:
        return "parses", False, f"{len(marks)} usable numbers of {len(words)}, not {wanted}"
    if marks[0] != 0 or marks != sorted(set(marks)):
        return "parses", False, "the numbers do not ascend from 0"
    return "parses", True, f"{wanted} marks"


def _all_different(marks: list[int]) -> tuple[str, bool, str]:
    seen: dict[int, tuple[int, int]] = {}
    for a, b in itertools.combinations(marks, 2):
        if b - a in seen:
            c, d = seen[b - a]
            return "all_different", False, f"{a} to {b} and {c} to {d} are both {b - a}"
        seen[b - a] = (a, b)
    return "all_different", True, f"{len(seen)} distances"
