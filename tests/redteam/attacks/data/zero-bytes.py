"""
row: 18
expect: zero gate
why: A C parser would stop at the first one.
"""


def content() -> bytes:
    """The artifact."""
    return b"5\0 90"
