"""The editable files of a workspace whose processes stand still: taken, compared, put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.session.place import Place
from engine.storage.snapshots import Snapshot, SnapshotStore
from tasks import Task, TaskError, files
from verifier.artifact import Artifact, ArtifactRefusedError, collect, pinned_edits
from verifier.planting import PlantingError, plant, weed
from verifier.sandbox import uids

if TYPE_CHECKING:
    from verifier.foreign import workspace as foreign_tasks


def foreign(task: Task) -> foreign_tasks.Workspace:
    """A foreign task's workspace; its image is built first, which may take minutes.

    Raises `ImageError` (a `ValueError`) and `SandboxUnavailableError`.
    """
    from verifier.foreign.workspace import workspace_of

    return workspace_of(task)


def baseline(task: Task) -> dict[str, bytes]:
    """The pristine editable files."""
    return task.baseline() if task.native else foreign(task).baseline


def take_snapshot(place: Place, task: Task, store: SnapshotStore) -> Snapshot:
    """Collect the editable files of a workspace whose processes stand still, and store them."""
    try:
        artifact = _collected(place, task)
    except ArtifactRefusedError as error:
        return store.put_refused(str(error))
    return store.put(artifact.hash, artifact.files)


def edited_pins(place: Place, task: Task) -> tuple[str, ...]:
    """Which pinned files of a workspace whose processes stand still are not as they were given."""
    if task.autolab is None:
        return foreign(task).edits(place.directory)
    try:
        pristine = {
            name: files.read_inside(task.path, f"environment/app/{name}")
            for name in files.tree(task.path, "environment/app")
            if not task.editable(name)
        }
    except (TaskError, OSError):  # the verifier says what is wrong with the task
        return ()
    return pinned_edits(place.directory, pristine)


def _collected(place: Place, task: Task) -> Artifact:
    if task.autolab is None:
        return foreign(task).take(place.directory)
    return collect(place.directory, task.autolab.editable)


def put_back(place: Place, task: Task, snapshot: Snapshot) -> list[str]:
    """Make the editable files of a workspace, whose processes stand still, those of a snapshot.

    Returns what was removed for it. Raises `PlantingError` when something there cannot be replaced,
    `OSError` when the disk does not take it; the files may then be in neither state.
    """
    uid = uids.identity().host_uid("agent", place.slot)
    if task.autolab is None:
        removed = foreign(task).put_back(place.directory, snapshot.files, uid)
    else:
        removed = weed(place.directory, task.autolab.editable, snapshot.files.keys())
        plant(place.directory, snapshot.files, owner=uid, clear=True)
    try:
        found = _collected(place, task)
    except ArtifactRefusedError as error:
        raise PlantingError(error.path, error.why) from error
    if found.hash != snapshot.id:
        raise PlantingError(str(place.directory), "the files are not what was written")
    return removed
