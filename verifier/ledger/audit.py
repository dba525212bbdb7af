"""Proving that a ledger is whole: nothing changed, dropped, added or put elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from verifier.ledger import keys
from verifier.ledger.entries import (
    Entry,
    EntryError,
    fingerprint,
    hash_of,
    parse,
    signature_bytes,
    signed_bytes,
)
from verifier.ledger.ledger import Head


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, and with which entry (counted from 1 by its place in the file)."""

    entry: int | None
    what: str


class KeySpan(msgspec.Struct, frozen=True):
    """A key and the first entry after it was named; `lost`: the key before it did not vouch."""

    fingerprint: str
    entry: int
    lost: bool


class Audit(msgspec.Struct):
    """What came of it; whole without `problems`. `head` is the last hash."""

    entries: list[Entry]
    verdicts: int
    head: str | None
    keys: list[KeySpan]
    problems: list[Problem]


def audit(
    lines: Sequence[bytes],
    noted: Head | None = None,
    *,
    key: str | None = None,
    head: str | None = None,
) -> Audit:
    """Check every line against the one before it, and its hash and its signature.

    `noted` is how far the ledger had come. `key` is the fingerprint of the key that the ledger must
    have begun with and never have lost; `head` a hash that must be in it, from an earlier audit.
    """
    found = Audit([], 0, None, [], [])
    chain = _Chain(found)
    for place, line in enumerate(lines, 1):
        chain.follow(place, line)
    _check_noted(found, noted)
    if head is not None and all(entry.hash != head for entry in found.entries):
        _say(found, None, f"the head {head} is not in it: entries were dropped or written anew")
    if key is not None:
        _check_key(found, key)
    return found


class _Chain:
    """The walk along the lines."""

    def __init__(self, found: Audit) -> None:
        self._found = found
        self._before: Entry | None = None
        self._public: bytes | None = None
        self._seen: dict[str, int] = {}
        self._hashes: dict[str, int] = {}

    def follow(self, place: int, line: bytes) -> None:
        found = self._found
        try:
            entry = parse(line)
        except EntryError as error:
            _say(found, place, f"cannot be read: {error}")
            # What follows is held against itself; that it does not follow from here is no news.
            self._before = None
            return
        wrong = self._place(place, entry) or self._seal(place, entry)
        if wrong:
            _say(found, place, wrong)
        self._note(place, entry)

    def _place(self, place: int, entry: Entry) -> str:  # noqa: PLR0911 - one return a fault
        content, before = entry.content, self._before
        if entry.hash in self._hashes:
            return f"is entry {self._hashes[entry.hash]} once more"
        if content.kind == "key" and content.public_key is None:
            return "names no key"
        if (content.kind == "verdict") != (content.verdict is not None):
            return f"is a {content.kind} entry, and has not what belongs to one"
        if place == 1 and (content.n != 1 or content.previous_hash is not None):
            return f"says that it is entry {content.n}: the entries before it were dropped"
        if place == 1 and content.kind != "key":
            return "does not name the key of the ledger"
        if before is None:
            return ""
        if content.n > before.content.n + 1:
            return f"says that it is entry {content.n}, after {before.content.n}: some were dropped"
        if content.n <= before.content.n:
            return f"says that it is entry {content.n}, after {before.content.n}: out of its order"
        if content.previous_hash != before.hash:
            return "does not follow from the entry before it: one of them was changed"
        return ""

    def _seal(self, place: int, entry: Entry) -> str:  # noqa: PLR0911 - one return a fault
        content = entry.content
        if hash_of(entry.data) != entry.hash:
            return "was changed: its hash is not that of its content"
        public = self._public
        if content.public_key is not None and (public is None or content.lost):
            public = bytes.fromhex(content.public_key)
        if public is None:
            return "is signed with a key that the ledger does not name"
        if content.key != fingerprint(public):
            return (
                f"is signed with the key {content.key}, and {fingerprint(public)} is the ledger's"
            )
        signed = signature_bytes(entry.signature)
        if not keys.good(public, signed, signed_bytes(entry.hash)):
            return "was written by somebody without the ledger's key: its signature is wrong"
        known = entry.verdict_id
        if known is not None and known in self._seen:
            return f"holds the verdict of entry {self._seen[known]} again"
        if known is not None:
            try:
                entry.verdict  # noqa: B018 - reading it is the check
            except EntryError as error:
                return str(error)
        return ""

    def _note(self, place: int, entry: Entry) -> None:
        found, content = self._found, entry.content
        self._before = entry
        self._hashes.setdefault(entry.hash, place)
        if content.public_key is not None:
            self._public = bytes.fromhex(content.public_key)
            lost = content.lost and bool(found.keys)
            found.keys.append(KeySpan(fingerprint(self._public), place, lost))
        if entry.verdict_id is not None:
            self._seen.setdefault(entry.verdict_id, place)
            found.verdicts += 1
        found.entries.append(entry)
        found.head = entry.hash


def _check_noted(found: Audit, noted: Head | None) -> None:
    if noted is None or any(entry.hash == noted.hash for entry in found.entries):
        return
    if noted.entries > len(found.entries):
        missing = noted.entries - len(found.entries)
        _say(found, None, f"{missing} entries at the end were dropped: there were {noted.entries}")
    elif not found.problems:
        _say(found, noted.entries, "is not the one that was noted when it was written")


def _check_key(found: Audit, key: str) -> None:
    if not found.keys or found.keys[0].fingerprint != key:
        first = found.keys[0].fingerprint if found.keys else "none"
        _say(found, 1, f"names the key {first}, not {key}")
    for span in found.keys:
        if span.lost:
            _say(
                found,
                span.entry,
                f"goes on with the key {span.fingerprint}, for which none vouched",
            )


def _say(found: Audit, entry: int | None, what: str) -> None:
    found.problems.append(Problem(entry, what))
