"""
row: 18
expect: zero gate
why: No answer at all.
"""


def content() -> bytes:
    """The artifact."""
    return b""
