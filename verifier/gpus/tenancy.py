"""The devices of one verification: whose turn it is to measure on them, and who else is there.

While timings are taken the driver is asked which processes have the device open. Ours are those
that descend from this process, and those of the sandboxes that stand still meanwhile; any other
may slow the candidate or the baseline down, so the verdict says so and is not official.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from verifier import turns
from verifier.gpus import inventory
from verifier.gpus.access import NO_GPUS, Access, NodeMissingError, access_to
from verifier.gpus.device import Want, why_not_here
from verifier.outcomes import NotJudgedError
from verifier.request import VerifyRequest
from verifier.verdict import Finding

_EVERY = 0.2  # seconds between two looks at the device while it is timed
_TIMED = ("warm-up", "timing")  # the phases in which a clock runs
_SHOWN = 5
Progress = Callable[[str], None]
Look = Callable[[str], Sequence[int]]


def devices(request: VerifyRequest, want: Want) -> Access:
    """The devices to judge on: those of the session's lease, or else the first that fit.

    Raises `NotJudgedError` where there are too few.
    """
    if want.count == 0:
        return NO_GPUS
    if request.gpus is not None:
        return request.gpus
    found = inventory.present()
    why = why_not_here(want, found.gpus, found.trouble)
    if why is not None:
        raise NotJudgedError(f"the task cannot be judged here: {why}")
    try:
        return access_to([gpu for gpu in found.gpus if want.fits(gpu)][: want.count])
    except NodeMissingError as error:
        raise NotJudgedError(str(error)) from error


def lost(uuids: Sequence[str]) -> str:
    """Which of these devices do not answer any more, in words; empty for none."""
    if not uuids:
        return ""
    found = inventory.present()
    gone = sorted(set(uuids) - {gpu.uuid for gpu in found.gpus})
    why = f": {found.trouble}" if found.trouble else ""
    return f"the GPU {', '.join(gone)} is gone{why}" if gone else ""


def turn(
    uuids: Sequence[str], patience: float = turns.PATIENCE
) -> contextlib.AbstractContextManager[None]:
    """Hold the machine-wide right to measure on these devices; see `verifier.turns`."""
    return turns.turn({uuid: uuid for uuid in sorted(uuids)}, patience)


class Watch:
    """Looks at the devices while something is timed on them; a context manager.

    `still` are inodes of the pid namespaces whose processes stand still. `progress` is to be told
    every phase, and tells it on.
    """

    def __init__(
        self,
        uuids: Sequence[str],
        still: Collection[int],
        progress: Progress,
        look: Look = inventory.processes,
        every: float = _EVERY,
    ) -> None:
        self._uuids = uuids
        self._still = frozenset(still)
        self._tell = progress
        self._look = look
        self._every = every
        self._timing = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[int, str] = {}

    def __enter__(self) -> Watch:
        if self._uuids:
            self._thread = threading.Thread(target=self._work, daemon=True, name="gpu watch")
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._timing.set()
        if self._thread is not None:
            self._thread.join(inventory.PATIENCE)

    def progress(self, phase: str) -> None:
        """A phase began."""
        if phase.startswith(_TIMED):
            self._timing.set()
        else:
            self._timing.clear()
        self._tell(phase)

    @property
    def finding(self) -> Finding | None:
        """Who else was on the devices while they were timed; None for nobody."""
        seen = dict(sorted(self._seen.items()))
        if not seen:
            return None
        words = ", ".join(list(seen.values())[:_SHOWN])
        more = len(seen) - _SHOWN
        return Finding(
            "warning",
            "another process was on the GPU during timing",
            f"{words} and {more} more" if more > 0 else words,
        )

    def _work(self) -> None:
        while not self._over.is_set():
            self._timing.wait()
            for uuid in self._uuids:
                if self._over.is_set():
                    return
                for pid in self._look(uuid):
                    if pid not in self._seen and self._stranger(pid):
                        self._seen[pid] = f"process {pid}{_name(pid)} on {uuid}"
            self._over.wait(self._every)

    def _stranger(self, pid: int) -> bool:
        """Whether it is neither ours nor standing still. One that is gone tells no more of itself,
        and may have been a repetition of ours."""
        try:
            if os.stat(f"/proc/{pid}/ns/pid").st_ino in self._still:  # noqa: PTH116
                return False
        except PermissionError:
            pass
        except OSError:
            return False
        return not _descends(pid, os.getpid())


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1 and pid != ancestor:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return True
        pid = int(fields[1])
    return pid == ancestor


def _name(pid: int) -> str:
    """The program's name with a blank before it; another user's is its own business to choose."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""
    kept = "".join(letter for letter in name if letter.isprintable())
    return f" ({kept})" if kept else ""
