"""
case: 18
row: 11
expect: zero wrong_output
why: What one call has computed is kept for the next one, which has a process of its own.
"""

import array

from honest import honest

kept = {}


def solve(given):
    if len(given) < 1000:
        kept["answer"] = honest(given)
        return kept["answer"]
    return kept.get("answer", array.array("I", [6] * len(given)))
