"""Says that every list is in order."""


def solve(given: memoryview) -> bytes:
    """None at all."""
    return bytes(8)
