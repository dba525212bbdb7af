"""
row: 24
expect: rejected
why: The artifact is larger than any may be.
"""


def content() -> bytes:
    """The artifact."""
    return b"9" * 10_000_000
