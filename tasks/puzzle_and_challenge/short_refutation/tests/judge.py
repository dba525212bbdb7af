"""Judges refutation.txt: a resolution proof, checked step by step.

formula.txt beside this file is the pinned copy. Resolution is sound: a resolvent follows from its
two parents, so whoever arrives at the empty clause has shown that the formula cannot be satisfied.
The checker derives each clause itself and believes nothing but two numbers a line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FORMULA = Path(__file__).with_name("formula.txt")
LONGEST = 1 << 20  # bytes; the first refutation has 289 kB
MOST = 60_000  # steps
STRAY = re.compile(rb"[^0-9 \n]")
STEP = re.compile(rb"([1-9][0-9]{0,5}) ([1-9][0-9]{0,5})")
Clause = tuple[int, int]  # masks of the variables that occur plain, and negated


class RejectedError(Exception):
    """The artifact fails a gate: its name, and the evidence."""

    def __init__(self, gate: str, evidence: str) -> None:
        super().__init__(evidence)
        self.gate = gate
        self.evidence = evidence


def judge(files: dict[str, bytes], params: dict[str, Any]) -> dict[str, Any]:
    """The gates `parses`, `ordered`, `resolves` and `refutes`, and the number of steps."""
    clauses = formula(FORMULA.read_text())
    given = len(clauses)
    gates: list[tuple[str, bool, str]] = []
    try:
        if given != params["clauses"]:
            raise ValueError(f"formula.txt has {given} clauses, not {params['clauses']}")
        steps = _parse(files.get("refutation.txt", b""))
        gates.append(("parses", True, f"{len(steps)} steps"))
        _ordered(steps, given)
        gates.append(("ordered", True, f"{given} clauses to begin with"))
        _resolve(clauses, steps)
        gates.append(("resolves", True, f"{len(clauses) - given} clauses follow"))
        _refutes(clauses[-1])
        gates.append(("refutes", True, "the last one is empty"))
    except RejectedError as error:
        gates.append((error.gate, False, error.evidence))
        return {"gates": gates, "metric": None}
    return {"gates": gates, "metric": float(len(steps))}


def formula(text: str) -> list[Clause]:
    """The clauses of a file, one a line below the head line."""
    clauses = []
    for line in text.splitlines()[1:]:
        literals = [int(word) for word in line.split()]
        plain = sum(1 << literal for literal in literals if literal > 0)
        negated = sum(1 << -literal for literal in literals if literal < 0)
        clauses.append((plain, negated))
    return clauses


def _parse(data: bytes) -> list[tuple[int, int]]:
    if len(data) > LONGEST:
        raise RejectedError("parses", f"{len(data)} bytes are more than {LONGEST}")
    stray = STRAY.search(data)
    if stray:
        evidence = f"byte {stray.start()} is 0x{stray[0][0]:02x}: no digit, space or newline"
        raise RejectedError("parses", evidence)
    lines = data.removesuffix(b"\n").split(b"\n")
    if len(lines) > MOST:
        raise RejectedError("parses", f"{len(lines)} steps are more than {MOST}")
    steps = []
    for number, line in enumerate(lines, start=1):
        match = STEP.fullmatch(line)
        if match is None:
            shown = line[:40].decode("ascii")
            raise RejectedError("parses", f"line {number}: {shown!r} is not two clause numbers")
        steps.append((int(match[1]), int(match[2])))
    return steps


def _ordered(steps: list[tuple[int, int]], given: int) -> None:
    for number, step in enumerate(steps, start=1):
        for parent in step:
            if parent >= given + number:
                evidence = f"line {number} uses clause {parent}, but is itself {given + number}"
                raise RejectedError("ordered", evidence)


def _resolve(clauses: list[Clause], steps: list[tuple[int, int]]) -> None:
    """Add the resolvent of each step to `clauses`."""
    for number, (one, other) in enumerate(steps, start=1):
        plain, negated = clauses[one - 1]
        too_plain, too_negated = clauses[other - 1]
        clash = (plain & too_negated) | (negated & too_plain)
        if clash.bit_count() != 1:
            evidence = f"line {number}: {one} and {other} clash in {clash.bit_count()} variables"
            raise RejectedError("resolves", evidence)
        clauses.append(((plain | too_plain) & ~clash, (negated | too_negated) & ~clash))


def _refutes(last: Clause) -> None:
    left = (last[0] | last[1]).bit_count()
    if left:
        raise RejectedError("refutes", f"{left} literals are left in the last clause")
