"""When a checkpoint is written: now and then, away from the sessions' loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from engine.journal import JournalError
from engine.journal.checkpoints import save

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_EVERY = 20_000  # events
_WORTHWHILE = 500  # events, when nothing more comes
_SHARE = 20.0  # a checkpoint that took a second is followed by this many without one


class Checkpointer:
    """Writes checkpoints now and then, away from the sessions' loop.

    `seq` gives the number of the newest event that is folded, `picture` the JSON of the state. Both
    are called on the loop that `work` runs on; the file is written on a thread. Saving takes at
    most one part in twenty of the time, however fast events come.
    """

    def __init__(
        self,
        journal: Path,
        seq: Callable[[], int],
        picture: Callable[[], bytes],
        saved: int,
        look: float = _LOOK_SECONDS,
    ) -> None:
        self._journal = journal
        self._seq = seq
        self._picture = picture
        self._saved = saved
        self._look = look
        self._not_before = 0.0
        self._failed = False

    async def work(self) -> None:
        """Look every `look` seconds whether it is time; cancelled when the engine ends."""
        before = self._saved
        while True:
            await asyncio.sleep(self._look)
            seq = self._seq()
            new, idle = seq - self._saved, seq == before
            before = seq
            if monotonic() >= self._not_before and (new >= _EVERY or (idle and new >= _WORTHWHILE)):
                await self.save()

    async def save(self) -> None:
        """Write a checkpoint of now, unless it would say what the newest says already."""
        began = monotonic()
        seq = self._seq()
        if seq == self._saved:
            return
        state = self._picture()
        try:
            await asyncio.to_thread(save, self._journal, seq, state)
            self._saved, self._failed = seq, False
        except (OSError, JournalError) as error:
            if not self._failed:  # the journal is what counts; it says for itself what is wrong
                _log.warning("no checkpoint could be written: %s", error)
            self._failed = True
        self._not_before = monotonic() + _SHARE * (monotonic() - began)
