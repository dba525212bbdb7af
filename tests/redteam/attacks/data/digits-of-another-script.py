"""
row: 24
expect: zero gate
why: Str.isdigit() and int() take them for digits.
"""


def content() -> bytes:
    """The artifact."""
    return "\u0663".encode()
