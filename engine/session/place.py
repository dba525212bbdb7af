"""Where a session's workspace lies on the host: laid out, remembered, removed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.harnesses import Harness
from engine.paths import make_private
from engine.session.editable import foreign, put_back
from engine.storage.snapshots import Snapshot
from tasks import Task
from verifier.sandbox import places, uids


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


def lay_out(
    state: Path,
    task: Task,
    slot: int,
    snapshot: Snapshot | None = None,
    harness: Harness | None = None,
) -> Place:
    """Copy the task's workspace to a folder that the sandbox of `slot` can use.

    The editable files are those of the `snapshot`, where one is given that was not refused. With a
    harness of `loop = "command"` there is a door beside it.
    """
    source = task.workspace if task.native else foreign(task).source
    directory = places.make_workspace(state, source, agent_uid(slot))
    place = Place(directory, slot)
    if harness is not None and harness.loop == "command":
        program = Path(harness.program) if harness.program else None
        place = Place(directory, slot, places.make_door(directory), program)
    if snapshot is not None and snapshot.refused is None:
        put_back(place, task, snapshot)
    return place


def agent_uid(slot: int) -> int:
    """The host uid under which the agent of a slot works."""
    return uids.identity().host_uid("agent", slot)


def remove(place: Place) -> None:
    """Delete a workspace that nobody needs any more."""
    places.remove(place.directory)
    if place.door is not None:
        places.remove(place.door)
