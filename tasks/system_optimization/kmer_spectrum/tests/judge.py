"""Makes reads for the k-mer counter. The baseline's output is the truth: no check() is needed."""

from __future__ import annotations

import random
import struct
from typing import Any

HEAD = struct.Struct("<II")
FIXED = 8 * (256 + 2)
LETTERS = b"ACGT"
TO_LETTERS = bytes(LETTERS[value & 3] for value in range(256))
COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")


def letters(rng: random.Random, count: int) -> bytes:
    return rng.randbytes(count).translate(TO_LETTERS)


def reverse_complement(read: bytes) -> bytes:
    return read[::-1].translate(COMPLEMENT)


def sequenced(rng: random.Random, genome: int, coverage: int) -> bytes:
    """Reads of 60 to 220 letters of a genome with repeats: both strands, errors, a few N."""
    strand = letters(rng, genome)
    unit, copies = letters(rng, 300), max(1, genome // 20000)
    for _ in range(copies):  # a family of near copies: some k-mers are frequent
        at = rng.randrange(max(1, genome - 300))
        strand = strand[:at] + unit[: rng.randrange(200, 300)] + strand[at + 300 :]
    for _ in range(copies):  # and tandem repeats, whose k-mers are few and very frequent
        at, motif = rng.randrange(len(strand)), letters(rng, rng.randint(1, 5))
        strand = strand[:at] + motif * rng.randrange(10, 40) + strand[at + 50 :]
    reads, left = [], genome * coverage
    getrandbits = rng.getrandbits
    while left > 0:
        bits = getrandbits(62)
        length = 60 + (bits & 127) + (bits >> 7 & 31)
        start = (bits >> 12) % max(1, len(strand) - length)
        read = bytearray(strand[start : start + length])
        errors = bits >> 50 & 3
        for _ in range(errors):
            more = getrandbits(20)
            read[(more >> 5) % len(read)] = b"ACGTACGTACGTACGTACGTACGTACGTACGN"[more & 31]
        reads.append(bytes(read) if bits >> 60 & 1 else reverse_complement(read))
        left -= length
    return b"\n".join(reads) + b"\n"


def strange(rng: random.Random) -> bytes:
    """Empty and short reads, runs of one letter, and N everywhere."""
    alphabets = (b"ACGT", b"A", b"T", b"AT", b"CG", b"ACGTN", b"NA", b"N")
    reads = []
    for _ in range(600):
        alphabet = rng.choice(alphabets)
        reads.append(bytes(rng.choices(alphabet, k=rng.choice((0, 1, 5, 20, 30, 31, 32, 33, 70)))))
    return b"\n".join(reads) + rng.choice((b"", b"\n", b"\n\n"))


def palindromes(rng: random.Random) -> bytes:
    """Stretches that are their own reverse complement."""
    halves = [letters(rng, rng.randrange(1, 40)) for _ in range(150)]
    return b"\n".join(half + reverse_complement(half) for half in halves) + b"\n"


def one_letter(rng: random.Random) -> bytes:
    """One k-mer, far more often than a small counter holds, on both strands."""
    return b"A" * 70000 + b"\n" + b"T" * 70003 + b"\n" + b"AC" * 300 + b"N\n"


def all_different(rng: random.Random) -> bytes:
    return letters(rng, 90000) + b"\n"


def near(rng: random.Random) -> bytes:
    """Long k-mers that differ only in their first letters, or only in their last."""
    core = letters(rng, 25)
    reads = [letters(rng, 3) + core + letters(rng, 3) for _ in range(2500)]
    return b"\n".join(reads) + b"\n"


def nothing(rng: random.Random) -> bytes:
    return rng.choice((b"\n", b"ACG\nTT\n", b"N" * 100 + b"\n"))


TESTED = (
    ("reads", 21, 100),
    ("reads_k31", 31, 1000),
    ("strange_k1", 1, 10),
    ("strange_k2", 2, 3),
    ("strange_k5", 5, 2000),
    ("strange_k16", 16, 50),
    ("strange_k31", 31, 50),
    ("palindromes_k4", 4, 300),
    ("palindromes_k12", 12, 300),
    ("palindromes_k30", 30, 300),
    ("one_letter", 17, 5),
    ("one_letter_k31", 31, 5),
    ("all_different", 15, 777),
    ("all_different_k31", 31, 0),
    ("near", 31, 500),
    ("near_k29", 29, 500),
    ("nothing", 9, 4),
)


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    tested = [
        {"name": name, "timed": False, "params": {"kind": name.split("_k")[0], "k": k, "top": top}}
        for name, k, top in TESTED
    ]
    return [*tested, {"name": "timed", "timed": True, "params": {"kind": "timed", **params}}]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    rng = random.Random(seed)
    kind = params["kind"]
    if kind == "timed":
        reads = sequenced(rng, params["genome"], params["coverage"])
    elif kind == "reads":
        reads = sequenced(rng, 3000, 6)
    else:
        makers = (strange, palindromes, one_letter, all_different, near, nothing)
        reads = {make.__name__: make for make in makers}[kind](rng)
    return HEAD.pack(params["k"], params["top"]) + reads, FIXED + 16 * params["top"]
