"""Writing the ledger: one file for each state folder, however many processes write it.

Whoever appends holds a lock on the file `lock`, reads the last line, and adds lines that follow
from it with one write and one flush. A write that was cut short (a crash, a full disk) leaves half
a line; nobody was told that it was recorded, and the next writer cuts it off.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from verifier.ledger import keys
from verifier.ledger.entries import (
    Content,
    Entry,
    EntryError,
    Where,
    bare,
    encode,
    hash_of,
    parse,
    signed_bytes,
)
from verifier.ledger.keys import LedgerError, SigningKey
from verifier.verdict import Verdict

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Record:
    """A verdict to append, where its session stood, and why it was graded anew if it was."""

    verdict: Verdict
    where: Where | None = None
    why: str = ""


class Head(msgspec.Struct, frozen=True):
    """How far the ledger had come, noted beside it: the number of entries and the last hash."""

    entries: int
    hash: str


class Ledger:
    """The ledger in `folder`. Methods may be called from any thread and any process.

    They raise `LedgerError` for a ledger or key that cannot be used, and `OSError` (a full disk)
    when nothing was recorded.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "verdicts"
        self.key_file = folder / "key.pem"
        self.head_file = folder / "head.json"

    @property
    def exists(self) -> bool:
        """Whether anything was ever recorded here."""
        return self.file.is_file() and self.file.stat().st_size > 0

    def open(self) -> None:
        """Make the key and the first entry where there are none; see that both can be used."""
        try:
            with self._locked(), self._writable() as file:
                last = self._last(file)
                key = self._key(last)
                if last is None:
                    self._write(file, None, key, [])
        except OSError as error:
            raise LedgerError(
                f"the ledger of verdicts {self.folder} cannot be written: {error.strerror}; make "
                "room on its disk or mend its rights, or use another folder with --state DIR"
            ) from error

    def append(self, records: Sequence[Record]) -> list[Entry]:
        """Record verdicts, all or none; what was recorded once is not recorded again."""
        with self._locked(), self._writable() as file:
            last = self._last(file)
            if last is not None and records and last.verdict_id == records[-1].verdict.id:
                # An earlier try came as far as the disk, and then was told of an error.
                return self._tail(len(records))
            return self._write(file, last, self._key(last), records)

    def rotate(self, *, lost: bool, dry_run: bool = False) -> Entry:
        """Go on with a new key, vouched for by the old one; by nobody where that is `lost`.

        Returns the entry that names the new key. With `dry_run` it is checked that this could be
        done, nothing is, and the entry names no key that there is.
        """
        if not self.exists:
            raise LedgerError(f"{self.folder} has no ledger yet, so no key to replace")
        with self._locked(), self._writable() as file:
            last = self._last(file)
            if last is None:
                raise LedgerError(f"{self.file} has no whole entry, so no key to replace")
            old = None if lost else self._key(last)
            if dry_run:
                content = msgspec.structs.replace(last.content, n=last.content.n + 1)
                return Entry(content, b"", "", "")
            kept = self.key_file.with_name(f"key-before-{last.content.n + 1}.pem")
            if self.key_file.exists() or self.key_file.is_symlink():
                self.key_file.replace(kept)
            try:
                new = keys.make(self.key_file)
                return self._add(file, last, [self._key_content(new, old)], old or new)[0]
            except BaseException:
                self.key_file.unlink(missing_ok=True)
                if kept.exists():
                    kept.replace(self.key_file)
                raise

    def lines(self) -> list[bytes]:
        """Every line that was recorded; half a one at the end was not."""
        if not self.file.is_file():
            return []
        with self._locked(shared=True):
            data = self.file.read_bytes()
        return data.split(b"\n")[:-1]

    def newest_first(self) -> Iterator[Entry]:
        """The entries from the last one back. Raises `EntryError` at one that is damaged."""
        for line in reversed(self.lines()):
            yield parse(line)

    def head(self) -> Head | None:
        """How far the ledger had come, as noted beside it; None where nothing is noted."""
        try:
            return msgspec.json.decode(self.head_file.read_bytes(), type=Head)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _write(
        self, file: int, last: Entry | None, key: SigningKey, records: Sequence[Record]
    ) -> list[Entry]:
        contents = [] if last is not None else [self._key_content(key, None, lost=False)]
        contents += [
            Content(
                n=0,
                previous_hash=None,
                kind="verdict",
                key=key.fingerprint,
                at=_now(),
                verdict=bare(record.verdict),
                where=record.where,
                why=record.why,
            )
            for record in records
        ]
        written = self._add(file, last, contents, key)
        return written[len(written) - len(records) :]

    def _add(
        self, file: int, last: Entry | None, contents: Sequence[Content], key: SigningKey
    ) -> list[Entry]:
        entries: list[Entry] = []
        for content in contents:
            before = entries[-1] if entries else last
            placed = msgspec.structs.replace(
                content,
                n=1 if before is None else before.content.n + 1,
                previous_hash=None if before is None else before.hash,
            )
            data = encode(placed)
            found = hash_of(data)
            entries.append(Entry(placed, data, found, key.sign(signed_bytes(found))))
        self._put(file, b"".join(entry.line for entry in entries))
        if entries:
            self._note_head(entries[-1])
        return entries

    def _put(self, file: int, data: bytes) -> None:
        size = os.fstat(file).st_size
        try:
            at = 0
            while at < len(data):
                at += os.pwrite(file, data[at:], size + at)
            os.fsync(file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(file, size)
            raise

    def _note_head(self, entry: Entry) -> None:
        # It may lag behind the ledger and never runs ahead, so a disk that does not take it does no
        # harm.
        new = self.head_file.with_suffix(".new")
        with contextlib.suppress(OSError):
            with new.open("wb") as out:
                out.write(msgspec.json.encode(Head(entry.content.n, entry.hash)))
                out.flush()
                os.fsync(out.fileno())
            new.replace(self.head_file)

    def _key_content(
        self, new: SigningKey, old: SigningKey | None, *, lost: bool = True
    ) -> Content:
        return Content(
            n=0,
            previous_hash=None,
            kind="key",
            key=(old or new).fingerprint,
            at=_now(),
            public_key=new.public.hex(),
            lost=lost and old is None,
        )

    def _key(self, last: Entry | None) -> SigningKey:
        """The key that must sign next; made where the ledger begins."""
        try:
            key = keys.load(self.key_file)
        except FileNotFoundError:
            if last is None:
                return keys.make(self.key_file)
            raise LedgerError(
                f"the ledger's key {self.key_file} is missing; restore it from a copy, or go on "
                "with a new one: `autolab verdicts rotate --lost`"
            ) from None
        if last is not None and key.fingerprint != last.next_key:
            raise LedgerError(
                f"{self.key_file} is not the key of the ledger beside it ({key.fingerprint}, not "
                f"{last.next_key}); restore the right one, or go on with a new one: `autolab "
                "verdicts rotate --lost`"
            )
        return key

    def _last(self, file: int) -> Entry | None:
        """The last entry, after half a line behind it was cut off."""
        size = os.fstat(file).st_size
        whole, start, tail = size, size, b""
        while start and tail.count(b"\n") < 2:
            start = max(0, start - _BLOCK)
            tail = os.pread(file, size - start, start)
        end = tail.rfind(b"\n") + 1
        if start + end < whole:
            os.ftruncate(file, start + end)
        if not end:
            return None
        try:
            entry = parse(tail[:end].rstrip(b"\n").rpartition(b"\n")[2])
        except EntryError as error:
            raise LedgerError(self._damaged(str(error))) from error
        if hash_of(entry.data) != entry.hash:
            raise LedgerError(self._damaged("its hash is not that of its content"))
        return entry

    def _damaged(self, why: str) -> str:
        return (
            f"the last entry of the ledger {self.file} is damaged ({why}), so nothing can follow "
            f"it; restore the file from a copy, or move the folder {self.folder} aside to begin a "
            "new ledger"
        )

    def _tail(self, count: int) -> list[Entry]:
        return [parse(line) for line in self.file.read_bytes().split(b"\n")[-1 - count : -1]]

    @contextmanager
    def _writable(self) -> Iterator[int]:
        file = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            yield file
        finally:
            os.close(file)

    @contextmanager
    def _locked(self, *, shared: bool = False) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(
            self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
