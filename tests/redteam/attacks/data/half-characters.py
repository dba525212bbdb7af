"""
row: 27
expect: zero gate
why: Evidence that quotes them is no JSON, and would break the answer.
"""


def content() -> bytes:
    """The artifact."""
    return b"\xff\xed\xa0\x80\xfe"
