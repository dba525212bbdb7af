"""Makes the staged placements: python3 search.py METHOD traffic.txt placement.txt [SEED [MOVES]].

neighbours  from placement.txt: exchanges of racks in adjacent cells, as long as one helps
greedy      anew: the rack with most cables to those placed goes to the free cell that costs least
descent     from greedy: the best exchange of any two racks, as long as one helps
annealing   from descent: random exchanges, also bad ones, ever less of them; then descent again
"""

import math
import random
import sys
from pathlib import Path


def read(path: str) -> tuple[list[tuple[int, int]], list[list[int]]]:
    lines = Path(path).read_text().split("\n")
    racks, rows, columns = (int(word) for word in lines[0].split()[1::2])
    traffic = [[0] * racks for _ in range(racks)]
    for line in lines[1:]:
        if line:
            a, b, units = map(int, line.split())
            traffic[a][b] = traffic[b][a] = units
    return [(y, x) for y in range(rows) for x in range(columns)], traffic


class Placement:
    """`place[rack]` is a cell's number."""

    def __init__(self, cells: list[tuple[int, int]], traffic: list[list[int]]) -> None:
        self.cells = cells
        self.traffic = traffic
        self.n = len(traffic)
        self.distance = [[abs(a - c) + abs(b - d) for c, d in cells] for a, b in cells]
        self.partners = [[(j, t) for j, t in enumerate(row) if t] for row in traffic]
        self.place = list(range(self.n))

    def cost(self) -> int:
        return sum(
            t * self.distance[self.place[i]][self.place[j]]
            for i in range(self.n)
            for j, t in self.partners[i]
            if j < i
        )

    def change(self, a: int, b: int) -> int:
        """What exchanging racks a and b adds to the cost."""
        place = self.place
        here, there = self.distance[place[a]], self.distance[place[b]]
        total = 0
        for j, t in self.partners[a]:
            if j != b:
                total += t * (there[place[j]] - here[place[j]])
        for j, t in self.partners[b]:
            if j != a:
                total += t * (here[place[j]] - there[place[j]])
        return total

    def exchange(self, a: int, b: int) -> None:
        self.place[a], self.place[b] = self.place[b], self.place[a]

    def greedy(self) -> None:
        free = set(range(self.n))
        placed: dict[int, int] = {}
        while len(placed) < self.n:
            waiting = [i for i in range(self.n) if i not in placed]
            rack = max(
                waiting,
                key=lambda i: (
                    sum(t for j, t in self.partners[i] if j in placed or not placed),
                    -i,
                ),
            )
            cell = min(
                sorted(free),
                key=lambda c: (
                    sum(t * self.distance[c][placed[j]] for j, t in self.partners[rack] if j in placed),
                    sum(self.distance[c]),
                ),
            )
            placed[rack] = cell
            free.remove(cell)
        self.place = [placed[i] for i in range(self.n)]

    def descent(self, reach: int = 1000) -> None:
        """Exchanges of racks at most `reach` apart."""
        while True:
            gain, a, b = min(
                (self.change(a, b), a, b)
                for a in range(self.n)
                for b in range(a)
                if self.distance[self.place[a]][self.place[b]] <= reach
            )
            if gain >= 0:
                return
            self.exchange(a, b)

    def annealing(self, seed: int, moves: int) -> None:
        rng = random.Random(seed)
        cost = self.cost()
        best, kept = cost, list(self.place)
        hot, cold = 600.0, 4.0
        for move in range(moves):
            heat = hot * (cold / hot) ** (move / moves)
            a = int(rng.random() * self.n)
            b = int(rng.random() * self.n)
            if a == b:
                continue
            added = self.change(a, b)
            if added <= 0 or rng.random() < math.exp(-added / heat):
                self.exchange(a, b)
                cost += added
                if cost < best:
                    best, kept = cost, list(self.place)
        self.place = kept
        self.descent()


def main() -> None:
    method, traffic, start = sys.argv[1:4]
    placement = Placement(*read(traffic))
    if method == "neighbours":
        rows = [tuple(map(int, line.split())) for line in Path(start).read_text().splitlines()]
        placement.place = [placement.cells.index(cell) for cell in rows]
        placement.descent(reach=1)
    else:
        placement.greedy()
    if method in ("descent", "annealing"):
        placement.descent()
    if method == "annealing":
        seed, moves = (int(word) for word in sys.argv[4:6])
        placement.annealing(seed, moves)
    for cell in placement.place:
        print(*placement.cells[cell])
    print("cost", placement.cost(), file=sys.stderr)


main()
