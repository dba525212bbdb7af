"""
row: 18
expect: zero gate
why: An invisible first character.
"""


def content() -> bytes:
    """The artifact."""
    return b"\xef\xbb\xbf5"
