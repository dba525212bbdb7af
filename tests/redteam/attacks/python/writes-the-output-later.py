"""
case: 20
row: 12
expect: zero crashed wrong_output
why: "Done" is said by the candidate, with a view of the output kept for later.
"""

import mmap
import os

from honest import honest


def solve(given):
    view = mmap.mmap(4, os.fstat(4).st_size)
    os.write(3, b"D")
    view[:] = honest(given).tobytes()
    return view
