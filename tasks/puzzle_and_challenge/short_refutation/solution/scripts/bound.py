"""A lower bound on the number of steps: python3 bound.py formula.txt

A clause is needed by every refutation if some assignment satisfies all the others: it is looked for here, by
backtracking, and tried. Say there are m such clauses. Take a refutation without superfluous steps,
k of them: each of the m clauses and of the k - 1 resolvents before the last is used somewhere, and a step uses
two. So 2k >= m + k - 1, that is k >= m - 1.
"""

import sys
from pathlib import Path

Clause = frozenset[int]


def model(clauses: list[Clause]) -> set[int] | None:
    """Literals that make every clause true, if there are any: unit propagation and branching."""
    chosen: set[int] = set()
    while True:
        if any(not clause for clause in clauses):
            return None
        unit = next((clause for clause in clauses if len(clause) == 1), None)
        if unit is None:
            break
        (literal,) = unit
        chosen.add(literal)
        clauses = assigned(clauses, literal)
    if not clauses:
        return chosen
    for literal in sorted(min(clauses, key=len)):
        found = model(assigned(clauses, literal))
        if found is not None:
            return chosen | {literal} | found
    return None


def assigned(clauses: list[Clause], literal: int) -> list[Clause]:
    return [clause - {-literal} for clause in clauses if literal not in clause]


def main() -> None:
    lines = Path(sys.argv[1]).read_text().splitlines()[1:]
    clauses = [frozenset(map(int, line.split())) for line in lines]
    needed = 0
    for out in clauses:
        given = rest = [clause for clause in clauses if clause != out]
        # what makes `out` false may be taken as given: all clauses together are never true
        for literal in out:
            given = assigned(given, -literal)
        found = model(given)
        if found is not None:
            found |= {-literal for literal in out}
            if not all(clause & found for clause in rest):
                sys.exit(f"the assignment found for all clauses but {sorted(out)} is wrong")
            needed += 1
    print(needed - 1)



main()
