"""What stands in the ledger, byte for byte.

A line is `HASH SIGNATURE CONTENT`. CONTENT is one JSON object: keys sorted, no spaces, nothing but
ASCII, finite numbers only. HASH is the SHA-256, in hex, of the line "autolab/ledger-entry/1" and
CONTENT. SIGNATURE is ed25519, in base64, over the line "autolab/ledger-signature/1" and HASH. Both
are taken of the bytes as they stand, so a checker needs no JSON writer that agrees with ours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from verifier.verdict import Verdict

ENTRY_DOMAIN = b"autolab/ledger-entry/1\n"
SIGNATURE_DOMAIN = b"autolab/ledger-signature/1\n"
_CHAINED = ("previous_hash", "hash", "signature")  # keys of a verdict that the ledger gives it


class EntryError(ValueError):
    """A line that is no entry; the message says why."""


class Where(msgspec.Struct, frozen=True):
    """Where a session stood when its snapshot was taken: seconds, tokens, turns, US dollars."""

    active: float
    wall: float
    tokens: int = 0
    turns: int = 0
    cost: float | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry says. `n` counts from 1; `key` is the fingerprint of the key that signed it.

    A `key` entry names the public key (hex) of the entries after it; `lost` says that the key
    before it was gone, so that the new one signed. A `verdict` entry holds a verdict without its
    place in the chain, where its session stood, and for a new grade of an old verdict `why`.
    """

    n: int
    previous_hash: str | None
    kind: Literal["key", "verdict"]
    key: str
    at: str
    public_key: str | None = None
    lost: bool = False
    verdict: dict[str, Any] | None = None
    where: Where | None = None
    why: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One line: its content, the bytes of it that were hashed, the hash and the signature."""

    content: Content
    data: bytes
    hash: str
    signature: str

    @property
    def line(self) -> bytes:
        """As it stands in the file."""
        return b"%s %s %s\n" % (self.hash.encode(), self.signature.encode(), self.data)

    @property
    def next_key(self) -> str:
        """The fingerprint of the key that must sign the entry after this one."""
        public = self.content.public_key
        return self.content.key if public is None else fingerprint(bytes.fromhex(public))

    @property
    def verdict_id(self) -> str | None:
        """The id of the verdict in it, if one is."""
        return None if self.content.verdict is None else str(self.content.verdict.get("id"))

    @property
    def verdict(self) -> Verdict:
        """The verdict with its place in the chain. Raises `EntryError` where there is none."""
        found = self.content.verdict
        if found is None:
            raise EntryError(f"entry {self.content.n} holds no verdict")
        place = {
            "previous_hash": self.content.previous_hash,
            "hash": self.hash,
            "signature": self.signature,
        }
        try:
            return msgspec.convert({**found, **place}, Verdict)
        except msgspec.ValidationError as error:
            raise EntryError(f"entry {self.content.n} holds no verdict: {error}") from error


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one way to write an object. Raises `ValueError` for a number that is not finite."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return text.encode("ascii")


def bare(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain data, without its place in a chain."""
    found: dict[str, Any] = msgspec.to_builtins(verdict)
    return {key: value for key, value in found.items() if key not in _CHAINED}


def hash_of(data: bytes) -> str:
    """The hash of an entry from the bytes of its content."""
    return hashlib.sha256(ENTRY_DOMAIN + data).hexdigest()


def signed_bytes(hash_: str) -> bytes:
    """What the signature of an entry covers."""
    return SIGNATURE_DOMAIN + hash_.encode()


def fingerprint(public_key: bytes) -> str:
    """The name of a public key (32 bytes): the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(b"autolab/ledger-key/1\n" + public_key).hexdigest()[:32]


def signature_bytes(signature: str) -> bytes:
    """The 64 bytes of a signature, or nothing for a text that is not the one way to write one."""
    try:
        found = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
    # Four bits of the last digit stand for nothing, and may not be changed all the same.
    return found if base64.b64encode(found).decode() == signature else b""


def encode(content: Content) -> bytes:
    """The bytes of a content. Raises `ValueError` for a number that is not finite."""
    return canonical(msgspec.to_builtins(content))


def parse(line: bytes) -> Entry:
    """Read a line without its newline; that it fits is for `audit` to say. Raises `EntryError`."""
    try:
        hash_, signature, data = line.split(b" ", 2)
        text = hash_.decode("ascii"), signature.decode("ascii")
        content = msgspec.json.decode(data, type=Content)
        if content.public_key is not None:
            bytes.fromhex(content.public_key)
        if canonical(json.loads(data)) != data:
            raise EntryError("it is not written as entries are: keys sorted, no spaces, ASCII")
    except EntryError:
        raise
    except (ValueError, RecursionError) as error:
        raise EntryError(str(error) or "it is no entry") from error
    return Entry(content, data, *text)
