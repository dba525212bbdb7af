"""Where the sessions' loop stands when it does not come round.

A thread of its own looks at the trace's last tick, and writes the loop's stack into the trace.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from types import FrameType

from engine.oversight.trace import Trace

PATIENCE = 2.0
_LOOK_SECONDS = 0.5
_AGAIN = 3.0  # times as long as at the last report
_FRAMES = 6


class Starvation:
    """Watches the loop of the thread that makes it."""

    def __init__(self, trace: Trace, patience: float = PATIENCE) -> None:
        self._trace = trace
        self._patience = patience
        self._thread_id = threading.get_ident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="starvation", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        due = self._patience
        while not self._over.wait(min(_LOOK_SECONDS, self._patience)):
            silent = time.monotonic() - self._trace.ticked
            if silent < self._patience:
                due = self._patience
            elif silent >= due:
                due = silent * _AGAIN
                frame = sys._current_frames().get(self._thread_id)
                self._trace.stuck(silent, in_words(frame))


def in_words(frame: FrameType | None) -> str:
    """The innermost calls of a stack, the innermost first: `name (file:line) < ...`."""
    stack = traceback.extract_stack(frame, _FRAMES) if frame is not None else []
    names = (
        f"{call.name} ({'/'.join(call.filename.split('/')[-2:])}:{call.lineno})"
        for call in reversed(stack)
    )
    return " < ".join(names) or "unknown"
