"""The engine's sign of life on disk: until when it was certainly there.

An engine that is killed, or whose machine loses power, says nothing of when that was. The newest
event may be minutes old inside a long command. So it writes its clock into a small file twice a
second, and the next engine charges its sessions up to there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

_LENGTH = 128  # always as long, so that a write replaces the one before whole
_FILE = "alive"


class Sign(NamedTuple):
    """A moment: boottime in `boot`."""

    boot: str
    stamp: float


def read_sign(state_dir: Path) -> Sign | None:
    """The last sign of life, or None where there is none that can be read."""
    try:
        boot, stamp = json.loads((state_dir / _FILE).read_bytes())
        return Sign(str(boot), float(stamp))
    except (OSError, ValueError, TypeError):
        return None


class Vitals:
    """Writes the sign. Nothing that goes wrong with it keeps the engine from its work."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE
        self._file: int | None = None

    def sign(self, boot: str, stamp: float) -> None:
        """Be alive at this moment."""
        data = json.dumps([boot, round(stamp, 3)]).ljust(_LENGTH - 1).encode() + b"\n"
        try:
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
                self._file = os.open(self._path, flags, 0o600)
            os.pwrite(self._file, data, 0)
        except OSError:
            self.close()

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
