"""The garbage collector of an engine."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
from engine.garbage import look_less
look_less()
print(gc.get_freeze_count() > 1000, gc.isenabled(), len(gc.get_objects()) < 1000)
ring = []
ring.append(ring)
del ring
print(gc.collect() >= 1)
"""


def test_it_leaves_alone_what_was_there_and_still_frees_what_came_later() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True"] * 4
