"""What the keeper says goes into its log, and never stops it: the log's disk may be full."""

from __future__ import annotations

import contextlib
import sys
import time


def say(text: str) -> None:
    """A line for the log, with the time."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with contextlib.suppress(OSError, ValueError):
        print(f"{stamp} keeper: {text}", file=sys.stderr, flush=True)
