"""
row: 18
expect: zero gate
why: A zero below zero.
"""


def content() -> bytes:
    """The artifact."""
    return b"-0.0"
