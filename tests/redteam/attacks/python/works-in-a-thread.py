"""
case: 21
row: 23
expect: zero crashed
why: A second thread is started where one is allowed.
"""

import threading

from honest import honest


def solve(given):
    thread = threading.Thread(target=honest, args=(given,))
    thread.start()
    return honest(given)
