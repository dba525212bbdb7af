"""What the verifier is asked: one snapshot of one task, as plain data.

`python -m verifier` reads a `VerifyRequest` as JSON on stdin (`bytes` are base64).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from verifier.gpus.access import Access
from verifier.verdict import Anchors, Stage

SizeName = Literal["quick", "full"]


class VerifyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One snapshot to judge.

    `task` is the task's directory. `files` are the editable files by their path below /app. When
    collecting them was refused, `refused` is the reason and `files` is empty; `snapshot` then
    names what was refused (otherwise it is computed from the files). `task_hash` is the hash that
    the task must still have, and `task_files` the hashes of its files then, where they are known,
    so that a change can be named. `ignored_edits` are pinned files that the agent changed: they are
    noted. `measuring_cpus` and `working_cpus` are host CPU numbers; by default the last CPU (the
    last N for a task of N threads) measures and the others build and judge. `anchors` are measured
    ones to score by; without them the task's own count. `gpus` are the devices to judge on, those
    of the session's lease; without them the first that fit. `gpus_still` are the pid namespaces
    (inodes) of sandboxes that may have them open but stand still.
    """

    task: str
    files: dict[str, bytes] = {}
    refused: str | None = None
    snapshot: str | None = None
    stage: Stage = "manual"
    size: SizeName = "quick"
    session: str | None = None
    task_hash: str | None = None
    task_files: dict[str, str] | None = None
    ignored_edits: tuple[str, ...] = ()
    measuring_cpus: tuple[int, ...] | None = None
    working_cpus: tuple[int, ...] | None = None
    anchors: Anchors | None = None
    gpus: Access | None = None
    gpus_still: tuple[int, ...] = ()


_decoder = msgspec.json.Decoder(VerifyRequest)


def encode(request: VerifyRequest) -> bytes:
    """The request as one JSON object."""
    return msgspec.json.encode(request)


def decode(data: bytes) -> VerifyRequest:
    """Read what `encode` wrote. Raises `msgspec.ValidationError` naming the field at fault."""
    return _decoder.decode(data)
