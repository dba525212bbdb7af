"""Collecting an artifact: the editable files, as bytes, from a directory that an agent owns.

Nothing in that directory is trusted. Every component is opened by descriptor without following
links, and only small regular files with one name and a plain path are read. What does not fit is
refused as a whole, with the file and the reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks import globs
from verifier.pins import digest_of, sha256

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_LONGEST_PATH = 512
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that an artifact may hold; `entries` bounds how much of a directory is looked at."""

    files: int = 256
    file_bytes: int = 4 << 20
    total_bytes: int = 16 << 20
    entries: int = 20_000


@dataclass(frozen=True, slots=True)
class Artifact:
    """The editable files by their posix path, and the snapshot's hash over them."""

    files: Mapping[str, bytes]
    hash: str


class ArtifactRefusedError(ValueError):
    """The artifact cannot be accepted: `path` is the file at fault, `why` the reason."""

    def __init__(self, path: str, why: str) -> None:
        self.path = printable(path)
        self.why = why
        super().__init__(f"{self.path}: {why}")


def printable(text: str, limit: int = 200) -> str:
    """Agent-written text made safe to show: no control characters, no half characters, short."""
    clean = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def snapshot_hash(files: Mapping[str, bytes]) -> str:
    """The identity of a set of editable files: a SHA-256 over their sorted paths and hashes."""
    return digest_of({path: sha256(data) for path, data in files.items()})


def check_path(path: str) -> None:
    """Raise `ArtifactRefusedError` unless `path` is a plain relative posix path."""
    if not path or len(path) > _LONGEST_PATH:
        raise ArtifactRefusedError(path, f"its name is not 1 to {_LONGEST_PATH} characters long")
    if not path.isprintable() or "\\" in path:
        raise ArtifactRefusedError(path, "its name has a control character or a backslash")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ArtifactRefusedError(path, "its name is not a plain relative path")
    if any(part.startswith("-") for part in parts):
        raise ArtifactRefusedError(path, "its name begins with '-' and could pass for an option")


def check_files(files: Mapping[str, bytes], patterns: Sequence[str], caps: Caps) -> None:
    """Raise `ArtifactRefusedError` unless these files are an acceptable artifact.

    A pattern without wildcards names a file that must be there.
    """
    for path, data in files.items():
        check_path(path)
        if not globs.matches_any(patterns, path):
            raise ArtifactRefusedError(path, "it is not one of the task's editable files")
        if len(data) > caps.file_bytes:
            raise ArtifactRefusedError(path, _too_large(len(data), caps))
    if len(files) > caps.files:
        raise ArtifactRefusedError(max(files), f"more than {caps.files} files")
    if sum(map(len, files.values())) > caps.total_bytes:
        raise ArtifactRefusedError(max(files), f"more than {caps.total_bytes} bytes in all")
    for pattern in patterns:
        if not _wild(pattern) and pattern not in files:
            raise ArtifactRefusedError(pattern, "the file is missing")


def collect(directory: Path | str, patterns: Sequence[str], caps: Caps | None = None) -> Artifact:
    """Read the files below `directory` that the editable globs `patterns` name.

    Raises `ArtifactRefusedError`. The directory's owner should be frozen or dead: a file that
    changes while it is read is refused.
    """
    caps = caps or Caps()
    collector = _Collector(tuple(patterns), caps)
    try:
        root = os.open(directory, _DIRECTORY)
    except OSError as error:
        raise ArtifactRefusedError(str(directory), f"cannot be opened: {error.strerror}") from error
    try:
        for pattern in patterns:
            collector.take(root, pattern.split("/"), "")
    except OSError as error:
        raise ArtifactRefusedError(str(directory), f"cannot be read: {error.strerror}") from error
    finally:
        os.close(root)
    files = collector.files
    check_files(files, patterns, caps)
    return Artifact(files, snapshot_hash(files))


def pinned_edits(
    directory: Path | str, pristine: Mapping[str, bytes], caps: Caps | None = None
) -> tuple[str, ...]:
    """Which pinned files of the workspace at `directory` differ from the `pristine` ones.

    They are never carried over; this only lets the verdict say so.
    """
    caps = caps or Caps()
    edited = []
    for path, data in sorted(pristine.items()):
        room = Caps(1, max(len(data), 1), max(len(data), 1), caps.entries)
        try:
            found = collect(directory, [_literal(path)], room).files[path]
        except ArtifactRefusedError:
            edited.append(path)
            continue
        if found != data:
            edited.append(path)
    return tuple(edited)


def _literal(path: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _wild(pattern: str) -> bool:
    return any(c in pattern for c in "*?[")


def _too_large(size: int, caps: Caps) -> str:
    return f"its size of {size} bytes is above the limit of {caps.file_bytes}"


class _Collector:
    """One walk: what it found, and how much it may still look at."""

    def __init__(self, patterns: tuple[str, ...], caps: Caps) -> None:
        self.files: dict[str, bytes] = {}
        self._patterns = patterns
        self._caps = caps
        self._entries = 0
        self._bytes = 0

    def take(self, directory: int, parts: Sequence[str], prefix: str) -> None:
        """Take what `parts` of a pattern names below the open `directory`."""
        part, rest = parts[0], parts[1:]
        if prefix.count("/") > _DEEPEST:
            raise ArtifactRefusedError(prefix, f"more than {_DEEPEST} directories deep")
        if part == "**":
            self._take_any_depth(directory, parts, prefix)
        elif not _wild(part):
            self._enter(directory, part, rest, prefix)
        else:
            for name in self._names(directory, prefix):
                if globs.matches(part, name):
                    self._enter(directory, name, rest, prefix)

    def _take_any_depth(self, directory: int, parts: Sequence[str], prefix: str) -> None:
        if len(parts) > 1:
            self.take(directory, parts[1:], prefix)
        for name in self._names(directory, prefix):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                self._enter(directory, name, parts, prefix)
            elif len(parts) == 1:
                self._enter(directory, name, (), prefix)

    def _names(self, directory: int, prefix: str) -> Iterator[str]:
        with os.scandir(directory) as entries:
            for entry in entries:
                self._entries += 1
                if self._entries > self._caps.entries:
                    raise ArtifactRefusedError(
                        prefix or ".", f"more than {self._caps.entries} directory entries"
                    )
                yield entry.name

    def _enter(self, directory: int, name: str, rest: Sequence[str], prefix: str) -> None:
        path = prefix + name
        if not rest:
            if path not in self.files and globs.matches_any(self._patterns, path):
                self._read(directory, name, path)
            return
        try:
            inner = os.open(name, _DIRECTORY, dir_fd=directory)
        except FileNotFoundError:
            return
        except OSError as error:
            why = "is not a plain directory" if _is_other(directory, name) else error.strerror
            raise ArtifactRefusedError(path, f"cannot be entered: {why}") from error
        try:
            self.take(inner, rest, path + "/")
        finally:
            os.close(inner)

    def _read(self, directory: int, name: str, path: str) -> None:
        check_path(path)
        # O_PATH looks without touching: opening a device or a FIFO outright can act or block.
        try:
            look = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ArtifactRefusedError(path, f"cannot be opened: {error.strerror}") from error
        try:
            self._check_kind(path, os.fstat(look))
            try:
                fd = os.open(f"/proc/self/fd/{look}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                raise ArtifactRefusedError(path, f"cannot be read: {error.strerror}") from error
        finally:
            os.close(look)
        with os.fdopen(fd, "rb") as file:
            before = os.fstat(fd)
            self._check_kind(path, before)
            data = file.read(self._caps.file_bytes + 1)
            after = os.fstat(fd)
        if len(data) != before.st_size or _stamp(before) != _stamp(after):
            raise ArtifactRefusedError(path, "it changed while it was read")
        self._bytes += len(data)
        if len(self.files) >= self._caps.files:
            raise ArtifactRefusedError(path, f"more than {self._caps.files} files")
        if self._bytes > self._caps.total_bytes:
            raise ArtifactRefusedError(path, f"more than {self._caps.total_bytes} bytes in all")
        self.files[path] = data

    def _check_kind(self, path: str, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise ArtifactRefusedError(path, f"it is {_kind(found.st_mode)}, not a regular file")
        if found.st_nlink != 1:
            raise ArtifactRefusedError(path, f"it has {found.st_nlink} names (hard links)")
        if found.st_size > self._caps.file_bytes:
            raise ArtifactRefusedError(path, _too_large(found.st_size, self._caps))


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _is_other(directory: int, name: str) -> bool:
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    return not stat.S_ISDIR(found.st_mode)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFDIR: "a directory",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something unknown")
