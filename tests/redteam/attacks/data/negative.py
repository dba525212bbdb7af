"""
row: 18
expect: zero gate
why: Less than the least.
"""


def content() -> bytes:
    """The artifact."""
    return b"-5"
