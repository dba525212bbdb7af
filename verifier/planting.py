"""Writing files below a directory that may be an agent's: the way back from `artifact.collect`.

Nothing in that directory is trusted. Every folder is opened by descriptor without following links,
and every file appears whole, beside the place and renamed into it, so that a link that stands there
is replaced and never followed. The directory's owner should be frozen or dead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

from tasks import globs
from verifier.artifact import check_path, printable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 16
_MOST_ENTRIES = 20_000


class PlantingError(ValueError):
    """A file cannot be put where it belongs; the message names it and the reason."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{printable(path)}: {why}")


def plant(
    directory: Path, files: Mapping[str, bytes], *, owner: int | None = None, clear: bool = False
) -> None:
    """Put files below `directory`, or change nothing but folders that were missing.

    A file that is there keeps its mode. With `clear` whatever stands in a file's way (a link where
    a folder should be, a folder where a file should be) is removed; else it is refused. New files
    and folders belong to `owner`, a uid, where one is given and we may.

    Raises `PlantingError` for what is in the way, `OSError` when the disk does not take it, and
    `verifier.artifact.ArtifactRefusedError` for a path that is not plain.
    """
    for path in files:
        check_path(path)
    with _Planter(directory, owner, clear) as planter:
        for path, data in sorted(files.items()):
            planter.write(path, data)
        planter.settle()


def in_the_way(directory: Path, files: Iterable[str]) -> list[str]:
    """Which of these files are there already, whatever they are; follows no link."""
    try:
        root = os.open(directory, _FOLDER & ~os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    try:
        return [path for path in files if _there(root, path.split("/"))]
    finally:
        os.close(root)


def weed(directory: Path, patterns: Sequence[str], keep: Set[str]) -> list[str]:
    """Remove what the editable globs `patterns` name and `keep` does not hold; the paths.

    Raises `PlantingError`, before anything is removed, where there is more than anyone would look
    through.
    """
    root = os.open(directory, _FOLDER & ~os.O_NOFOLLOW)
    try:
        _Weeder(tuple(patterns), keep, only_look=True).walk(root, "")
        weeder = _Weeder(tuple(patterns), keep, only_look=False)
        weeder.walk(root, "")
    finally:
        os.close(root)
    return sorted(weeder.removed)


class _Planter:
    """Files written beside their places, and the folders that are open for them."""

    def __init__(self, directory: Path, owner: int | None, clear: bool) -> None:
        self._owner = owner if os.geteuid() == 0 else None
        self._clear = clear
        self._folders = {"": os.open(directory, _FOLDER & ~os.O_NOFOLLOW)}
        self._waiting: list[tuple[int, str, str, str]] = []  # folder, beside, name, path

    def __enter__(self) -> _Planter:
        return self

    def __exit__(self, *_: object) -> None:
        for waiting in self._waiting:
            with contextlib.suppress(OSError):
                os.unlink(waiting[1], dir_fd=waiting[0])
        for folder in self._folders.values():
            os.close(folder)

    def write(self, path: str, data: bytes) -> None:
        """Write a file beside its place."""
        above, _, name = path.rpartition("/")
        folder = self._folder(above)
        beside = f".{secrets.token_hex(8)}.new"
        fd = os.open(beside, _NEW, 0o600, dir_fd=folder)
        self._waiting.append((folder, beside, name, path))
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(fd, _mode_of(folder, name))
            self._give_away(fd)

    def settle(self) -> None:
        """Move what was written into place."""
        for folder, _, name, path in self._waiting:
            found = _look(folder, name)
            if found is not None and not stat.S_ISREG(found.st_mode):
                self._make_way(folder, name, path, "is not a regular file")
        while self._waiting:
            folder, beside, name, _ = self._waiting[0]
            os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            self._waiting.pop(0)

    def _folder(self, path: str) -> int:
        """A descriptor of the folder at `path`, which is made where it is missing."""
        if path in self._folders:
            return self._folders[path]
        above, _, name = path.rpartition("/")
        parent = self._folder(above)
        found = _look(parent, name)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            self._make_way(parent, name, path, "is not a folder")
            found = None
        if found is None:
            os.mkdir(name, 0o700, dir_fd=parent)
        fd = _open_folder(parent, name)
        self._folders[path] = fd
        if found is None:
            os.fchmod(fd, 0o755)
            self._give_away(fd)
        return fd

    def _make_way(self, folder: int, name: str, path: str, what: str) -> None:
        if not self._clear:
            raise PlantingError(path, f"{what}; move it away")
        _remove(folder, name, path)

    def _give_away(self, fd: int) -> None:
        if self._owner is not None:
            os.fchown(fd, self._owner, self._owner)


class _Weeder:
    """One walk over an agent's directory."""

    def __init__(self, patterns: tuple[str, ...], keep: Set[str], *, only_look: bool) -> None:
        self.removed: list[str] = []
        self._only_look = only_look
        self._patterns = patterns
        self._keep = keep
        self._above = {folder for path in keep for folder in _parents(path)}
        # A folder of a pattern, as far as it has no wildcard: nothing else may stand there.
        self._stems = {
            stem for pattern in patterns for stem in _parents(pattern) if not _wild(stem)
        }
        self._entries = 0

    def walk(self, folder: int, prefix: str) -> None:
        for name in list(self._names(folder, prefix)):
            path = prefix + name
            found = _look(folder, name)
            if found is None or path in self._keep:
                continue
            if stat.S_ISDIR(found.st_mode):
                if self._as_a_file(path) and path not in self._above:
                    self._take_out(folder, name, path)
                elif self._leads_on(path):
                    self._enter(folder, name, path)
            elif path in self._stems or globs.matches_any(self._patterns, path):
                self._take_out(folder, name, path)

    def _enter(self, folder: int, name: str, path: str) -> None:
        if path.count("/") >= _DEEPEST:
            raise PlantingError(path, f"more than {_DEEPEST} folders deep")
        inner = _open_folder(folder, name)
        try:
            self.walk(inner, f"{path}/")
        finally:
            os.close(inner)

    def _names(self, folder: int, prefix: str) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                self._entries += 1
                if self._entries > _MOST_ENTRIES:
                    raise PlantingError(prefix or ".", f"more than {_MOST_ENTRIES} entries")
                yield entry.name

    def _take_out(self, folder: int, name: str, path: str) -> None:
        if not self._only_look:
            _remove(folder, name, path)
        self.removed.append(path)

    def _as_a_file(self, path: str) -> bool:
        """Whether only a file may be at `path`: the pattern that names it ends in a name."""
        return any(
            globs.matches(pattern, path)
            for pattern in self._patterns
            if pattern.rpartition("/")[2] != "**"
        )

    def _leads_on(self, path: str) -> bool:
        """Whether some pattern may name something below the folder `path`."""
        parts = path.split("/")
        return any(_may_lead(pattern.split("/"), parts) for pattern in self._patterns)


def _may_lead(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    for want, part in zip(pattern, parts, strict=False):
        if want == "**":
            return True
        if not globs.matches(want, part):
            return False
    return len(pattern) > len(parts)


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count])


def _wild(text: str) -> bool:
    return any(c in text for c in "*?[")


def _look(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _there(root: int, parts: Sequence[str]) -> bool:
    """Whether something is at a path, or on the way there where a folder should be."""
    found = _look(root, parts[0])
    if found is None or len(parts) == 1 or not stat.S_ISDIR(found.st_mode):
        return found is not None
    inner = _open_folder(root, parts[0])
    try:
        return _there(inner, parts[1:])
    finally:
        os.close(inner)


def _open_folder(parent: int, name: str) -> int:
    """A folder's descriptor; one that its owner closed to themselves is opened again."""
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        look = os.open(name, os.O_PATH | _FOLDER, dir_fd=parent)
        try:
            Path(f"/proc/self/fd/{look}").chmod(0o755)
        finally:
            os.close(look)
        return os.open(name, _FOLDER, dir_fd=parent)


def _mode_of(folder: int, name: str) -> int:
    found = _look(folder, name)
    if found is None or not stat.S_ISREG(found.st_mode):
        return 0o644
    return found.st_mode & 0o777 | 0o600


def _remove(folder: int, name: str, path: str) -> None:
    """Remove a file, a link, or a folder with all that is in it; links are not followed."""
    found = _look(folder, name)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=folder)
        return
    try:
        shutil.rmtree(name, dir_fd=folder)
    except (OSError, RecursionError) as error:
        raise PlantingError(path, f"it is a folder that cannot be removed: {error}") from error
