from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from verifier.sandbox import hierarchy, places
from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.hierarchy import Controllers
from verifier.sandbox.process import BubblewrapProcess
from verifier.sandbox.spec import Exit, Limits, SandboxSpec

PATIENCE = 20.0


@dataclass
class Ran:
    exit: Exit
    out: str
    err: str


class Lab:
    """Starts sandboxes for a test and ends whatever is left of them."""

    def __init__(self, backend: Bubblewrap) -> None:
        self.backend = backend
        self.started: list[BubblewrapProcess] = []

    def spec(self, limits: Mapping[str, Any] | None = None, **fields: Any) -> SandboxSpec:
        base = Limits(memory_mb=256, pids=64, tmp_mb=16)
        spec = SandboxSpec(label="test", role="run", limits=replace(base, **(limits or {})))
        return replace(spec, **fields)

    def start(
        self, argv: list[str] | str, spec: SandboxSpec | None = None, **launch: Any
    ) -> BubblewrapProcess:
        command = ["/bin/sh", "-c", argv] if isinstance(argv, str) else argv
        process = self.backend.launch(spec or self.spec(), command, **launch)
        self.started.append(process)
        return process

    def run(
        self,
        argv: list[str] | str,
        spec: SandboxSpec | None = None,
        fds: Mapping[int, int] | None = None,
    ) -> Ran:
        outputs = [_Collected(), _Collected()]
        process = self.start(argv, spec, stdout=outputs[0].write, stderr=outputs[1].write, fds=fds)
        for output in outputs:
            output.start()
        try:
            exit_ = process.wait(PATIENCE)
        except TimeoutError:
            process.kill()
            raise
        out, err = (output.text() for output in outputs)
        return Ran(exit_, out, err)

    def python(self, script: str, spec: SandboxSpec | None = None, **more: Any) -> Ran:
        return self.run(["/usr/bin/python3", "-I", "-S", "-c", script], spec, **more)

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait(PATIENCE)


class _Collected:
    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self.data = b""
        self.thread = threading.Thread(target=self._collect)

    def start(self) -> None:
        os.close(self.write)
        self.thread.start()

    def _collect(self) -> None:
        with os.fdopen(self.read, "rb") as file:
            self.data = file.read()

    def text(self) -> str:
        self.thread.join()
        return self.data.decode(errors="replace")


def eventually(holds: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Poll until it holds, or fail with `what`."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.02)
    pytest.fail(f"in {patience:.0f} s it did not come true that {what}")


def host_processes(marker: str) -> list[int]:
    """Processes on the host whose command line has the marker, this one aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., None]:
    return eventually


@pytest.fixture(name="host_processes")
def host_processes_fixture() -> Callable[[str], list[int]]:
    return host_processes


def _own_groups(controllers: Controllers) -> list[str]:
    mine = f".{os.getpid()}-"
    found: list[str] = []
    for tree in controllers.trees():
        found += [str(path) for path in tree.folder.iterdir() if mine in path.name]
    return found


def _version_1() -> Controllers:
    """What a machine without the version 2 tree would have."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines(keepends=True)
    return hierarchy.discover("".join(line for line in mounts if " - cgroup2 " not in line))


@pytest.fixture(params=["best", "v1", "bare"])
def lab(request: pytest.FixtureRequest, sandbox_backend: object) -> Iterator[Lab]:
    """With whatever control groups there are, with version 1 alone, and with none."""
    best = Bubblewrap()
    controllers = {"best": best.controllers, "v1": _version_1(), "bare": Controllers()}[
        request.param
    ]
    if request.param == "best" and not controllers.trees():
        pytest.skip("no control groups can be used here (neither root nor a delegated cgroup v2)")
    if request.param == "v1" and controllers.freeze is None:
        pytest.skip("no version 1 control groups can be used here (needs root and such a kernel)")
    lab = Lab(Bubblewrap(controllers=controllers))
    yield lab
    lab.close()
    assert _own_groups(best.controllers) == [] == _own_groups(controllers)


@pytest.fixture
def grouped_lab(sandbox_backend: object) -> Iterator[Lab]:
    """Only where memory and processes of whole trees are limited by control groups."""
    backend = Bubblewrap()
    if backend.controllers.memory is None or backend.controllers.pids is None:
        pytest.skip("needs memory and pids control groups (root or a delegated cgroup v2)")
    lab = Lab(backend)
    yield lab
    lab.close()
    assert _own_groups(backend.controllers) == []


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory with a short path (a socket's may have 108 bytes)."""
    path = Path(tempfile.mkdtemp(prefix="al-"))
    yield path
    places.remove_all(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree to make workspaces from."""
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "hello.txt").write_text("hello\n")
    (folder / "sub" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (folder / "sub" / "run.sh").chmod(0o755)
    return folder
