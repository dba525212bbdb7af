"""Running a task's own `test.sh` over a pristine copy of its image, and its solution likewise.

Everything in the room is the image's but the artifact's files. /tests is laid over it file by file,
each one read-only; /orig is the image's and read-only; /logs is new. Nothing of the agent's sandbox
is there: no process, no file, no command of its own in PATH.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks import Task, TaskError, files
from verifier import planting
from verifier.foreign.image import Image
from verifier.foreign.layout import Layout
from verifier.foreign.recipe import APP
from verifier.foreign.sandboxed import Ended, run_inside
from verifier.pins import PinnedTask
from verifier.sandbox import places, uids
from verifier.sandbox.spec import Backend, Limits, Mount, Role, SandboxSpec

_MOST_FILES = 400  # of tests that are laid over one by one; each takes a descriptor
_MOST_BYTES = 256 << 20
_MEMORY = 2048
_LEAST_TMP = 512
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What isolates, and the host CPUs to run on (None: any)."""

    backend: Backend
    cpu_set: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """Host folders of one run, gone at its end."""

    root: Path
    uid: int

    @property
    def app(self) -> Path:
        """What is at /app, writable."""
        return self.root / "app"

    @property
    def logs(self) -> Path:
        """What is at /logs, writable."""
        return self.root / "logs"


@contextlib.contextmanager
def room(image: Image, layout: Layout, artifact: Mapping[str, bytes], role: Role) -> Iterator[Room]:
    """A pristine copy of the image with the artifact's files in it, newer than all else.

    So that whatever was built before is built anew: `make` and `cargo` go by times.
    """
    uid = uids.identity().host_uid(role)
    root = Path(tempfile.mkdtemp(prefix="autolab-"))
    try:
        root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        made = Room(root, uid)
        _copy_tree(image.folder("app"), made.app, uid)
        _lay(made.app, image, layout, artifact, uid)
        (made.logs / "verifier").mkdir(parents=True)
        if os.geteuid() == 0:
            for folder in (made.logs, made.logs / "verifier"):
                os.chown(folder, uid, uid)
        yield made
    finally:
        places.remove(root)


def _copy_tree(source: Path, target: Path, uid: int) -> None:
    """Copy an image's folder for a sandbox of `uid`, times kept, links as links."""
    shutil.copytree(source, target, symlinks=True)
    if os.geteuid() == 0:
        for _, names, plain, at in os.fwalk(target, follow_symlinks=False):
            for name in (*names, *plain):
                os.chown(name, uid, uid, dir_fd=at, follow_symlinks=False)
        os.chown(target, uid, uid)


def _lay(app: Path, image: Image, layout: Layout, artifact: Mapping[str, bytes], uid: int) -> None:
    gone = [path for path in layout.editable if path not in artifact]
    for path in gone:
        planting.weed(app, ["".join(f"[{c}]" if c in "*?[" else c for c in path)], set())
    planting.plant(app, artifact, owner=uid, clear=True)
    real = app.resolve()
    for path in {*image.manifest.copied, *artifact}:
        found = (app / path).resolve()
        if found.is_relative_to(real) and found.is_file():
            os.utime(found)


def run_tests(
    task: Task,
    pinned: PinnedTask,
    image: Image,
    place: Room,
    on: Hardware,
    *,
    begun: Callable[[], None] = lambda: None,
) -> Ended:
    """Run /tests/test.sh to its end, or to the end of `[verifier] timeout_sec`.

    `begun` is called once it runs.
    """
    tests = {f"tests/{name}": data for name, data in _image_tests(image)}
    tests |= {f"tests/{name}": data for name, data in pinned.below("tests").items()}
    if "tests/test.sh" not in tests:
        raise TaskError(task.path / "tests/test.sh", "is missing", remedy="add the task's verifier")
    mounts = [
        Mount(place.app, APP, writable=True),
        Mount(place.logs, "/logs", writable=True),
        *image.mounts(frozenset({"tests", "solution", "logs"})),
    ]
    laid: dict[str, tuple[bytes, int]] = {}
    scratch: tuple[str, ...] = ()
    if len(tests) <= _MOST_FILES and sum(map(len, tests.values())) <= _MOST_BYTES:
        laid = {f"/{name}": (data, _mode(name)) for name, data in tests.items()}
        scratch = ("/tests",)
    else:
        mounts.append(Mount(_on_disk(place, tests), "/tests"))
    verifier = task.config.verifier
    spec = SandboxSpec(
        label="test-sh",
        role="run",
        mounts=tuple(mounts),
        files=laid,
        scratch=scratch,
        workdir=APP,
        env={**image.manifest.env, **_given(task, "verifier.env", verifier.env)},
        limits=_limits(task, on.cpu_set),
    )
    argv = ("/bin/bash", "-c", "/tests/test.sh")
    return run_inside(on.backend, spec, argv, seconds=verifier.timeout_sec, begun=begun)


def run_solution(task: Task, image: Image, place: Room, on: Hardware) -> Ended:
    """Run /solution/solve.sh in a sandbox that holds the workspace and the solution, no tests."""
    if not (task.solution / "solve.sh").is_file():
        raise TaskError(
            task.solution / "solve.sh", "is missing", remedy="add it: it is what the oracle runs"
        )
    laid = {
        f"/solution/{name}": (files.read_inside(task.path, f"solution/{name}"), _mode(name))
        for name in files.tree(task.path, "solution")
    }
    spec = SandboxSpec(
        label="solution",
        role="build",
        mounts=(
            Mount(place.app, APP, writable=True),
            Mount(place.logs, "/logs", writable=True),
            *image.mounts(frozenset({"tests", "solution", "logs", "orig"})),
        ),
        files=laid,
        scratch=("/solution",),
        workdir=APP,
        env={**image.manifest.env, **_given(task, "solution.env", task.config.solution.env)},
        limits=_limits(task, on.cpu_set),
    )
    limit = task.config.agent.timeout_sec or 600.0
    argv = ("/bin/bash", "-c", "/solution/solve.sh")
    return run_inside(on.backend, spec, argv, seconds=limit)


def _limits(task: Task, cpu_set: tuple[int, ...] | None) -> Limits:
    memory = task.config.environment.memory_limit_mb or _MEMORY
    return Limits(
        memory_mb=memory,
        pids=1024,
        cpu_set=cpu_set,
        tmp_mb=max(_LEAST_TMP, memory // 2),
        file_mb=task.config.environment.storage_limit_mb or 4096,
    )


def _image_tests(image: Image) -> Iterator[tuple[str, bytes]]:
    """What the Dockerfile itself put at /tests: expected results, say."""
    if "tests" in image.manifest.folders:
        root = image.folder("tests")
        for name in files.tree(root):
            yield name, files.read_inside(root, name)


def _on_disk(place: Room, tests: Mapping[str, bytes]) -> Path:
    for name, data in tests.items():
        path = place.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(_mode(name))
    root = place.root / "tests"
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o755)  # whatever the umask
    return root


def _mode(name: str) -> int:
    return 0o555 if posixpath.splitext(name)[1] in ("", ".sh", ".py", ".pl") else 0o444


def _given(task: Task, key: str, env: Mapping[str, str]) -> dict[str, str]:
    """The variables that task.toml sets. What it wants of the host's own is never given."""

    def value(match: re.Match[str]) -> str:
        if match[2] is None:
            raise TaskError(
                task.path / "task.toml",
                "asks for a variable of the host, which no sandbox is given",
                key=key,
                value=match[0],
                remedy=f"state a default, ${{{match[1]}:-...}}",
            )
        return match[2]

    return {name: _VARIABLE.sub(value, text) for name, text in env.items()}
