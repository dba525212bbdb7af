"""The ledger in one file that a third party can check, offline and without AutoLab."""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from verifier.ledger import keys
from verifier.ledger.audit import Audit, Problem, audit
from verifier.ledger.ledger import Head
from verifier.ledger.manifests import decoded

_LARGEST = 1 << 30  # bytes of all files in a bundle together
_MOST_FILES = 10_000
_TASKS = "tasks/"
_README = """\
# Verdicts of AutoLab, and how to check them

`verdicts` has an entry a line, `HASH SIGNATURE CONTENT`; CONTENT is JSON. The first entry names the
public key, which is also in `key.pem`; its fingerprint is {key}.
There are {entries} entries. The last hash, the head, is {head}.

With AutoLab, without a network:    autolab verdicts verify --bundle THIS_FILE
With Python and openssl alone:      tar -xzf THIS_FILE && python3 check.py

One entry by hand, here the last, with `sha256sum` and openssl 3:

    tail -n 1 verdicts | {{
      read -r hash signature content
      printf 'autolab/ledger-entry/1\\n%s' "$content" | sha256sum; echo "$hash"
      printf 'autolab/ledger-signature/1\\n%s' "$hash" > signed
      printf %s "$signature" | base64 -d > signature
      openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in signed -sigfile signature
    }}

(After a change of key, which is an entry of kind `key`, the key is the one that this entry names.)
Each CONTENT has `n`, counted from 1, and `previous_hash`, the HASH of the line before it. A verdict
is under `verdict`; its `task_hash` names the file below `tasks/` with the SHA-256 of each file of
the task that was judged. That hash is the SHA-256 over `PATH NUL SHA256 NEWLINE` of all the files,
sorted by path.

What this proves: whoever holds the private key of this fingerprint recorded these verdicts, in this
order, and nobody else changed, dropped or added one. It does not prove that the holder of the key
did not write the ledger anew. For that, compare head and fingerprint with ones that were published
or handed over earlier: `autolab verdicts verify --bundle THIS_FILE --head HASH --key FINGERPRINT`.
"""


class BundleError(ValueError):
    """A file that is no bundle; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle holds that counts."""

    lines: Sequence[bytes]
    head: Head
    tasks: Mapping[str, bytes]

    def audit(self, *, key: str | None = None, head: str | None = None) -> Audit:
        """Check the entries, and the lists of the tasks' files; see `audit.audit`."""
        found = audit(self.lines, self.head, key=key, head=head)
        if len(self.lines) > self.head.entries:
            what = f"{len(self.lines)} entries, and the bundle states {self.head.entries}"
            found.problems.append(Problem(None, what))
        for task_hash, data in sorted(self.tasks.items()):
            try:
                decoded(data, task_hash)
            except ValueError as error:
                what = f"the files of task {task_hash[:16]} are not what they were: {error}"
                found.problems.append(Problem(None, what))
        return found


def write(
    path: Path, lines: Sequence[bytes], tasks: Mapping[str, bytes], *, dry_run: bool = False
) -> Audit:
    """Write a bundle of the ledger's lines and what is kept of each task, by its hash.

    Raises `BundleError` when the ledger is empty or not whole, and `OSError`.
    """
    found = audit(lines)
    if found.problems:
        first = found.problems[0]
        raise BundleError(
            f"the ledger is not whole (entry {first.entry} {first.what}), so nothing is exported; "
            "`autolab verdicts verify` says more"
        )
    public = found.entries[0].content.public_key if found.entries else None
    if public is None or found.head is None:
        raise BundleError("the ledger has no entry yet, so there is nothing to export")
    if dry_run:
        return found
    readme = _README.format(
        key=found.keys[0].fingerprint, entries=len(found.entries), head=found.head
    )
    files = {
        "README.md": readme.encode(),
        "check.py": Path(__file__).with_name("outside.py").read_bytes(),
        "head.json": msgspec.json.encode(Head(len(found.entries), found.head)),
        "key.pem": keys.public_pem(bytes.fromhex(public)),
        "verdicts": b"".join(line + b"\n" for line in lines),
        **{f"{_TASKS}{name}.json": each for name, each in sorted(tasks.items())},
    }
    if not path.parent.is_dir():
        raise BundleError(f"there is no folder {path.parent}; make it, or name another file")
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with tarfile.open(new, "w:gz") as tar:
            for name, data in files.items():
                facts = tarfile.TarInfo(name)
                facts.size, facts.mode = len(data), 0o644
                tar.addfile(facts, io.BytesIO(data))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return found


def read(path: Path) -> Bundle:
    """The bundle in a file that a stranger made. Raises `BundleError` and `OSError`."""
    files: dict[str, bytes] = {}
    left = _LARGEST
    try:
        with tarfile.open(path, "r:gz") as tar:
            for count, facts in enumerate(tar):
                if count >= _MOST_FILES or facts.size > left:
                    raise BundleError(f"{path} is too large for a bundle")
                file = tar.extractfile(facts) if facts.isreg() else None
                if file is None or facts.name in files:
                    raise BundleError(f"{path} is no bundle: {facts.name!r} is not a file of one")
                files[facts.name] = file.read(left)
                left -= len(files[facts.name])
        return Bundle(
            lines=files["verdicts"].split(b"\n")[:-1],
            head=msgspec.json.decode(files["head.json"], type=Head),
            tasks={
                name.removeprefix(_TASKS).removesuffix(".json"): data
                for name, data in files.items()
                if name.startswith(_TASKS)
            },
        )
    except KeyError as error:
        raise BundleError(f"{path} is no bundle: it has no {error.args[0]}") from error
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{path} is no bundle: {error}") from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise BundleError(f"{path} is no bundle: {error}") from error  # not compressed
