"""`python -m verifier`: one request in, phases and one verdict out.

stdin is a `VerifyRequest` as JSON, to its end. stdout is JSON lines: {"phase": TEXT} as often as
there is news, then {"verdict": {...}}. Exit code 0 with a verdict, 2 for an unreadable request. The
process ends with its parent, and every sandbox with it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from typing import Any

import msgspec

from verifier.request import decode


def _die_with_parent() -> None:
    """End this process when its parent ends, whichever thread of the parent started it."""
    parent = os.getppid()
    if parent == 0:  # the parent is outside our pid namespace and cannot be watched
        return
    try:
        pidfd = os.pidfd_open(parent)
    except OSError:  # it is gone already
        os._exit(1)
    if os.getppid() != parent:
        os._exit(1)

    def watch() -> None:
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        waiting.poll()
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def _stop(signum: int, _frame: object) -> None:
    raise SystemExit(128 + signum)  # unwinds, so that sandboxes are ended in good order


def main() -> int:
    """Read, verify, print; returns the exit code."""
    _die_with_parent()
    signal.signal(signal.SIGTERM, _stop)
    try:
        request = decode(sys.stdin.buffer.read())
    except msgspec.DecodeError as error:
        print(f"verifier: the request on stdin cannot be read: {error}", file=sys.stderr)
        return 2
    from verifier.sealed import verify

    verdict = verify(request, lambda phase: _say({"phase": phase}))
    _say({"verdict": verdict})
    return 0


if __name__ == "__main__":
    sys.exit(main())
