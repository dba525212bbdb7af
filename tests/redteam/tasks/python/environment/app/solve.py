"""How many of the bytes equal each byte, as 32-bit numbers."""

import array


def solve(given):
    """One look at every pair of bytes."""
    return array.array("I", [sum(1 for other in given if other == byte) for byte in given])
