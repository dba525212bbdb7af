"""Counts the pairs of a list that are out of order."""


def solve(given: memoryview) -> bytes:
    """The count of a list of little-endian 32-bit numbers, as 8 bytes."""
    values = given.cast("I").tolist() if given else []
    count = 0
    for at, value in enumerate(values):
        for later in values[at + 1 :]:
            if value > later:
                count += 1
    return count.to_bytes(8, "little")
