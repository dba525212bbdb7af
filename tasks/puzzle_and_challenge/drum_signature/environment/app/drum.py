"""The drum machine: python3 drum.py [PROGRAM]. Pinned, and only for you.

Runs the program on the message of `--seed N` (default 1) and prints its cycles, whether the signature is right
and whether the cycles are the same on other messages. `--profile` adds where the cycles went, slot
by slot; `--trace` prints every step. machine.md says what the machine does.
"""

import argparse
import random
import sys
from collections import Counter
from pathlib import Path

SECTORS, SLOTS, WORDS, MESSAGE = 64, 1024, 2048, 32
MASK = 0xFFFF
MOST_CYCLES, MOST_STEPS = 1_000_000, 12_000
LONGEST, LINES = 131_072, 3_200
POLYNOMIAL = 0x002D  # x^16 + x^5 + x^3 + x^2 + 1, without its first term
DATA = ("load", "store", "add", "sub", "and", "or", "xor", "loadx", "storex", "xorx")
SHIFTS = ("left", "right", "turn")
MOVES = ("copy", "take", "mix")
BRANCHES = ("count", "negative", "zero")


def signature(message):
    """What the program has to compute: the definition, bit by bit."""
    s = 0
    for word in message:
        for bit in range(15, -1, -1):
            out = (s >> 15) ^ (word >> bit & 1)
            s = (s << 1) & MASK ^ (POLYNOMIAL if out else 0)
    return s


def number(word, least, most):
    if not word.isascii() or not word.isdigit() or len(word) > 5 or (word[0] == "0" and word != "0"):
        raise ValueError(f"{word!r} is not a number")
    if not least <= int(word) <= most:
        raise ValueError(f"{word} is not between {least} and {most}")
    return int(word)


def read(text):
    """The program as {slot: (op, operand, next, second)}, and the data drum at the start."""
    program, drum, given = {}, [0] * WORDS, set()
    lines = text.split("\n")
    if len(text) > LONGEST or len(lines) > LINES:
        raise ValueError(f"{len(text)} bytes, {len(lines)} lines: at most {LONGEST} and {LINES}")
    for at, line in enumerate(lines, start=1):
        words = line.partition("#")[0].strip(" ").split(" ")
        if words == [""]:
            continue
        try:
            if not all(word.isalnum() for word in words):
                raise ValueError("not words with one space between them")
            if words[0] == "data":
                if len(words) != 3:
                    raise ValueError("not an address and a value")
                _, address, value = words
                address = number(address, MESSAGE, WORDS - 1)
                if address in given:
                    raise ValueError(f"address {address} is given twice")
                given.add(address)
                drum[address] = number(value, 0, MASK)
                continue
            slot, op, *rest = [*words, ""] if len(words) == 1 else words
            slot = number(slot, 0, SLOTS - 1)
            if slot in program:
                raise ValueError(f"slot {slot} is used twice")
            program[slot] = instruction(op, rest)
        except ValueError as error:
            raise ValueError(f"line {at}: {line[:60]!r}: {error}") from None
    if 0 not in program:
        raise ValueError("slot 0 is empty")
    return program, drum


def instruction(op, rest):
    if op == "halt" and not rest:
        return op, 0, 0, 0
    if len(rest) == 2:
        first, last = rest
        to = number(last, 0, SLOTS - 1)
        if op in DATA:
            return op, number(first, 0, WORDS - 1), to, 0
        if op in SHIFTS:
            return op, number(first, 1, 15), to, 0
        if op in MOVES and first in ("B", "C", "X"):
            return op, first, to, 0
        if op in BRANCHES:
            return op, 0, number(first, 0, SLOTS - 1), to
    raise ValueError("no such instruction")


def run(program, drum, message, look=lambda *_: None):
    """The cycles until `halt`, and A; `look(slot, waited, worked, A, registers)` sees each step."""
    drum = list(message) + drum[MESSAGE:]
    a, r = 0, {"B": 0, "C": 0, "X": 0}
    t = slot = 0
    for _ in range(MOST_STEPS):
        if slot not in program:
            raise ValueError(f"slot {slot} is empty")
        op, operand, to, second = program[slot]
        waited = (slot - t) % SECTORS
        worked = 1
        if op in DATA:
            address = (operand + r["X"]) % WORDS if op.endswith("x") else operand
            waited += (address - (t + waited + 1)) % SECTORS
            worked = 2
            value = drum[address]
            if op.startswith("load"):
                a = value
            elif op.startswith("store"):
                drum[address] = a
            elif op.startswith("xor"):
                a ^= value
            elif op == "and":
                a &= value
            elif op == "or":
                a |= value
            else:
                a = (a + value if op == "add" else a - value) & MASK
        elif op in SHIFTS:
            worked += operand
            if op == "right":
                a >>= operand
            else:
                a = (a << operand | (a >> 16 - operand if op == "turn" else 0)) & MASK
        elif op in MOVES:
            worked = 2
            if op == "copy":
                r[operand] = a
            else:
                a = r[operand] if op == "take" else a ^ r[operand]
        elif op in BRANCHES:
            worked = 2
            if op == "count":
                r["X"] = (r["X"] - 1) & MASK
            if {"count": r["X"] != 0, "negative": a >> 15, "zero": a == 0}[op]:
                to = second
        t += waited + worked
        look(slot, waited, worked, a, r)
        if t > MOST_CYCLES:
            break
        if op == "halt":
            return t, a
        slot = to
    raise ValueError(f"it has not halted after {MOST_STEPS} steps or {MOST_CYCLES} cycles")


def messages(seed):
    rng = random.Random(seed)
    yield [rng.randrange(1 << 16) for _ in range(MESSAGE)]
    yield [0] * MESSAGE
    yield [MASK] * MESSAGE
    for _ in range(12):
        one = [0] * MESSAGE
        one[rng.randrange(MESSAGE)] = 1 << rng.randrange(16)
        yield one
        yield [rng.randrange(1 << 16) for _ in range(MESSAGE)]


def main():
    parser = argparse.ArgumentParser(description="Run a program of the drum machine.")
    parser.add_argument("program", nargs="?", default=Path(__file__).with_name("program.txt"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="where the cycles go")
    parser.add_argument("--trace", action="store_true", help="every step")
    options = parser.parse_args()
    runs, waits, works = Counter(), Counter(), Counter()
    at = 0

    def look(slot, waited, worked, a, r):
        nonlocal at
        runs[slot] += 1
        waits[slot] += waited
        works[slot] += worked
        at += waited + worked
        if options.trace:
            op, operand, *_ = program[slot]
            rest = " ".join(f"{name}={value:04x}" for name, value in r.items())
            print(f"{at:7} slot {slot:4} {op:8} {operand!s:4} waited {waited:2} A={a:04x} {rest}")

    try:
        program, drum = read(Path(options.program).read_bytes().decode("ascii"))
        cycles = set()
        for n, message in enumerate(messages(options.seed)):
            spent, a = run(program, drum, message, look if n == 0 else lambda *_: None)
            cycles.add(spent)
            if a != signature(message):
                print(f"wrong: A is {a:04x}, the signature {signature(message):04x}, of {message}")
                return 1
    except ValueError as error:
        print(error)
        return 1
    if options.profile:
        print("slot  op       operand   runs  waited  worked")
        for slot in sorted(runs, key=lambda s: -waits[s] - works[s]):
            op, operand, *_ = program[slot]
            print(f"{slot:4}  {op:8} {operand!s:7} {runs[slot]:6} {waits[slot]:7} {works[slot]:7}")
        print(f"waited {sum(waits.values())}, worked {sum(works.values())}")
    if len(cycles) > 1:
        print(f"not steady: between {min(cycles)} and {max(cycles)} cycles")
        return 1
    print(f"cycles {cycles.pop()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
