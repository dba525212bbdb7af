"""Score ruler.txt: python3 score.py. Pinned, and only for you."""

import itertools
import sys
from pathlib import Path

marks = [int(word) for word in Path(__file__).with_name("ruler.txt").read_text().split()]
if len(marks) != 8 or marks[0] != 0 or marks != sorted(set(marks)):
    sys.exit("not eight numbers, ascending from 0")
distances = [b - a for a, b in itertools.combinations(marks, 2)]
twice = sorted({d for d in distances if distances.count(d) > 1})
if twice:
    sys.exit(f"more than one pair of marks is {twice[0]} apart")
print(f"length {marks[-1]}")
