"""
row: 18
expect: zero gate
why: NaN compares with nothing, so a careless rule lets it through.
"""


def content() -> bytes:
    """The artifact."""
    return b"nan"
