"""A lower bound on the number of tests: python3 bound.py settings.txt

A test shows exactly one combination of any three settings. So a campaign has at least as many
tests as there are combinations to show of the three settings that have most of them.
"""

import itertools
import sys
from pathlib import Path


def main() -> None:
    first, *rest = Path(sys.argv[1]).read_text().splitlines()
    levels = [int(word) for word in first.split()[1:]]
    never = set()
    for line in rest:
        a, v, b, w = (int(word) for word in line.split() if word.isdecimal())
        never.add(((a, v), (b, w)))
    most = 0
    for chosen in itertools.combinations(range(len(levels)), 3):
        shown = 0
        for values in itertools.product(*(range(levels[setting]) for setting in chosen)):
            placed = zip(chosen, values, strict=True)
            shown += never.isdisjoint(itertools.combinations(placed, 2))
        most = max(most, shown)
    print(most)


main()
