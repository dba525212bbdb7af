"""The verifier's half of a candidate written in Python: driver.c's protocol, word for word.

Started as `python3 -I -B driver.py ENTRY`. The file ENTRY below /app is imported, and must define
`solve(given)`: it takes a read-only memoryview of the input and returns something with a contiguous
buffer of exactly the output's size. Descriptor 3 is a SOCK_SEQPACKET socket to the host, descriptor
4 the output, a memfd of that size. R (ready) is said after the import and before there is an input.
D (done) follows when the result has been written, or F and a code. Nothing here is trusted: a
candidate that takes this file's part plays by the same rules. Only the standard library may be
used.
"""

import array  # noqa: F401 - recv_fds would import it on the clock
import importlib.util
import mmap
import os
import signal
import socket
import sys
import typing

CONTROL = 3
OUTPUT = 4
FOLDER = "/app"
RAISED, NO_BUFFER, WRONG_SIZE = 1, 2, 3
BROKEN_CONTROL = 102
NO_SOLVE = 104


def load(entry: str) -> typing.Callable[[memoryview], typing.Any]:
    """Import the candidate; whatever it raises ends this process with status 1."""
    sys.path.insert(0, FOLDER)
    name = entry.removesuffix(".py").replace("/", ".")
    spec = importlib.util.spec_from_file_location(name, f"{FOLDER}/{entry}")
    if spec is None or spec.loader is None:
        sys.exit(NO_SOLVE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    solve = getattr(module, "solve", None)
    if not callable(solve):
        sys.exit(NO_SOLVE)
    return typing.cast("typing.Callable[[memoryview], typing.Any]", solve)


def receive(control: socket.socket) -> memoryview:
    """Wait for "go" and map the input that comes with it."""
    message, fds, _flags, _address = socket.recv_fds(control, 1, 1)
    if message != b"G" or len(fds) != 1:
        sys.exit(BROKEN_CONTROL)
    size = os.fstat(fds[0]).st_size
    if size == 0:
        return memoryview(b"")
    flags = mmap.MAP_PRIVATE | mmap.MAP_POPULATE
    view = memoryview(mmap.mmap(fds[0], size, flags=flags, prot=mmap.PROT_READ))
    os.close(fds[0])  # mmap keeps one of its own
    return view


def deliver(result: typing.Any, size: int) -> int:
    """Write the result to the output; 0 when it is one."""
    try:
        whole = memoryview(result).cast("B")
    except (TypeError, ValueError):
        return NO_BUFFER
    if whole.nbytes != size:
        return WRONG_SIZE
    at = 0
    while at < size:
        at += os.pwrite(OUTPUT, whole[at:], at)
    return 0


def main() -> None:
    """One input, one output."""
    size = os.fstat(OUTPUT).st_size
    control = socket.socket(fileno=CONTROL)
    solve = load(sys.argv[1])
    control.send(b"R")
    given = receive(control)
    try:
        code = deliver(solve(given), size)
    except Exception:
        code = RAISED
    control.send(b"D" if code == 0 else bytes((ord("F"), code)))
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
