"""
row: 24
expect: zero gate
why: Quadratic parsers choke on them.
"""


def content() -> bytes:
    """The artifact."""
    return b"5\n" * 1_000_000
