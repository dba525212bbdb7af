"""Building the image of a foreign task, step by step, each in a sandbox of its own."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import secrets
import stat
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from tasks import Task, files
from verifier import memfd, pins
from verifier.foreign import recipe as recipes
from verifier.foreign.image import (
    Image,
    ImageError,
    Manifest,
    failed_file,
    find,
    flat,
    images,
    inside,
    key_of,
    packages_stamp,
)
from verifier.foreign.recipe import APP, TOOLS, Copy, Run
from verifier.foreign.sandboxed import run_inside
from verifier.sandbox import places
from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.spec import Backend, Limits, Mount, SandboxSpec

MOST = 40  # images that are kept
_LEAST_BUILD = 600.0
_UNPACK = ("/bin/tar", "--extract", "--file=-", "--directory=/", "--no-same-owner", "--touch")
_SEPARATE = frozenset({"logs"})  # made anew for every verification
Progress = Callable[[str], None]


def ensure(
    task: Task,
    backend: Backend | None = None,
    progress: Progress = lambda _: None,
    cpu_set: tuple[int, ...] | None = None,
) -> Image:
    """The task's image, built first where it is not there.

    Building may take minutes and belongs on the main thread or one that lives on: its sandboxes
    end with it. Raises `ImageError`, `SandboxUnavailableError`.
    """
    found = find(task)
    if found is not None:
        return found
    key = key_of(task)
    with _alone(images() / f"{key}.lock"):
        found = find(task)  # somebody else may have built it meanwhile
        if found is not None:
            return found
        _make_room()
        place = images() / f"{key}.{secrets.token_hex(4)}"
        try:
            _Build(task, place, backend or Bubblewrap(), cpu_set).run(progress)
            place.rename(images() / key)
        except ImageError as error:
            failed_file(task).write_text(f"{packages_stamp()}\n{error}", "utf-8")
            raise
        finally:
            places.remove(place)
        failed_file(task).unlink(missing_ok=True)
    built = find(task)
    if built is None:
        raise ImageError(f"the image of {task.name} changed while it was built; try again")
    return built


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _make_room() -> None:
    """Drop the images that were longest of no use."""
    kept = sorted(
        (entry for entry in images().iterdir() if entry.is_dir()),
        key=lambda entry: entry.stat().st_mtime,
    )
    for entry in kept[: max(0, len(kept) - MOST + 1)]:
        places.remove(entry)


class _Build:
    """One build: every step in a sandbox of its own, all around the same folders."""

    def __init__(
        self, task: Task, place: Path, backend: Backend, cpu_set: tuple[int, ...] | None
    ) -> None:
        self._task, self._place = task, place
        self._backend, self._cpu_set = backend, cpu_set
        self._recipe = recipe = recipes.read(task)
        if recipe.problems:
            raise ImageError("; ".join(recipe.problems))
        environment = task.config.environment
        self._deadline = time.monotonic() + max(environment.build_timeout_sec, _LEAST_BUILD)
        self._memory = max(environment.memory_limit_mb or 0, 2048)
        self._folders = sorted(recipe.folders - _SEPARATE)

    def run(self, progress: Progress) -> None:
        """Carry out every step and write the manifest. Raises `ImageError`."""
        uid = Bubblewrap().identity.host_uid("build")
        tree = self._place / "tree"
        for folder in (self._place, tree):
            _make(folder, 0o711)
        folders = [tree / flat(name) for name in self._folders]
        for folder in (*folders, self._place / "tmp"):
            _make(folder, 0o755)
            if os.geteuid() == 0:
                os.chown(folder, uid, uid)
        if self._recipe.tools:
            (tree / flat(TOOLS) / "python").symlink_to("/usr/bin/python3")
        for step in self._recipe.steps:
            progress(f"image: line {step.line}")
            if isinstance(step, Copy):
                self._copy(step)
            else:
                self._run(step)
        places.remove(self._place / "tmp")
        for folder in folders:
            _settle(folder)
        (self._place / "manifest.json").write_bytes(msgspec.json.encode(self._manifest()))

    def _spec(self, cwd: str, env: Mapping[str, str]) -> SandboxSpec:
        mounts = [
            Mount(self._place / "tree" / flat(name), inside(name), writable=True)
            for name in self._folders
        ]
        mounts.append(Mount(self._place / "tmp", "/tmp", writable=True))
        return SandboxSpec(
            label="image",
            role="build",
            mounts=tuple(mounts),
            scratch=tuple(f"/{name}" for name in sorted(self._recipe.folders & _SEPARATE)),
            workdir=cwd,
            env=dict(env),
            limits=Limits(memory_mb=self._memory, pids=1024, cpu_set=self._cpu_set, file_mb=4096),
        )

    def _copy(self, step: Copy) -> None:
        blob = io.BytesIO()
        with tarfile.open(fileobj=blob, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, name in sorted(step.placed.items()):
                source = f"environment/{name}"
                data = files.read_inside(self._task.path, source)
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size = len(data)
                executable = (self._task.path / source).stat().st_mode & 0o111
                entry.mode = step.mode or (0o755 if executable else 0o644)
                tar.addfile(entry, io.BytesIO(data))
        given = memfd.holding(blob.getvalue())
        try:
            self._step(step, self._spec("/", {}), _UNPACK, given)
        finally:
            os.close(given)

    def _run(self, step: Run) -> None:
        self._step(step, self._spec(self._cwd(step), step.env), step.argv, None)

    def _cwd(self, step: Run) -> str:
        """Its working directory, made as Docker makes it."""
        if step.cwd not in {"/", APP}:
            self._step(step, self._spec("/", {}), ("/bin/mkdir", "-p", step.cwd), None)
        return step.cwd

    def _step(
        self, step: Copy | Run, spec: SandboxSpec, argv: tuple[str, ...], stdin: int | None
    ) -> None:
        left = self._deadline - time.monotonic()
        ended = run_inside(self._backend, spec, argv, seconds=max(left, 1.0), stdin=stdin)
        if ended.timed_out:
            why = "took longer than the time for building"
        elif ended.out_of_memory:
            why = f"ran out of memory ({self._memory} MB)"
        elif ended.code != 0:
            why = f"ended with status {ended.code}: {ended.last_line}"
        else:
            return
        raise ImageError(f"{recipes.DOCKERFILE} line {step.line}: {step.shown}: {why}")

    def _manifest(self) -> Manifest:
        app = self._place / "tree" / "app"
        found = dict(_hashes(app))
        copied = {}
        for step in self._recipe.steps:
            for path, name in step.placed.items() if isinstance(step, Copy) else ():
                if path.startswith(f"{APP}/"):
                    hashed = pins.sha256(files.read_inside(self._task.path, f"environment/{name}"))
                    copied[path.removeprefix(f"{APP}/")] = hashed
        copied = {path: hashed for path, hashed in copied.items() if found.get(path) == hashed}
        words = b"\n".join(_contents(self._place / "tree" / "orig"))
        return Manifest(
            folders=tuple(self._folders),
            env={**self._recipe.env},
            copied=copied,
            made=tuple(sorted(found.keys() - copied.keys())),
            named=tuple(sorted(h for h in copied.values() if h.encode() in words)),
        )


def _make(folder: Path, mode: int) -> None:
    """A new folder of that mode, whatever the umask."""
    folder.mkdir()
    folder.chmod(mode)


def _settle(folder: Path) -> None:
    """Make what a build left ours: nothing but files, folders and links; readable for all."""
    for _, names, plain, at in os.fwalk(folder, follow_symlinks=False):
        for name in (*names, *plain):
            mode = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                pass
            elif stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                extra = 0o555 if stat.S_ISDIR(mode) or mode & 0o111 else 0o444
                os.chmod(name, (mode & 0o755) | 0o200 | extra, dir_fd=at)
            else:
                os.unlink(name, dir_fd=at)
                continue
            if os.geteuid() == 0:
                os.chown(name, 0, 0, dir_fd=at, follow_symlinks=False)
    if os.geteuid() == 0:
        os.chown(folder, 0, 0)


def _hashes(folder: Path) -> Iterator[tuple[str, str]]:
    for where, _, plain, at in os.fwalk(folder, follow_symlinks=False):
        for name in plain:
            if not stat.S_ISREG(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                continue
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=at)
            with os.fdopen(fd, "rb") as file:
                hashed = hashlib.file_digest(file, "sha256").hexdigest()
            yield (Path(where) / name).relative_to(folder).as_posix(), hashed


def _contents(folder: Path) -> Iterator[bytes]:
    """The small files of a folder, which may not be there."""
    if not folder.is_dir():
        return
    for _, _, plain, at in os.fwalk(folder, follow_symlinks=False):
        for name in plain:
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and found.st_size <= files.TEXT_CAP:
                with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=at), "rb") as file:
                    yield file.read()
