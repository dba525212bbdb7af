"""Makes settings.txt: python3 make_settings.py > settings.txt. Always the same instrument.

Value 0 of every setting is its rest position and is never excluded, so that any three values
without an excluded pair among them occur in a valid test: put everything else at rest. The
settings with most values exclude nothing among themselves, so that the bound is their product.
"""

import itertools
import random

LEVELS = [3, 2, 4, 5, 3, 2, 4, 3, 5, 4, 2, 3, 4, 2, 5, 3]
EXCLUSIONS = 14


def main() -> None:
    rng = random.Random(19470)
    chosen: set[tuple[int, int, int, int]] = set()
    pairs = list(itertools.combinations(range(len(LEVELS)), 2))
    while len(chosen) < EXCLUSIONS:
        a, b = rng.choice(pairs)
        if LEVELS[a] == LEVELS[b] == max(LEVELS):
            continue
        chosen.add((a, rng.randrange(1, LEVELS[a]), b, rng.randrange(1, LEVELS[b])))
    print("levels", *LEVELS)
    for a, v, b, w in sorted(chosen):
        print("never", a, v, "with", b, w)


main()
