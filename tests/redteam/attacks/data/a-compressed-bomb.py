"""
row: 24
expect: zero gate
why: A gigabyte when unpacked; nobody unpacks it.
"""


def content() -> bytes:
    """The artifact."""
    import zlib

    return zlib.compress(b"0" * 10_000_000, 9)
