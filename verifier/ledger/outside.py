#!/usr/bin/env python3
"""Checks a bundle of verdicts without AutoLab: Python's standard library, and openssl.

    python3 check.py [DIR]      DIR holds the unpacked bundle (default: where this file lies)

Prints what is wrong, and ends with code 0 when nothing is, 3 when something is. It is written apart
from AutoLab's own check, so that a mistake in one does not hide behind the same one in the other.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import typing

# What stands before the 32 bytes of an ed25519 key in a DER public key (RFC 8410).
PREFIX = bytes.fromhex("302a300506032b6570032100")


def signed_by(public: str, hash_: str, signature: str) -> bool:
    """Ask openssl whether the owner of the key (hex) signed the hash."""
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        (folder / "key").write_bytes(PREFIX + bytes.fromhex(public))
        (folder / "data").write_bytes(b"autolab/ledger-signature/1\n" + hash_.encode())
        (folder / "signature").write_bytes(base64.b64decode(signature))
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
        command += ["-inkey", "key", "-in", "data", "-sigfile", "signature"]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def chain(lines: list[str]) -> typing.Iterator[str]:
    """What is wrong with the entries, one line of words for each problem."""
    public, before = None, None
    for number, line in enumerate(lines, 1):
        hash_, signature, text = line.split(" ", 2)
        content = json.loads(text)
        if hashlib.sha256(b"autolab/ledger-entry/1\n" + text.encode()).hexdigest() != hash_:
            yield f"entry {number}: the content was changed"
        if content["n"] != number or content["previous_hash"] != before:
            yield f"entry {number}: it does not follow from the one before it"
        if content["kind"] == "key" and content["lost"] and public is not None:
            print(f"note: entry {number}: a new key, for which the old one did not vouch")
        if content["kind"] == "key" and (public is None or content["lost"]):
            public = content["public_key"]
        if public is None or not signed_by(public, hash_, signature):
            yield f"entry {number}: the signature is wrong"
        if content["kind"] == "key":
            public = content["public_key"]
        before = hash_


def tasks(folder: pathlib.Path) -> typing.Iterator[str]:
    """What is wrong with the lists of the tasks' files."""
    for file in sorted(folder.glob("*.json")):
        hashes = json.loads(file.read_text("utf-8"))["files"]
        lines = "".join(f"{name}\0{hashes[name]}\n" for name in sorted(hashes))
        if hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest() != file.stem:
            yield f"{file.name}: the hashes of the files do not make the hash of the task"


def main() -> int:
    """Check, print, and return the exit code."""
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    folder = folder if folder.is_dir() else folder.parent
    lines = (folder / "verdicts").read_text("ascii").split("\n")[:-1]
    head = json.loads((folder / "head.json").read_text("ascii"))
    problems = [*chain(lines), *tasks(folder / "tasks")]
    if len(lines) != head["entries"] or lines[-1].split(" ")[0] != head["hash"]:
        problems.append("the entries do not end at the head that the bundle states")
    for problem in problems:
        print(problem)
    print(f"{len(lines)} entries, head {head['hash']}: {'NOT WHOLE' if problems else 'whole'}")
    return 3 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
