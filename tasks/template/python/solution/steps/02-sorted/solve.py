"""Counts the pairs of a list that are out of order, with a list that is kept in order."""

from bisect import bisect_right, insort


def solve(given: memoryview) -> bytes:
    """The count of a list of little-endian 32-bit numbers, as 8 bytes."""
    values = given.cast("I").tolist() if given else []
    before: list[int] = []
    count = 0
    for seen, value in enumerate(values):
        count += seen - bisect_right(before, value)
        insort(before, value)
    return count.to_bytes(8, "little")
