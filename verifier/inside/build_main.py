"""Builds a candidate inside a sandbox.

Started as `python3 -I build_main.py SPEC` in the directory to build in. The sources arrive as a tar
on stdin; SPEC is JSON: {"commands": [[word, ...], ...], "output": PATH}. The program that was built
is copied to descriptor 3, a memfd of fixed size. What happened is one JSON object on stdout:
{"ok", "size", "command", "code", "log"}. Only the standard library may be used here.
"""

import json
import os
import stat
import subprocess
import sys
import tarfile
import threading
import typing

PROGRAM = 3
HEAD = 6000
TAIL = 6000


class Log:
    """The beginning and the end of what the commands print; a flood costs no memory."""

    def __init__(self) -> None:
        self.head = b""
        self.tail = b""
        self.dropped = 0

    def add(self, data: bytes) -> None:
        """Take in what was printed."""
        room = HEAD - len(self.head)
        self.head += data[:room]
        self.tail += data[room:] if room > 0 else data
        extra = len(self.tail) - TAIL
        if extra > 0:
            self.dropped += extra
            self.tail = self.tail[extra:]

    def text(self) -> str:
        """What is kept, with the size of the gap."""
        middle = b""
        if self.dropped:
            middle = f"\n[... {self.dropped} bytes left out ...]\n".encode()
        return (self.head + middle + self.tail).decode("utf-8", "replace")


def drain(pipe: int, log: Log) -> None:
    """Read `pipe` to its end."""
    while True:
        data = os.read(pipe, 65536)
        if not data:
            return
        log.add(data)


def run(words: list[str], log: Log) -> int:
    """Run one command; its exit status, or 127 when it cannot be started."""
    reader, writer = os.pipe()
    try:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, close_fds=True
        )
    except OSError as error:
        os.close(reader)
        os.close(writer)
        log.add(f"{words[0]}: {error.strerror}\n".encode())
        return 127
    os.close(writer)
    thread = threading.Thread(target=drain, args=(reader, log), daemon=True)
    thread.start()
    code = child.wait()
    thread.join(1.0)  # a child left behind may hold the pipe: its words are not waited for
    return code


def copy_out(path: str) -> int | str:
    """Copy the program to the memfd and return its size, or words on why not."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return f"the build made no {path}: {error.strerror}"
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        return f"{path} is not a regular file"
    room = os.fstat(PROGRAM).st_size
    if found.st_size > room:
        return f"{path} has {found.st_size} bytes, more than the {room} allowed"
    at = 0
    while at < found.st_size:
        piece = os.pread(fd, 1 << 20, at)
        if not piece:
            break
        os.pwrite(PROGRAM, piece, at)
        at += len(piece)
    return at


def build(spec: dict[str, typing.Any], log: Log) -> dict[str, typing.Any]:
    """Run the commands in order and take the result."""
    for words in spec["commands"]:
        code = run(words, log)
        if code != 0:
            return {"ok": False, "command": " ".join(words), "code": code}
    size = copy_out(spec["output"])
    if isinstance(size, str):
        log.add(size.encode())
        return {"ok": False, "command": "", "code": None}
    return {"ok": True, "size": size, "command": "", "code": 0}


def main() -> None:
    """Unpack, build, report."""
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as sources:
        sources.extractall(".")
    log = Log()
    report = build(json.loads(sys.argv[1]), log)
    report["log"] = log.text()
    sys.stdout.write(json.dumps(report))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
