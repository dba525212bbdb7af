"""
row: 9
expect: zero gate
why: The judge's own answer, in the artifact.
"""


def content() -> bytes:
    """The artifact."""
    return b'{"ok": true, "gates": [["correct", true, ""]], "metric": 0.0}'
