"""
row: 19
expect: honest
why: The honest twin of the one before: it only speaks of subprocess and eval("1").
"""

from honest import honest

NOTE = "not with subprocess, nor os.system('true'), nor eval"


def solve(given):
    """No eval(), no exec()."""
    return honest(given)
