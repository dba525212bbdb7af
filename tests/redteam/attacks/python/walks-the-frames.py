"""
row: 21
expect: zero crashed wrong_output
why: The caller's frame is searched for the socket, and "done" is said before the work.
"""

import sys

from honest import honest


def solve(given):
    frame = sys._getframe(1)
    frame.f_locals["control"].send(b"D")
    return honest(given)
