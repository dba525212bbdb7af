"""
row: 24
expect: zero gate
why: Just within the limit of a file.
"""


def content() -> bytes:
    """The artifact."""
    return b"9" * (4 << 20)
