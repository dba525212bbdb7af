"""The workspace of a foreign task, as sessions and the command line use it.

Where the image is not there yet it is built, which may take minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks import Task
from verifier.artifact import Artifact, ArtifactRefusedError
from verifier.foreign import layout
from verifier.foreign.building import ensure
from verifier.foreign.image import Image, ImageError
from verifier.foreign.layout import Layout
from verifier.foreign.running import Hardware, room, run_solution
from verifier.sandbox import get_backend
from verifier.sandbox.spec import Backend, Mount

_HIDDEN = frozenset({"tests", "solution", "orig", "logs"})


class OracleError(RuntimeError):
    """The task's own solution gives no artifact; the message says why."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A task's image and what an agent may change of it."""

    task: Task
    image: Image
    layout: Layout

    @property
    def source(self) -> Path:
        """The pristine /app, to be copied."""
        return self.image.folder("app")

    @property
    def baseline(self) -> dict[str, bytes]:
        """The pristine editable files."""
        return dict(self.layout.editable)

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The image's other folders as an agent sees them: none that holds tests or answers."""
        return self.image.mounts(_HIDDEN)

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that the Dockerfile sets."""
        return self.image.manifest.env

    @property
    def words(self) -> tuple[str, ...]:
        """The editable files, to be told to an agent."""
        new = ("new files",) if self.layout.opened else ()
        return (*(self.layout.globs or sorted(self.layout.editable)), *new)

    def take(self, directory: Path) -> Artifact:
        """What a workspace holds that counts. Raises `ArtifactRefusedError`."""
        return layout.take(self.layout, directory)

    def edits(self, directory: Path) -> tuple[str, ...]:
        """Which files that stay behind were changed there."""
        return layout.edits(self.layout, self.image, directory)

    def put_back(self, directory: Path, files: Mapping[str, bytes], owner: int | None) -> list[str]:
        """Make the files that count there those given; what was removed for it."""
        return layout.put_back(self.layout, directory, files, owner)

    def solve(self, backend: Backend | None = None) -> Artifact:
        """What the task's own solution makes of the workspace, in a sandbox without its tests.

        Raises `OracleError`, `TaskError`, `SandboxUnavailableError`.
        """
        backend = backend or get_backend()
        with room(self.image, self.layout, self.baseline, "build") as place:
            ended = run_solution(self.task, self.image, place, Hardware(backend))
            if ended.timed_out or ended.code != 0:
                how = "took too long" if ended.timed_out else f"ended with status {ended.code}"
                raise OracleError(f"solution/solve.sh of {self.task.name} {how}: {ended.last_line}")
            try:
                return self.take(place.app)
            except ArtifactRefusedError as error:
                raise OracleError(
                    f"solution/solve.sh leaves what cannot be taken: {error}"
                ) from error


def workspace_of(
    task: Task,
    backend: Backend | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Workspace:
    """The workspace of a foreign task. Raises `ImageError`, `SandboxUnavailableError`."""
    image = ensure(task, backend, progress)
    return Workspace(task, image, layout.layout_of(task, image))


__all__ = ["ImageError", "OracleError", "Workspace", "workspace_of"]
