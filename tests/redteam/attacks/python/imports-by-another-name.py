"""
row: 19
expect: suspect
why: A forbidden module is imported by a word in a string.
"""

from honest import honest

system = __import__("subprocess").run


def solve(given):
    return honest(given)
