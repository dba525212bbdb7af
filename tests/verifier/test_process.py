"""`python -m verifier`: a process that speaks JSON lines and dies with its parent."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil

from tasks import Task
from verifier.request import VerifyRequest, decode, encode
from verifier.verdict import Verdict

COMMAND = [sys.executable, "-m", "verifier"]


class Line(msgspec.Struct):
    phase: str | None = None
    verdict: Verdict | None = None


def test_a_request_survives_the_wire() -> None:
    request = VerifyRequest(task="/x", files={"a/b.c": b"\xff\x00"}, stage="final", size="full")
    assert decode(encode(request)) == request


def test_phases_come_first_and_the_verdict_last(
    sandboxes: None, task_dir: Path, task: Task
) -> None:
    request = VerifyRequest(task=str(task_dir), files=task.baseline(), session="s-9")
    done = subprocess.run(COMMAND, input=encode(request), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    lines = [msgspec.json.decode(line, type=Line) for line in done.stdout.splitlines()]
    assert [line.phase for line in lines[:3]] == ["pins", "artifact", "build"]
    assert all(line.phase and not line.verdict for line in lines[:-1])
    verdict = lines[-1].verdict
    assert verdict is not None
    assert (verdict.session, verdict.reward) == ("s-9", 0.0)


def test_a_request_that_cannot_be_read_is_wrong_usage() -> None:
    for data in (b"", b"{}", b'{"task": 1}', b'{"task": "/x", "wrong": 1}'):
        done = subprocess.run(COMMAND, input=data, capture_output=True, check=False)
        assert done.returncode == 2
        assert b"request on stdin" in done.stderr
        assert done.stdout == b""


def test_it_dies_with_its_parent_and_leaves_no_process(
    sandboxes: None, task_dir: Path, task: Task, tmp_path: Path
) -> None:
    source = '#include "solve.h"\nvoid count_equal(const unsigned char *b, size_t n, uint32_t *c)\n'
    source += "{ (void)b; (void)n; (void)c; for (;;) {} }\n"
    toml = task_dir / "task.toml"
    toml.write_text(toml.read_text().replace("timeout_sec = 2\n", "timeout_sec = 60\n"))
    from verifier import pins

    pins.write(task_dir)
    request = tmp_path / "request.json"
    request.write_bytes(
        encode(VerifyRequest(task=str(task_dir), files={"solve.c": source.encode()}))
    )
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({COMMAND!r}, stdin=open({str(request)!r}), "
        "stdout=subprocess.PIPE)\n"
        "for line in child.stdout:\n"
        "    if b'correctness' in line: break\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        verifier = psutil.Process(int(parent.stdout.readline()))
        family = [verifier]
        deadline = time.monotonic() + 10
        while len(family) < 3 and time.monotonic() < deadline:  # itself, bwrap, what is inside
            family = [verifier, *verifier.children(recursive=True)]
        parent.kill()
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
