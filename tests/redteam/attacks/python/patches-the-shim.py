"""
row: 21
expect: zero wrong_output crashed timeout
why: The shim's own functions are replaced through sys.modules: "done" is said of nothing.
"""

import sys

shim = sys.modules["__main__"]
shim.deliver = lambda result, size: 0


def solve(given):
    return b""
