"""Score refutation.txt: python3 score.py [FILE [CLAUSE ...]]. Pinned, and only for you.

Prints the number of steps, or the first thing that is wrong with the file. Clause numbers behind
the file's name are printed as literals, those of steps included.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
LONGEST, MOST = 1 << 20, 60_000


def main() -> int:
    lines = (HERE / "formula.txt").read_text().splitlines()[1:]
    clauses = [frozenset(map(int, line.split())) for line in lines]
    given = len(clauses)
    name = sys.argv[1] if len(sys.argv) > 1 else str(HERE / "refutation.txt")
    data = Path(name).read_bytes()
    steps = data.removesuffix(b"\n").split(b"\n")
    if len(data) > LONGEST or len(steps) > MOST:
        print(f"{len(data)} bytes, {len(steps)} steps: at most {LONGEST} and {MOST}")
        return 1
    for number, line in enumerate(steps, start=1):
        if not re.fullmatch(rb"[1-9][0-9]{0,5} [1-9][0-9]{0,5}", line):
            print(f"line {number}: {line[:40]!r} is not two clause numbers")
            return 1
        one, other = map(int, line.split())
        if max(one, other) >= given + number:
            print(f"line {number}: clause {max(one, other)} is not known yet")
            return 1
        a, b = clauses[one - 1], clauses[other - 1]
        clash = [x for x in a if -x in b]
        if len(clash) != 1:
            print(f"line {number}: {sorted(a)} and {sorted(b)} clash in {len(clash)} variables")
            return 1
        clauses.append((a | b) - {clash[0], -clash[0]})
    for word in sys.argv[2:]:
        print(word, sorted(clauses[int(word) - 1], key=abs))
    if clauses[-1]:
        print(f"the last clause is {sorted(clauses[-1])}, not empty")
        return 1
    print(f"steps {len(steps)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
