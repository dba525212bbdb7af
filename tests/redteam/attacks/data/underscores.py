"""
row: 18
expect: zero gate
why: Int() reads 1_0 as ten.
"""


def content() -> bytes:
    """The artifact."""
    return b"1_0"
