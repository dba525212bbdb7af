"""
row: 18
expect: zero gate
why: -inf is lower than everything.
"""


def content() -> bytes:
    """The artifact."""
    return b"-inf"
