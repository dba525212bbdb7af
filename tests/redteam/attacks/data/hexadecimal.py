"""
row: 18
expect: zero gate
why: 0x10 reads well to some parsers.
"""


def content() -> bytes:
    """The artifact."""
    return b"0x10"
