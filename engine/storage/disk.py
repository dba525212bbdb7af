"""What the engine does while its state folder cannot be written: it waits, and says why."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from verifier.ledger.keys import LedgerError

T = TypeVar("T")
_log = logging.getLogger(__name__)
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_RETRY_SECONDS = 1.0


class Disk:
    """Writes that are tried again until the disk takes them.

    `trouble` says in words what cannot be written now, and is empty when all is well. It is set on
    the sessions' loop and may be read on any thread.
    """

    def __init__(self) -> None:
        self._troubles: dict[str, str] = {}
        self._given_up = False

    def give_up(self) -> None:
        """Wait for the disk no longer: the engine ends."""
        self._given_up = True

    @property
    def trouble(self) -> str:
        """What cannot be written now, why, and what to do; or nothing."""
        return next(iter(self._troubles.values()), "")

    async def keep(self, what: str, write: Callable[[], Awaitable[T]]) -> T:
        """The result of `write`, which is tried again while the disk is full or read-only, or the
        ledger of verdicts cannot be written.

        Any other `OSError` is raised.
        """
        while True:
            try:
                result = await write()
            except LedgerError as error:
                if self._given_up:
                    self._troubles.pop(what, None)
                    raise
                if what not in self._troubles:
                    _log.error("%s", error)
                self._troubles[what] = str(error)
                await asyncio.sleep(_RETRY_SECONDS)
            except OSError as error:
                if error.errno not in _PASSING or self._given_up:
                    self._troubles.pop(what, None)
                    raise
                if what not in self._troubles:
                    _log.error("%s cannot be written: %s", what, error)
                self._troubles[what] = (
                    f"{what} cannot be written ({error.strerror}); make room on its disk or mend "
                    "its rights, and work goes on"
                )
                await asyncio.sleep(_RETRY_SECONDS)
            except BaseException:
                self._troubles.pop(what, None)
                raise
            else:
                self._troubles.pop(what, None)
                return result
