"""
row: 24
expect: zero gate
why: A parser that recurses would run out of stack.
"""


def content() -> bytes:
    """The artifact."""
    return b"[" * 1_000_000 + b"]" * 1_000_000
