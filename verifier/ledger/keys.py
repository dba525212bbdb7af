"""The key that signs verdicts: made on first use, readable by its owner only."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.ledger.entries import fingerprint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class LedgerError(RuntimeError):
    """The ledger cannot be used; the message names the file and the remedy."""


class SigningKey:
    """A private ed25519 key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()
        self.fingerprint = fingerprint(self.public)

    def sign(self, data: bytes) -> str:
        """The signature of `data` in base64."""
        return base64.b64encode(self._private.sign(data)).decode()


def load(path: Path) -> SigningKey:
    """The key in a file.

    Raises `FileNotFoundError`, and `LedgerError` when it is no key or others may have read it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _private_bytes(path)
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LedgerError(_no_key(path, str(error).splitlines()[0])) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise LedgerError(_no_key(path, "it is a key of another kind"))
    return SigningKey(private)


def make(path: Path) -> SigningKey:
    """Make a key and keep it at `path` (0600). Raises `FileExistsError` where one is."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private = Ed25519PrivateKey.generate()
    data = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Whole under its name or not at all: half a key would be in everybody's way.
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, data)
        os.fsync(file)
        os.link(new, path)
    finally:
        os.close(file)
        new.unlink(missing_ok=True)
    return SigningKey(private)


def public_pem(public: bytes) -> bytes:
    """A raw public key as other tools (openssl) read it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def good(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether `signature` is that of `data` by the owner of the raw key `public`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private_bytes(path: Path) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerError(
            f"the ledger's key {path} cannot be read: {error.strerror}; mend its rights "
            "(it belongs to whoever runs autolab, mode 0600)"
        ) from error
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise LedgerError(_no_key(path, "it is no regular file"))
        if facts.st_uid != os.geteuid():
            raise LedgerError(
                f"the ledger's key {path} belongs to uid {facts.st_uid}, not to uid "
                f"{os.geteuid()} who runs this; run autolab as its owner, or use another folder "
                "with --state DIR"
            )
        mode = stat.S_IMODE(facts.st_mode)
        if mode & 0o077:
            raise LedgerError(
                f"the ledger's key {path} has mode {mode:04o}, so others may have read it; "
                f"`chmod 600 {path}` if nobody has, and then `autolab verdicts rotate` if somebody "
                "could have"
            )
        return os.read(file, 1 << 16)
    finally:
        os.close(file)


def _no_key(path: Path, why: str) -> str:
    return (
        f"the ledger's key {path} cannot be used: {why}; restore it from a copy, or go on with a "
        "new one: `autolab verdicts rotate --lost`"
    )
