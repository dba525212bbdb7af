"""What the honest twin does: it lets the interpreter count, one pass for each byte."""

import array


def honest(given):
    """How often each byte occurs."""
    data = bytes(given)
    return array.array("I", [data.count(byte) for byte in data])
