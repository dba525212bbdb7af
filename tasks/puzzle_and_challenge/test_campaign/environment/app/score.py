"""Score campaign.txt: python3 score.py [FILE]. Pinned, and only for you.

Prints the number of tests, or the first thing that is wrong with the file.
"""

import itertools
import sys
from pathlib import Path

HERE = Path(__file__).parent
LONGEST = 65_536


def main() -> int:
    levels, never = read_settings()
    name = sys.argv[1] if len(sys.argv) > 1 else str(HERE / "campaign.txt")
    tests = []
    data = Path(name).read_bytes()
    if len(data) > LONGEST:
        print(f"{len(data)} bytes are more than {LONGEST}")
        return 1
    if data.translate(None, b"0123456789 \n"):
        print("the file holds more than digits, spaces and newlines")
        return 1
    for number, line in enumerate(data.decode().removesuffix("\n").split("\n"), start=1):
        words = line.split(" ")
        if len(words) != len(levels) or not all(1 <= len(word) <= 3 for word in words):
            print(f"line {number}: {line[:50]!r} is not {len(levels)} values")
            return 1
        test = [int(word) for word in words]
        for setting, value in enumerate(test):
            if value >= levels[setting]:
                print(f"line {number}: setting {setting} has no value {value}")
                return 1
        for a, v, b, w in never:
            if test[a] == v and test[b] == w:
                print(f"line {number}: setting {a} = {v} excludes setting {b} = {w}")
                return 1
        tests.append(test)
    missing = uncovered(tests, levels, never)
    if missing:
        shown = ", ".join(f"setting {s} = {v}" for s, v in missing[0])
        print(f"{len(missing)} combinations are missing, the first: {shown}")
        return 1
    print(f"tests {len(tests)}")
    return 0


def read_settings() -> tuple[list[int], list[list[int]]]:
    first, *rest = (HERE / "settings.txt").read_text().splitlines()
    levels = [int(word) for word in first.split()[1:]]
    return levels, [[int(word) for word in line.split() if word.isdecimal()] for line in rest]


def uncovered(
    tests: list[list[int]], levels: list[int], never: list[list[int]]
) -> list[list[tuple[int, int]]]:
    """The combinations that no test has, each as three pairs of setting and value."""
    apart = {((a, v), (b, w)) for a, v, b, w in never}
    missing = []
    for a, b, c in itertools.combinations(range(len(levels)), 3):
        seen = {(test[a], test[b], test[c]) for test in tests}
        for x, y, z in itertools.product(range(levels[a]), range(levels[b]), range(levels[c])):
            p, q, r = (a, x), (b, y), (c, z)
            if (x, y, z) not in seen and not apart & {(p, q), (p, r), (q, r)}:
                missing.append([p, q, r])
    return missing


if __name__ == "__main__":
    sys.exit(main())
