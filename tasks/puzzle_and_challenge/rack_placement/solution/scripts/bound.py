"""A lower bound on the cost of any placement: python3 bound.py traffic.txt (Gilmore and Lawler).

Put rack i in cell c. Whatever is done with the others, its traffic times its distances is at least
the sum that pairs the largest traffic with the smallest distance from c. The cheapest assignment of
racks to cells under those costs, halved because each pair was counted twice, bounds every placement
from below. The assignment is solved exactly, in integers.
"""

import sys
from pathlib import Path


def read(path: str) -> tuple[int, int, list[list[int]]]:
    lines = Path(path).read_text().split("\n")
    racks, rows, columns = (int(word) for word in lines[0].split()[1::2])
    traffic = [[0] * racks for _ in range(racks)]
    for line in lines[1:]:
        if line:
            a, b, units = map(int, line.split())
            traffic[a][b] = traffic[b][a] = units
    return rows, columns, traffic


def assignment(cost: list[list[int]]) -> int:
    """The least total cost of assigning each row a column of its own (shortest augmenting paths)."""
    n = len(cost)
    infinite = sum(map(sum, cost)) + 1
    u, v, owner = [0] * (n + 1), [0] * (n + 1), [0] * (n + 1)
    for i in range(1, n + 1):
        owner[0] = i
        at, least, before, done = 0, [infinite] * (n + 1), [0] * (n + 1), [False] * (n + 1)
        while owner[at]:
            done[at] = True
            row, step, following = owner[at], infinite, 0
            for j in range(1, n + 1):
                if not done[j]:
                    reduced = cost[row - 1][j - 1] - u[row] - v[j]
                    if reduced < least[j]:
                        least[j], before[j] = reduced, at
                    if least[j] < step:
                        step, following = least[j], j
            for j in range(n + 1):
                if done[j]:
                    u[owner[j]] += step
                    v[j] -= step
                else:
                    least[j] -= step
            at = following
        while at:
            owner[at] = owner[before[at]]
            at = before[at]
    return sum(cost[owner[j] - 1][j - 1] for j in range(1, n + 1))


def main() -> None:
    rows, columns, traffic = read(sys.argv[1])
    cells = [(y, x) for y in range(rows) for x in range(columns)]
    loads = [sorted((row[j] for j in range(len(row)) if j != i), reverse=True)
             for i, row in enumerate(traffic)]
    cost = []
    for load in loads:
        line = []
        for c in cells:
            near = sorted(abs(c[0] - o[0]) + abs(c[1] - o[1]) for o in cells if o != c)
            line.append(sum(t * d for t, d in zip(load, near)))
        cost.append(line)
    total = assignment(cost)
    print((total + 1) // 2)


main()
