"""How many of the bytes equal each byte, as 32-bit numbers."""

from honest import honest


def solve(given):
    """One pass for each value."""
    return honest(given)
