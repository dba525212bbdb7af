"""Where a session's workspace lies on the host, remembered across the engine's death."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.paths import make_private


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session's workspace lies on the host, and which of the agents' uids it has.

    An agent of somebody else's has a `door` too, the folder of the socket that leads to its model,
    and perhaps a `program`, a folder of the operator's that it sees.
    """

    directory: Path
    slot: int
    door: Path | None = None
    program: Path | None = None

    @classmethod
    def load(cls, file: Path) -> Place | None:
        """The place that `save` wrote, or None."""
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            door, program = data.get("door"), data.get("program")
            return cls(
                Path(data["directory"]),
                int(data["slot"]),
                Path(door) if door else None,
                Path(program) if program else None,
            )
        except FileNotFoundError:
            return None

    def save(self, file: Path) -> None:
        """Remember it across the engine's death."""
        make_private(file.parent)
        data = {
            "directory": str(self.directory),
            "slot": self.slot,
            "door": str(self.door) if self.door else None,
            "program": str(self.program) if self.program else None,
        }
        partial = file.with_suffix(".new")
        partial.write_text(json.dumps(data), encoding="utf-8")
        partial.replace(file)
