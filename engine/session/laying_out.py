"""A session's workspace laid out on the host for its sandbox, and removed from there."""

from __future__ import annotations

from pathlib import Path

from engine.harnesses import Harness
from engine.session.editable import foreign, put_back
from engine.session.place import Place
from engine.storage.snapshots import Snapshot
from tasks import Task
from verifier.sandbox import places, uids


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
