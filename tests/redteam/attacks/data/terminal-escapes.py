"""
row: 27
expect: zero gate
why: Evidence that quotes them would rule the operator's terminal.
"""


def content() -> bytes:
    """The artifact."""
    return b"\x1b]0;owned\x07\x1b[2J\x9b31m\rreward 1.0"
