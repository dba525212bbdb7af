"""
row: 24
expect: zero gate
why: Int() of so many digits would take minutes, or refuse.
"""


def content() -> bytes:
    """The artifact."""
    return b"9" * 100_000
