"""Snapshots, stored by content: each file once, and a small manifest for each snapshot.

A snapshot is known by the hash of its editable files. One that could not be collected is stored as
its refusal, so that the verifier can say the same reason again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from engine.paths import make_private


class SnapshotMissingError(LookupError):
    """No snapshot of that name is stored, or one of its files is damaged."""


class Snapshot(msgspec.Struct, frozen=True):
    """The editable files (by path below /app), or why they were refused."""

    id: str
    files: dict[str, bytes]
    refused: str | None = None

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(map(len, self.files.values()))


class _Manifest(msgspec.Struct):
    files: dict[str, str]
    refused: str | None = None


class SnapshotReader:
    """Reads the snapshots of one state folder. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "files"
        self._manifests = folder / "manifests"

    def get(self, snapshot_id: str) -> Snapshot:
        """Read a snapshot back. Raises `SnapshotMissingError`."""
        try:
            data = (self._manifests / snapshot_id).read_bytes()
            manifest = msgspec.json.decode(data, type=_Manifest)
            files = {path: self._file(digest) for path, digest in manifest.files.items()}
        except (OSError, msgspec.MsgspecError) as error:
            raise SnapshotMissingError(f"snapshot {snapshot_id} cannot be read: {error}") from error
        return Snapshot(snapshot_id, files, manifest.refused)

    def _file(self, digest: str) -> bytes:
        data = (self._files / digest).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise SnapshotMissingError(f"the stored file {digest} is damaged")
        return data


class SnapshotStore(SnapshotReader):
    """Stores snapshots, too. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._lock = threading.Lock()  # between finding a file there and deleting it
        make_private(self._files)
        make_private(self._manifests)

    def put(self, snapshot_id: str, files: Mapping[str, bytes]) -> Snapshot:
        """Store the files of a snapshot; durable when it returns."""
        snapshot = Snapshot(snapshot_id, dict(files))
        hashes = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
        for path, digest in hashes.items():
            self._keep(self._files / digest, files[path])
        self._keep(self._manifests / snapshot_id, msgspec.json.encode(_Manifest(hashes)))
        return snapshot

    def put_refused(self, reason: str) -> Snapshot:
        """Store that an artifact was refused, and why."""
        snapshot_id = hashlib.sha256(b"refused\0" + reason.encode()).hexdigest()
        self._keep(self._manifests / snapshot_id, msgspec.json.encode(_Manifest({}, reason)))
        return Snapshot(snapshot_id, {}, reason)

    def discard(self, needed: Collection[str], *, before: float, dry_run: bool) -> tuple[int, int]:
        """Delete what no needed snapshot has and nobody stored since; how many files and bytes.

        `before` is Unix time. Raises `OSError`, and `SnapshotMissingError` where it cannot be told
        which files a needed snapshot has.
        """
        kept: set[str] = set()
        spare = []
        for manifest in self._manifests.iterdir():
            if manifest.name in needed or manifest.stat().st_mtime >= before:
                kept.update(self._digests(manifest))
            else:
                spare.append(manifest)
        spare += [file for file in self._files.iterdir() if file.name not in kept]
        files = size = 0
        for path in spare:
            with self._lock:
                facts = path.stat()
                if facts.st_mtime >= before:
                    continue
                if not dry_run:
                    path.unlink()
            files, size = files + 1, size + facts.st_size
        return files, size

    def _digests(self, manifest: Path) -> list[str]:
        try:
            return list(msgspec.json.decode(manifest.read_bytes(), type=_Manifest).files.values())
        except msgspec.MsgspecError as error:
            raise SnapshotMissingError(
                f"snapshot {manifest.name} cannot be read: {error}; put the file back from a copy"
            ) from error

    def _keep(self, path: Path, data: bytes) -> None:
        """Have a file there, as one that was needed just now."""
        with self._lock:
            try:
                os.utime(path)
                return
            except FileNotFoundError:
                pass
        _write_once(path, data)


def _write_once(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all, and only once."""
    if path.exists():
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
