"""
row: 24
expect: zero gate
why: Str.isdigit() says yes and int() raises.
"""


def content() -> bytes:
    """The artifact."""
    return "\u00b2".encode()
