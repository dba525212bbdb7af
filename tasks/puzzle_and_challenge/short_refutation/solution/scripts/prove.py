"""Makes the staged refutations: python3 prove.py METHOD formula.txt [SEED [MOVES]] > refutation.txt

tree        boats are given berths one after another, with backtracking; the search tree is the proof
remembered  the same, but what was once shown of the boats that are left is not shown again
swept       variables are eliminated, boat after boat in the same order: all resolvents on a
            variable replace the clauses with it, those that another clause implies are dropped, and
            what the empty clause does not need is left out
greedy      the same, next always the variable that adds fewest resolvents
climbed     the same, the order changed at random, one or two variables at a time, MOVES times,
            ever less often for the worse; each order is measured by its whole proof
"""

import math
import random
import sys
from collections.abc import Iterable
from pathlib import Path

Clause = tuple[int, int]  # masks of the variables that occur plain, and negated
Parents = dict[Clause, tuple[Clause, Clause]]
EMPTY = (0, 0)


def read(path: str) -> list[Clause]:
    clauses = []
    for line in Path(path).read_text().splitlines()[1:]:
        literals = [int(word) for word in line.split()]
        plain = sum(1 << x for x in literals if x > 0)
        clauses.append((plain, sum(1 << -x for x in literals if x < 0)))
    return clauses


def variables(mask: int) -> list[int]:
    return [v for v in range(mask.bit_length()) if mask >> v & 1]


class Harbour:
    """The formula as boats: each one's variables, and which variables exclude each other."""

    def __init__(self, clauses: list[Clause]) -> None:
        self.boats = [variables(plain) for plain, _ in clauses if plain]
        self.excluded: dict[int, int] = {}
        for plain, negated in clauses:
            if not plain:
                a, b = variables(negated)
                self.excluded[a] = self.excluded.get(a, 0) | 1 << b
                self.excluded[b] = self.excluded.get(b, 0) | 1 << a

    def order(self, first: int) -> list[int]:
        """Boats that compete with those before them, outwards from one."""
        found = [first]
        for boat in found:
            reach = 0
            for v in self.boats[boat]:
                reach |= self.excluded.get(v, 0)
            for other, theirs in enumerate(self.boats):
                if other not in found and any(reach >> v & 1 for v in theirs):
                    found.append(other)
        return found


class Backtracking:
    """Steps as they are made; `remember` keeps what was shown at each depth."""

    def __init__(self, clauses: list[Clause], *, remember: bool) -> None:
        self.harbour = Harbour(clauses)
        self.number = {clause: at for at, clause in enumerate(clauses, start=1)}
        self.given = len(clauses)
        self.steps: list[tuple[int, int]] = []
        self.shown: dict[int, list[tuple[Clause, int]]] | None = {} if remember else None
        self.order: list[int] = []

    def resolve(self, a: tuple[Clause, int], b: tuple[Clause, int], v: int) -> tuple[Clause, int]:
        keep = ~(1 << v)
        (p, n), (q, m) = a[0], b[0]
        self.steps.append((a[1], b[1]))
        return ((p | q) & keep, (n | m) & keep), self.given + len(self.steps)

    def show(self, depth: int, taken: int) -> tuple[Clause, int]:
        """A clause that the berths `taken` (as variables) make false, and its number."""
        for known in (self.shown or {}).get(depth, []):
            if known[0][1] & ~taken == 0:
                return known
        boat = self.harbour.boats[self.order[depth]]
        plain = sum(1 << v for v in boat)
        clause = (plain, 0), self.number[plain, 0]
        for v in boat:
            rival = self.harbour.excluded.get(v, 0) & taken
            if rival:
                pair = (0, 1 << v | rival)
                clause = self.resolve(clause, (pair, self.number[pair]), v)
        for v in boat:
            if not self.harbour.excluded.get(v, 0) & taken:
                below = self.show(depth + 1, taken | 1 << v)
                if not below[0][1] >> v & 1:
                    return below
                clause = self.resolve(clause, below, v)
        if self.shown is not None:
            self.shown.setdefault(depth, []).append(clause)
        return clause

    def prove(self, first: int) -> list[tuple[int, int]]:
        self.order = self.harbour.order(first)
        self.show(0, 0)
        return self.steps


def without_implied(clauses: Iterable[Clause]) -> list[Clause]:
    kept: list[Clause] = []
    for clause in sorted(clauses, key=lambda c: c[0].bit_count() + c[1].bit_count()):
        if not any(p & ~clause[0] == 0 and n & ~clause[1] == 0 for p, n in kept):
            kept.append(clause)
    return kept


def resolvents(live: Iterable[Clause], v: int) -> Parents:
    """All on variable v, with their parents."""
    bit, found = 1 << v, {}
    live = list(live)
    negated = [c for c in live if c[1] & bit]
    for p in live:
        if p[0] & bit:
            for n in negated:
                if p[0] & n[1] | p[1] & n[0] == bit:
                    made = ((p[0] | n[0]) & ~bit, (p[1] | n[1]) & ~bit)
                    found.setdefault(made, (p, n))
    return found


def eliminate(live: list[Clause], v: int, parents: Parents) -> list[Clause]:
    made = resolvents(live, v)
    rest = [c for c in live if not (c[0] | c[1]) >> v & 1]
    kept = without_implied(dict.fromkeys([*rest, *made]))
    for clause in kept:
        if clause in made:
            parents.setdefault(clause, made[clause])
    return kept


def eliminated(clauses: list[Clause], order: list[int], most: int = 10**9) -> Parents | None:
    """The clauses to derive, in order, each with its parents; None once more than `most` are alive."""
    live, parents = list(clauses), {}
    for v in order:
        live = eliminate(live, v, parents)
        if len(live) > most:
            return None
        if live == [EMPTY]:
            break
    needed: Parents = {}
    known, waiting = set(clauses), [EMPTY]
    while waiting:
        clause = waiting[-1]
        missing = [] if clause in known else [p for p in parents[clause] if p not in known]
        waiting += missing
        if not missing:
            waiting.pop()
            if clause not in known:
                known.add(clause)
                needed[clause] = parents[clause]
    return needed


def greedy(clauses: list[Clause]) -> list[int]:
    live, order = list(clauses), []
    left = set(variables(sum({1 << v for p, n in clauses for v in variables(p | n)})))
    while left:
        v = min(
            sorted(left),
            key=lambda v: len(resolvents(live, v)) - sum((p | n) >> v & 1 for p, n in live),
        )
        left.remove(v)
        order.append(v)
        live = eliminate(live, v, {})
    return order


def climbed(clauses: list[Clause], rng: random.Random, moves: int) -> list[int]:
    order = greedy(clauses)
    now = best = len(eliminated(clauses, order) or ())
    kept = order
    for move in range(moves):
        other = list(order)
        for _ in range(rng.choice((1, 1, 2))):
            other.insert(rng.randrange(len(order)), other.pop(rng.randrange(len(order))))
        proof = eliminated(clauses, other, most=400)
        heat = 5 * (1 - move / moves) + 0.1
        if proof and rng.random() < math.exp(min(0.0, (now - len(proof)) / heat)):
            order, now = other, len(proof)
            if now < best:
                best, kept = now, order
    return kept


def main() -> None:
    method, path, *rest = sys.argv[1:]
    seed, moves = (int(word) for word in (*rest, "0", "0")[:2])
    clauses = read(path)
    if method in ("tree", "remembered"):
        steps = Backtracking(clauses, remember=method == "remembered").prove(seed)
    else:
        if method == "swept":
            harbour = Harbour(clauses)
            order = [v for boat in harbour.order(seed) for v in harbour.boats[boat]]
        elif method == "greedy":
            order = greedy(clauses)
        else:
            order = climbed(clauses, random.Random(seed), moves)
        proof = eliminated(clauses, order) or {}
        number = {clause: at for at, clause in enumerate([*clauses, *proof], start=1)}
        steps = [(number[one], number[other]) for one, other in proof.values()]
    print("steps", len(steps), file=sys.stderr)
    for one, other in steps:
        print(one, other)


main()
