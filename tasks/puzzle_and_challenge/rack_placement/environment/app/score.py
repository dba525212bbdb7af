"""Score placement.txt: python3 score.py [FILE]. Pinned, and only for you.

Prints the total cable length, or the first thing that is wrong with the file.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    lines = (HERE / "traffic.txt").read_text().splitlines()
    racks, rows, columns = (int(word) for word in lines[0].split()[1::2])
    name = sys.argv[1] if len(sys.argv) > 1 else "placement.txt"
    cells: list[tuple[int, int]] = []
    for number, line in enumerate(Path(name).read_text().splitlines(), start=1):
        words = line.split()
        if len(words) != 2 or not all(word.isdecimal() and word.isascii() for word in words):
            print(f"line {number}: {line!r} is not a row and a column")
            return 1
        cell = (int(words[0]), int(words[1]))
        if cell[0] >= rows or cell[1] >= columns:
            print(f"line {number}: {line} is outside the {rows} x {columns} grid")
            return 1
        if cell in cells:
            print(f"line {number}: {line} is taken by the rack of line {cells.index(cell) + 1}")
            return 1
        cells.append(cell)
    if len(cells) != racks:
        print(f"{len(cells)} lines for {racks} racks")
        return 1
    total = 0
    for line in lines[1:]:
        a, b, units = map(int, line.split())
        total += units * (abs(cells[a][0] - cells[b][0]) + abs(cells[a][1] - cells[b][1]))
    print(f"cable length {total}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
