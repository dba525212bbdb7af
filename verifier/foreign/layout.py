"""Which files of a foreign task's workspace an agent may change, and taking them from there.

The format has no word for it. In this order of trust: what is known of a public task by name
(`known_tasks.toml`), what task.toml declares as artifacts, else every file that the Dockerfile
copied below /app, and new ones. Never those whose hash, or whose copy, the task's tests hold: it
checks itself that these stay as they are. What building left (programs, caches) never crosses.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks import Task, files, globs
from verifier import planting
from verifier.artifact import (
    Artifact,
    ArtifactRefusedError,
    Caps,
    check_path,
    pinned_edits,
    snapshot_hash,
)
from verifier.foreign import known
from verifier.foreign.image import Image
from verifier.foreign.recipe import APP
from verifier.pins import sha256

CAPS = Caps()
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
# Folders of tools, and what a compiler leaves: made anew from sources, never carried over.
_LEFT = frozenset(
    {".git", ".cache", ".cargo", ".mypy_cache", ".pytest_cache", ".venv", "__pycache__"}
    | {"node_modules", "target"}
)
_PRODUCTS = (".a", ".class", ".d", ".dll", ".gch", ".o", ".obj", ".pyc", ".pyo", ".rlib", ".so")
_BINARY = (b"\x7fELF", b"!<arch>\n", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a workspace by what may become of them; paths are relative to /app.

    `editable` are the pristine editable files with their content. With `opened` new files count
    as well; else `globs` (the editable ones) name all that does. `pinned` maps files that the task
    checks itself to the reason. `source` says in words where all this comes from.
    """

    editable: Mapping[str, bytes]
    opened: bool
    globs: tuple[str, ...]
    pinned: Mapping[str, str]
    made: frozenset[str]
    source: str

    def accepts(self, path: str) -> bool:
        """Whether a file of an agent at this path crosses to the verifier."""
        if path in self.pinned:
            return False
        if path in self.editable:
            return True
        if not self.opened:
            return globs.matches_any(self.globs, path)
        return path not in self.made and not _product(path)


def layout_of(task: Task, image: Image) -> Layout:
    """The layout of a task whose image is there."""
    root = image.folder("app")
    contents = {path: _read(root, path) for path in image.manifest.copied}
    stated = known.about(task)
    if stated is not None and stated.editable:
        chosen, source = stated.editable, "what is known of this public task"
    else:
        chosen, source = _artifacts(task), "the artifacts that task.toml declares"
    pinned = _pinned(task, image, contents, chosen)
    if not chosen:
        source = "all that the Dockerfile copies below /app and no test holds a hash or copy of"
    kept = {
        path: data
        for path, data in contents.items()
        if data is not None
        and path not in pinned
        and (not chosen or globs.matches_any(chosen, path))
    }
    return Layout(kept, not chosen, tuple(chosen), pinned, frozenset(image.manifest.made), source)


def _artifacts(task: Task) -> tuple[str, ...]:
    found = []
    for artifact in task.config.artifacts:
        path = posixpath.normpath(posixpath.join(APP, artifact.source))
        if path.startswith(f"{APP}/"):
            inner = path.removeprefix(f"{APP}/")
            found += [inner, f"{inner}/**"]
    return tuple(found)


def _read(root: Path, path: str) -> bytes | None:
    """A copied file; None for one that is too large to be an artifact."""
    data = files.read_inside(root, path)
    return data if len(data) <= CAPS.file_bytes else None


def _pinned(
    task: Task, image: Image, contents: Mapping[str, bytes | None], chosen: tuple[str, ...]
) -> dict[str, str]:
    tests = {
        name: files.read_inside(task.path, f"tests/{name}")
        for name in files.tree(task.path, "tests")
    }
    words = b"\n".join(data for data in tests.values() if len(data) <= files.TEXT_CAP)
    copies = {sha256(data) for data in tests.values()}
    found = {}
    for path, data in contents.items():
        hashed = image.manifest.copied[path]
        if chosen and not globs.matches_any(chosen, path):
            found[path] = "it is not one of the editable files"
        elif hashed in image.manifest.named:
            found[path] = "its hash stands in /orig"
        elif hashed.encode() in words:
            found[path] = "its hash stands in the tests"
        elif hashed in copies:
            found[path] = "the tests hold a copy of it"
        elif data is None:
            found[path] = f"it is larger than {CAPS.file_bytes >> 20} MiB"
    return found


def take(layout: Layout, directory: Path) -> Artifact:
    """The artifact in a workspace at `directory`, whose owner is frozen or dead.

    Raises `ArtifactRefusedError`.
    """
    found = _Walk(layout).run(directory)
    return Artifact(found, snapshot_hash(found))


def _exact(path: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def edits(layout: Layout, image: Image, directory: Path) -> tuple[str, ...]:
    """Which files that stay behind differ from the pristine ones; follows no link."""
    pristine = {
        path: files.read_inside(image.folder("app"), path)
        for path in layout.pinned
        if os.path.lexists(directory / path)
    }
    return pinned_edits(directory, pristine)


def put_back(
    layout: Layout, directory: Path, wanted: Mapping[str, bytes], owner: int | None
) -> list[str]:
    """Make the files that count those of `wanted`; what was removed for it.

    The workspace's processes stand still. Raises `PlantingError`, `OSError`.
    """
    try:
        there = set(take(layout, directory).files)
    except ArtifactRefusedError:
        there = set()
    names = sorted(there | layout.editable.keys() | wanted.keys())
    removed = planting.weed(directory, [_exact(path) for path in names], wanted.keys())
    planting.plant(directory, wanted, owner=owner, clear=True)
    return removed


def check(layout: Layout, given: Mapping[str, bytes]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files that may cross, and the names of those that stay behind.

    Raises `ArtifactRefusedError` for a name that is not plain, or too much.
    """
    for path in given:
        check_path(path)
    kept = {path: data for path, data in given.items() if layout.accepts(path)}
    for path, data in kept.items():
        if len(data) > CAPS.file_bytes:
            raise ArtifactRefusedError(path, f"{len(data)} bytes are over {CAPS.file_bytes}")
        if path not in layout.editable and data.startswith(_BINARY):
            raise ArtifactRefusedError(path, "it is a program, and only sources cross")
    if len(kept) > CAPS.files or sum(map(len, kept.values())) > CAPS.total_bytes:
        raise ArtifactRefusedError(
            max(kept), f"more than {CAPS.files} files or {CAPS.total_bytes} bytes"
        )
    return kept, tuple(sorted(given.keys() - kept.keys()))


def _product(path: str) -> bool:
    return bool(_LEFT & set(path.split("/"))) or path.endswith(_PRODUCTS)


class _Walk:
    """Everything below a workspace that counts, by descriptor and without following a link."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._entries = 0
        self.found: dict[str, bytes] = {}

    def run(self, directory: Path) -> dict[str, bytes]:
        try:
            root = os.open(directory, _FOLDER)
            try:
                self._folder(root, "")
            finally:
                os.close(root)
        except OSError as error:
            raise ArtifactRefusedError(
                str(directory), f"cannot be read: {error.strerror}"
            ) from error
        kept, _ = check(self._layout, self.found)
        return kept

    def _folder(self, folder: int, prefix: str) -> None:
        for name in sorted(self._names(folder, prefix)):
            path = prefix + name
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                if name not in _LEFT and path.count("/") < _DEEPEST:
                    inner = os.open(name, _FOLDER, dir_fd=folder)
                    try:
                        self._folder(inner, f"{path}/")
                    finally:
                        os.close(inner)
            elif path in self._layout.editable:
                self._take(folder, name, path)
            elif self._layout.accepts(path) and stat.S_ISREG(found.st_mode):
                self._perhaps(folder, name, path, found)

    def _names(self, folder: int, prefix: str) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                self._entries += 1
                if self._entries > CAPS.entries:
                    raise ArtifactRefusedError(
                        prefix or ".", f"more than {CAPS.entries} directory entries"
                    )
                yield entry.name

    def _take(self, folder: int, name: str, path: str) -> None:
        """An editable file: it must be one that can be taken."""
        data = _regular(folder, name, path)
        if data is not None:
            self.found[path] = data

    def _perhaps(self, folder: int, name: str, path: str, found: os.stat_result) -> None:
        """A new file: programs and what is too large to be a source stay behind."""
        if found.st_nlink != 1 or found.st_size > CAPS.file_bytes:
            return
        data = _regular(folder, name, path)
        if data is not None and not data.startswith(_BINARY):
            self.found[path] = data


def _regular(folder: int, name: str, path: str) -> bytes | None:
    try:
        fd = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArtifactRefusedError(path, f"cannot be opened: {error.strerror}") from error
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise ArtifactRefusedError(path, "it is not a regular file with one name")
        if found.st_size > CAPS.file_bytes or found.st_blocks * 512 + 4096 < found.st_size // 2:
            raise ArtifactRefusedError(path, f"it is larger than {CAPS.file_bytes} bytes, or holes")
        return file.read(CAPS.file_bytes + 1)
