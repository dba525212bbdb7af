"""Judges campaign.txt: exact, in integers. settings.txt beside this file is the pinned copy."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

SETTINGS = Path(__file__).with_name("settings.txt")
LONGEST = 65_536  # bytes; the first campaign has 16 kB
STRAY = re.compile(rb"[^0-9 \n]")
Value = tuple[int, int]  # a setting and a value of it
Test = tuple[int, ...]


class RejectedError(Exception):
    """The artifact fails a gate: its name, and the evidence."""

    def __init__(self, gate: str, evidence: str) -> None:
        super().__init__(evidence)
        self.gate = gate
        self.evidence = evidence


def judge(files: dict[str, bytes], params: dict[str, Any]) -> dict[str, Any]:
    """The gates `parses`, `in_range`, `allowed` and `covers`, and the number of tests."""
    levels, never = instrument(SETTINGS.read_text())
    gates: list[tuple[str, bool, str]] = []
    try:
        tests = _parse(files.get("campaign.txt", b""), len(levels))
        gates.append(("parses", True, f"{len(tests)} tests"))
        _in_range(tests, levels)
        gates.append(("in_range", True, f"{len(levels)} settings"))
        _allowed(tests, never)
        gates.append(("allowed", True, f"none of {len(never)} exclusions"))
        wanted = _covers(tests, levels, never, params["strength"])
        gates.append(("covers", True, f"{wanted} combinations"))
    except RejectedError as error:
        gates.append((error.gate, False, error.evidence))
        return {"gates": gates, "metric": None}
    return {"gates": gates, "metric": float(len(tests))}


def instrument(text: str) -> tuple[list[int], set[tuple[Value, Value]]]:
    """The number of values of each setting, and the pairs that exclude each other, in order."""
    first, *rest = text.splitlines()
    never = set()
    for line in rest:
        a, v, b, w = (int(word) for word in line.split() if word.isdecimal())
        never.add(((a, v), (b, w)))
    return [int(word) for word in first.split()[1:]], never


def _parse(data: bytes, settings: int) -> list[Test]:
    if len(data) > LONGEST:
        raise RejectedError("parses", f"{len(data)} bytes are more than {LONGEST}")
    stray = STRAY.search(data)
    if stray:
        evidence = f"byte {stray.start()} is 0x{stray[0][0]:02x}: no digit, space or newline"
        raise RejectedError("parses", evidence)
    tests = []
    for number, line in enumerate(data.decode("ascii").removesuffix("\n").split("\n"), start=1):
        words = line.split(" ")
        if len(words) != settings or not all(1 <= len(word) <= 3 for word in words):
            raise RejectedError("parses", f"line {number}: {line[:50]!r} is not {settings} values")
        tests.append(tuple(map(int, words)))
    return tests


def _in_range(tests: list[Test], levels: list[int]) -> None:
    for number, test in enumerate(tests, start=1):
        for setting, value in enumerate(test):
            if value >= levels[setting]:
                evidence = f"line {number}: setting {setting} has no value {value}"
                raise RejectedError("in_range", evidence)


def _allowed(tests: list[Test], never: set[tuple[Value, Value]]) -> None:
    for number, test in enumerate(tests, start=1):
        for (a, v), (b, w) in sorted(never):
            if test[a] == v and test[b] == w:
                evidence = f"line {number}: setting {a} = {v} excludes setting {b} = {w}"
                raise RejectedError("allowed", evidence)


def _covers(
    tests: list[Test], levels: list[int], never: set[tuple[Value, Value]], strength: int
) -> int:
    """How many combinations there are to cover, all of which are."""
    wanted = missing = 0
    first = ""
    for chosen in itertools.combinations(range(len(levels)), strength):
        seen = {tuple(test[setting] for setting in chosen) for test in tests}
        for values in itertools.product(*(range(levels[setting]) for setting in chosen)):
            placed = tuple(zip(chosen, values, strict=True))
            if never.isdisjoint(itertools.combinations(placed, 2)):
                wanted += 1
                if values not in seen:
                    missing += 1
                    first = first or ", ".join(f"setting {s} = {v}" for s, v in placed)
    if missing:
        raise RejectedError("covers", f"{missing} of {wanted} combinations are missing: {first}")
    return wanted
