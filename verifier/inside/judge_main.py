"""Runs a task's judge.py inside a sandbox, one request at a time.

Started as `python3 -I judge_main.py`, with judge.py and whatever lies beside it in /judge.
Descriptor 3 is a SOCK_SEQPACKET socket to the host. A request is one JSON object with the memfds
that it needs attached; so is the answer: {"ok": true, ...} or {"ok": false, "error": TEXT}. Only
the standard library may be used here, and nothing of AutoLab is on the path. A judge.py may also
use the modules that its task needs.
"""

import importlib.util
import inspect
import json
import mmap
import os
import socket
import sys
import traceback
import types
import typing

CONTROL = 3
MESSAGE = 1 << 16
FOLDER = "/judge"
EVIDENCE = 400
Request = dict[str, typing.Any]
Answer = dict[str, typing.Any]
Fds = list[int]


def load() -> types.ModuleType:
    """Import /judge/judge.py; files beside it can be imported by it."""
    sys.path.insert(0, FOLDER)
    spec = importlib.util.spec_from_file_location("judge", FOLDER + "/judge.py")
    if spec is None or spec.loader is None:
        raise ImportError("there is no judge.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["judge"] = module
    spec.loader.exec_module(module)
    return module


def view(fd: int) -> memoryview:
    """The content of a memfd as a read-only memoryview."""
    size = os.fstat(fd).st_size
    if size == 0:
        return memoryview(b"")
    return memoryview(mmap.mmap(fd, size, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE))


def write_all(fd: int, data: bytes) -> None:
    """Write `data` from the start of `fd`."""
    whole, at = memoryview(data), 0
    while at < len(whole):
        at += os.pwrite(fd, whole[at : at + (1 << 20)], at)


def gates_of(found: typing.Iterable[typing.Any]) -> list[list[object]]:
    """Gates as plain lists, their evidence cut to what an answer can carry."""
    gates: list[list[object]] = []
    for name, passed, evidence in found:
        # Half characters, which an artifact may hold and evidence may quote, are no JSON.
        words = str(evidence)[:EVIDENCE].encode("utf-8", "replace").decode()
        gates.append([str(name), bool(passed), words])
    return gates


def cases(judge: types.ModuleType, request: Request, _fds: Fds) -> Answer:
    """The test cases, and whether the judge has a check of its own."""
    found = [
        {"name": str(c["name"]), "timed": bool(c["timed"]), "params": c["params"]}
        for c in judge.cases(request["params"])
    ]
    return {"cases": found, "checks": hasattr(judge, "check")}


def generate(judge: types.ModuleType, request: Request, fds: Fds) -> Answer:
    """A fresh input, written to the first memfd."""
    data, output_size = judge.generate(request["params"], request["seed"])
    write_all(fds[0], data)
    return {"input_size": len(data), "output_size": int(output_size)}


def check(judge: types.ModuleType, request: Request, fds: Fds) -> Answer:
    """The judge's word on one output: input, output, expected."""
    return {"gates": gates_of(judge.check(request["params"], *(view(fd) for fd in fds)))}


def judge_files(judge: types.ModuleType, request: Request, fds: Fds) -> Answer:
    """The judge's word on a data artifact, whose files lie one after another in the memfd."""
    blob, at, files = bytes(view(fds[0])), 0, {}
    for name, size in request["files"]:
        files[name] = blob[at : at + size]
        at += size
    given = [files, request["params"]]
    if len(inspect.signature(judge.judge).parameters) > len(given):
        given.append(request["seed"])
    result = judge.judge(*given)
    metric = result.get("metric")
    return {
        "gates": gates_of(result.get("gates", ())),
        "metric": None if metric is None else float(metric),
    }


def confirm(_judge: types.ModuleType, _request: Request, _fds: Fds) -> Answer:
    """Nothing but an answer: whatever was said before it was said twice."""
    return {}


OPERATIONS = {
    "cases": cases,
    "generate": generate,
    "check": check,
    "judge": judge_files,
    "confirm": confirm,
}


def answer(judge: types.ModuleType, message: bytes, fds: Fds) -> bytes:
    """The answer to one request, with its number; whatever the judge raises becomes words."""
    number = 0
    try:
        request = json.loads(message)
        number = request["n"]
        result = OPERATIONS[request["op"]](judge, request, fds)
        reply = json.dumps({"ok": True, "n": number, **result}).encode()
    except BaseException as error:  # a judge may also call sys.exit
        return failure(error, number)
    if len(reply) > MESSAGE:
        return failure(ValueError("the answer is too long"), number)
    return reply


def failure(error: BaseException, number: int = 0) -> bytes:
    """What went wrong, and where in judge.py."""
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(FOLDER):
            where = f" ({frame.filename[len(FOLDER) + 1 :]} line {frame.lineno})"
    text = f"{type(error).__name__}: {str(error)[:EVIDENCE]}{where}"
    text = text.encode("utf-8", "replace").decode()
    return json.dumps({"ok": False, "n": number, "error": text}).encode()


def main() -> None:
    """Answer until the host closes its end."""
    control = socket.socket(fileno=CONTROL)
    try:
        judge = load()
    except BaseException as error:
        control.send(failure(error))
        return
    control.send(b'{"ok": true}')
    while True:
        message, fds, _flags, _address = socket.recv_fds(control, MESSAGE, 4)
        if not message:
            return
        reply = answer(judge, message, fds)
        for fd in fds:
            os.close(fd)
        control.send(reply)


if __name__ == "__main__":
    main()
