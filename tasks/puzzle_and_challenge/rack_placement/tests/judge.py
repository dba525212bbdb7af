"""Judges placement.txt: exact, in integers. traffic.txt beside this file is the pinned copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TRAFFIC = Path(__file__).with_name("traffic.txt")
LONGEST = 16_384
Cell = tuple[int, int]


class RejectedError(Exception):
    """The artifact fails a gate: its name, and the evidence."""

    def __init__(self, gate: str, evidence: str) -> None:
        super().__init__(evidence)
        self.gate = gate
        self.evidence = evidence


def judge(files: dict[str, bytes], params: dict[str, Any]) -> dict[str, Any]:
    """The gates `parses`, `in_grid` and `one_each`, and the total cable length."""
    rows, columns, racks = params["rows"], params["columns"], params["racks"]
    gates: list[tuple[str, bool, str]] = []
    try:
        cells = _parse(files.get("placement.txt", b""), racks)
        gates.append(("parses", True, f"{racks} racks"))
        _in_grid(cells, rows, columns)
        gates.append(("in_grid", True, f"{rows} x {columns}"))
        _one_each(cells)
        gates.append(("one_each", True, f"{len(set(cells))} cells"))
    except RejectedError as error:
        gates.append((error.gate, False, error.evidence))
        return {"gates": gates, "metric": None}
    return {"gates": gates, "metric": float(cable_length(cells))}


def _parse(data: bytes, racks: int) -> list[Cell]:
    if len(data) > LONGEST:
        raise RejectedError("parses", f"{len(data)} bytes are too many")
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise RejectedError("parses", f"byte {error.start} is not ASCII") from error
    cells = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) != 2 or not all(word.isdecimal() and len(word) <= 6 for word in words):
            raise RejectedError("parses", f"line {number}: {line[:40]!r} is not a row and a column")
        cells.append((int(words[0]), int(words[1])))
    if len(cells) != racks:
        raise RejectedError("parses", f"{len(cells)} lines for {racks} racks")
    return cells


def _in_grid(cells: list[Cell], rows: int, columns: int) -> None:
    for number, (row, column) in enumerate(cells, start=1):
        if row >= rows or column >= columns:
            evidence = f"line {number}: {row} {column} is outside the {rows} x {columns} grid"
            raise RejectedError("in_grid", evidence)


def _one_each(cells: list[Cell]) -> None:
    taken: dict[Cell, int] = {}
    for number, cell in enumerate(cells, start=1):
        if cell in taken:
            evidence = f"lines {taken[cell]} and {number} share cell {cell[0]} {cell[1]}"
            raise RejectedError("one_each", evidence)
        taken[cell] = number


def cable_length(cells: list[Cell]) -> int:
    """Traffic times Manhattan distance, over all pairs."""
    total = 0
    for line in TRAFFIC.read_text().splitlines()[1:]:
        a, b, units = map(int, line.split())
        total += units * (abs(cells[a][0] - cells[b][0]) + abs(cells[a][1] - cells[b][1]))
    return total
