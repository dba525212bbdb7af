"""Judges program.txt: runs it on a machine of its own, on fresh messages.

The rules are those of machine.md in the workspace; this is a second implementation of them, in
which a program is first turned into tuples. Nothing of the program is ever run by anything else.
"""

from __future__ import annotations

import random
import re
from typing import Any

SECTORS, SLOTS, WORDS = 64, 1024, 2048
MASK = 0xFFFF
LONGEST = 131_072  # bytes
LINES = 3_200
NUMBER = re.compile(r"0|[1-9][0-9]{0,4}")
LINE = re.compile(r"[a-zA-Z0-9]+( [a-zA-Z0-9]+)*")
MEMORY = ("load", "store", "add", "sub", "and", "or", "xor", "loadx", "storex", "xorx")
SHIFT = ("left", "right", "turn")
MOVE = ("copy", "take", "mix")
BRANCH = ("count", "negative", "zero")
REGISTERS = {"B": 0, "C": 1, "X": 2}
Step = tuple[str, int, int, int]  # operation, operand, next slot, second slot
Program = dict[int, Step]


class RejectedError(Exception):
    """The artifact fails a gate: its name, and the evidence."""

    def __init__(self, gate: str, evidence: str) -> None:
        super().__init__(evidence)
        self.gate = gate
        self.evidence = evidence


def judge(files: dict[str, bytes], params: dict[str, Any], seed: int) -> dict[str, Any]:
    """The gates `parses`, `halts`, `correct` and `steady`, and the cycles of a run."""
    gates: list[tuple[str, bool, str]] = []
    try:
        program, drum = parse(files.get("program.txt", b""), params["words"])
        gates.append(("parses", True, f"{len(program)} instructions"))
        inputs = messages(params["words"], params["messages"], random.Random(seed))
        ends = [run(program, drum, message, params) for message in inputs]
        gates.append(("halts", True, f"{len(ends)} messages, drawn with seed {seed}"))
        for message, (_, answer) in zip(inputs, ends, strict=True):
            _correct(message, answer, params["polynomial"])
        gates.append(("correct", True, f"{len(ends)} signatures"))
        cycles = [spent for spent, _ in ends]
        _steady(cycles)
        gates.append(("steady", True, f"{cycles[0]} cycles each time"))
    except RejectedError as error:
        gates.append((error.gate, False, error.evidence))
        return {"gates": gates, "metric": None}
    return {"gates": gates, "metric": float(cycles[0])}


def messages(words: int, count: int, rng: random.Random) -> list[list[int]]:
    """Random ones, and ones with a single bit, few bits, equal words, or none."""
    found = [[0] * words, [MASK] * words, [1] * words, [0x8000] * words]
    while len(found) < count:
        single = [0] * words
        single[rng.randrange(words)] = 1 << rng.randrange(16)
        start = rng.randrange(words)
        tail = [rng.randrange(1 << 16) if i >= start else 0 for i in range(words)]
        even = [rng.choice((0, MASK)) for _ in range(words)]
        found += [[rng.randrange(1 << 16) for _ in range(words)], single, tail, even]
    return found[:count]


def signature(message: list[int], polynomial: int) -> int:
    """The definition: shift in bit by bit, the highest first."""
    register = 0
    for word in message:
        register ^= word
        for _ in range(16):
            register <<= 1
            if register > MASK:
                register ^= polynomial
    return register


def parse(data: bytes, words: int) -> tuple[Program, list[int]]:
    """The program by slot, and the data drum as it says."""
    if len(data) > LONGEST:
        raise RejectedError("parses", f"{len(data)} bytes are more than {LONGEST}")
    if not data.isascii():
        at = next(i for i, byte in enumerate(data) if byte > 127)
        raise RejectedError("parses", f"byte {at} is 0x{data[at]:02x}, not ASCII")
    lines = data.decode("ascii").split("\n")
    if len(lines) > LINES:
        raise RejectedError("parses", f"{len(lines)} lines are more than {LINES}")
    program: Program = {}
    given: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip(" ")
        if text:
            try:
                _line(text, program, given, words)
            except ValueError as error:
                raise RejectedError("parses", f"line {number}: {text[:40]!r}: {error}") from None
    if 0 not in program:
        raise RejectedError("parses", "slot 0 is empty")
    return program, [given.get(address, 0) for address in range(WORDS)]


def _line(text: str, program: Program, given: dict[int, int], words: int) -> None:
    if not LINE.fullmatch(text):
        raise ValueError("not words with one space between them")
    first, *rest = text.split(" ")
    if first == "data":
        if len(rest) != 2:
            raise ValueError("not an address and a value")
        address, value = _number(rest[0], words, WORDS - 1), _number(rest[1], 0, MASK)
        if address in given:
            raise ValueError("this address is given twice")
        given[address] = value
        return
    slot = _number(first, 0, SLOTS - 1)
    if slot in program:
        raise ValueError("this slot is used twice")
    program[slot] = _instruction(rest)


def _instruction(words: list[str]) -> Step:
    if words == ["halt"]:
        return "halt", 0, 0, 0
    if len(words) == 3:
        op, operand, last = words
        to = _number(last, 0, SLOTS - 1)
        if op in MEMORY:
            return op, _number(operand, 0, WORDS - 1), to, 0
        if op in SHIFT:
            return op, _number(operand, 1, 15), to, 0
        if op in MOVE and operand in REGISTERS:
            return op, REGISTERS[operand], to, 0
        if op in BRANCH:
            return op, 0, _number(operand, 0, SLOTS - 1), to
    raise ValueError("no such instruction")


def _number(word: str, least: int, most: int) -> int:
    if not NUMBER.fullmatch(word) or not least <= int(word) <= most:
        raise ValueError(f"{word[:20]} is no number between {least} and {most}")
    return int(word)


def run(
    program: Program, drum: list[int], message: list[int], params: dict[str, Any]
) -> tuple[int, int]:
    """The cycle at which it halts, and A. A program that does not halt fails the gate `halts`."""
    data = [*message, *drum[len(message) :]]
    registers = [0, 0, 0]
    a = now = slot = 0
    for _ in range(params["steps"]):
        if now > params["cycles"]:
            raise RejectedError("halts", f"it has not halted after {params['cycles']} cycles")
        step = program.get(slot)
        if step is None:
            raise RejectedError("halts", f"slot {slot} is empty, and was reached at cycle {now}")
        op, operand, to, second = step
        now += (slot - now) % SECTORS + 1
        if op in MEMORY:
            at = (operand + registers[2]) % WORDS if op[-1] == "x" else operand
            now += (at - now) % SECTORS + 1
            if op in ("store", "storex"):
                data[at] = a
            else:
                a = _combined(op, a, data[at])
        elif op in SHIFT:
            now += operand
            a = _shifted(op, a, operand)
        elif op == "halt":
            return now, a
        else:
            now += 1
            if op == "copy":
                registers[operand] = a
            elif op == "take":
                a = registers[operand]
            elif op == "mix":
                a ^= registers[operand]
            elif op == "count":
                registers[2] = (registers[2] - 1) & MASK
                to = second if registers[2] else to
            elif op == "negative":
                to = second if a & 0x8000 else to
            else:
                to = to if a else second
        slot = to
    raise RejectedError("halts", f"it has not halted after {params['steps']} instructions")


def _combined(op: str, a: int, value: int) -> int:
    if op in ("load", "loadx"):
        return value
    if op in ("xor", "xorx"):
        return a ^ value
    if op == "and":
        return a & value
    if op == "or":
        return a | value
    return (a + value if op == "add" else a - value) & MASK


def _shifted(op: str, a: int, by: int) -> int:
    if op == "right":
        return a >> by
    out = a >> (16 - by) if op == "turn" else 0
    return (a << by | out) & MASK


def _correct(message: list[int], answer: int, polynomial: int) -> None:
    wanted = signature(message, polynomial)
    if answer != wanted:
        shown = " ".join(f"{word:04x}" for word in message)
        raise RejectedError("correct", f"A is {answer:04x}, not {wanted:04x}, for {shown}")


def _steady(cycles: list[int]) -> None:
    if min(cycles) != max(cycles):
        raise RejectedError("steady", f"between {min(cycles)} and {max(cycles)} cycles")
