"""Makes formula.txt: python3 make_formula.py > formula.txt. Always the same harbour.

Boats and berths are the light and dark squares of a board with a few squares missing; a boat fits the
berths beside it. There is one boat too many. Boats, berths and variables are shuffled, so that their
numbers say nothing.
"""

import itertools
import random

BOARD = """
.######.
########
###.####
########
####.###
########
.#####..
"""


def main() -> None:
    rng = random.Random(7321)
    squares = [
        (row, column)
        for row, line in enumerate(BOARD.split())
        for column, square in enumerate(line)
        if square == "#"
    ]
    light = [square for square in squares if sum(square) % 2]
    dark = [square for square in squares if not sum(square) % 2]
    boats, berths = (light, dark) if len(light) > len(dark) else (dark, light)
    rng.shuffle(boats)
    rng.shuffle(berths)
    pairs = [
        (boat, berth)
        for boat in boats
        for berth in berths
        if abs(boat[0] - berth[0]) + abs(boat[1] - berth[1]) == 1
    ]
    rng.shuffle(pairs)
    number = {pair: variable for variable, pair in enumerate(pairs, start=1)}
    clauses = [sorted(v for pair, v in number.items() if pair[0] == boat) for boat in boats]
    for berth in berths:
        here = sorted(v for pair, v in number.items() if pair[1] == berth)
        clauses += [[-a, -b] for a, b in itertools.combinations(here, 2)]
    print(f"variables {len(pairs)} clauses {len(clauses)}")
    for clause in clauses:
        print(*clause)


main()
