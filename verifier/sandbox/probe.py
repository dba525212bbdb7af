"""What this machine can do for sandboxes, found out by really starting some."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.needs import Need, script
from verifier.sandbox.process import BubblewrapProcess
from verifier.sandbox.spec import Exit, Limits, Role, SandboxSpec, SandboxUnavailableError

_PATIENCE = 20.0
_SLOT = 998
_TOOLS = {
    "python3": ("/usr/bin/python3", "python3"),
    "tmux": ("/usr/bin/tmux", "tmux"),
    "bash": ("/bin/bash", "bash"),
    "gcc": ("/usr/bin/gcc", "gcc libc6-dev"),
}
_DELEGATE = (
    "run as root, or give the user a delegated cgroup v2: "
    "systemd-run --user --scope -p Delegate=yes autolab engine start"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `autolab doctor`: `found` says what is there, `remedy` what to do if not `ok`."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def checks(backend: Bubblewrap | None = None) -> list[Check]:
    """All facts about isolation here; takes about a second. Never raises for what is missing."""
    backend = backend or Bubblewrap()
    try:
        backend.require()
    except SandboxUnavailableError as error:
        text = str(error)
        installed = shutil.which("bwrap") is not None
        return [
            Check("bubblewrap", installed, "installed" if installed else "not found", text),
            Check("isolation", False, "no sandbox can be started", text),
        ]
    kinds = backend.enforcement()
    return [
        Check("bubblewrap", True, shutil.which("bwrap") or "found"),
        Check("isolation", True, "user, pid, mount, ipc, uts and network namespaces"),
        _no_network(backend),
        _uids(backend),
        _memory(backend, kinds.memory),
        _pids(backend, kinds.pids),
        _cpus(kinds.cpus),
        _cpu_set(backend, kinds.cpu_set),
        _freeze(backend, kinds.freeze),
        *_tools(backend),
    ]


def found_inside(needs: Iterable[Need], backend: Bubblewrap | None = None) -> dict[Need, bool]:
    """Which of these things a sandbox has; one sandbox answers for all.

    Raises `SandboxUnavailableError` when no sandbox can be started.
    """
    wanted = list(dict.fromkeys(needs))
    _, output = _run(backend or Bubblewrap(), ["/bin/sh", "-c", script(wanted)], "build")
    present = {int(line) for line in output.split() if line.isdigit()}
    return {need: number in present for number, need in enumerate(wanted)}


def commands_inside(names: Iterable[str], backend: Bubblewrap | None = None) -> dict[str, bool]:
    """Which of these commands a sandbox has in its PATH; raises as `found_inside` does."""
    found = found_inside((Need("command", name) for name in names), backend)
    return {need.name: there for need, there in found.items()}


def _start(
    backend: Bubblewrap, argv: Sequence[str], role: Role, limits: Limits, stdout: int | None
) -> BubblewrapProcess:
    spec = SandboxSpec(label="probe", role=role, slot=_SLOT, limits=limits)
    return backend.launch(spec, argv, stdout=stdout)


def _run(
    backend: Bubblewrap, argv: Sequence[str], role: Role = "judge", limits: Limits | None = None
) -> tuple[Exit, str]:
    """Run to the end; what it printed comes back (a pipe's worth of it)."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as said:
        try:
            sandbox = _start(backend, argv, role, limits or Limits(), write)
        finally:
            os.close(write)
        try:
            exit_ = sandbox.wait(_PATIENCE)
        except TimeoutError:
            sandbox.kill()
            exit_ = sandbox.wait(_PATIENCE)
        return exit_, said.read().decode(errors="replace")


def _python(backend: Bubblewrap, script: str, limits: Limits) -> tuple[Exit, str]:
    return _run(backend, ["/usr/bin/python3", "-I", "-S", "-c", script], limits=limits)


def _no_network(backend: Bubblewrap) -> Check:
    _, output = _run(backend, ["/bin/cat", "/proc/net/dev"])
    devices = [line.split(":")[0].strip() for line in output.splitlines() if ":" in line]
    ok = devices == ["lo"]
    return Check(
        "no network inside",
        ok,
        f"interfaces inside: {', '.join(devices)}",
        "" if ok else "this is a defect of AutoLab: please report it with the text of this line",
    )


def _uids(backend: Bubblewrap) -> Check:
    level = backend.identity.level
    found = {
        "full": "a host uid of its own for each role and sandbox",
        "mapped": "subordinate uids",
        "single-uid": f"one uid ({backend.identity.single}) for all; namespaces keep them apart",
    }[level]
    remedy = "" if level == "full" else "start the engine as root to have separate uids"
    return Check("uids", level == "full", found, remedy)


def _memory(backend: Bubblewrap, kind: str | None) -> Check:
    script = "b = b'x' * (400 << 20)"
    exit_, _ = _python(backend, script, Limits(memory_mb=96))
    held = exit_.code != 0
    whole = held and kind is not None and "cgroup" in kind
    found = f"{kind}: allocating 400 MiB under a limit of 96 MiB {'failed' if held else 'worked'}"
    return Check("memory limit", whole, found, "" if whole else _DELEGATE)


def _pids(backend: Bubblewrap, kind: str | None) -> Check:
    script = (
        "import os, time\n"
        "n = 0\n"
        "try:\n"
        "  while n < 64:\n"
        "    if os.fork() == 0: time.sleep(60); os._exit(0)\n"
        "    n += 1\n"
        "except OSError: pass\n"
        "print(n)"
    )
    _, output = _python(backend, script, Limits(pids=16))
    count = int(output) if output.strip().isdigit() else 64
    ok = kind is not None and count <= 16
    return Check(
        "process limit",
        ok,
        f"{kind}: {count} of 64 processes could be started under a limit of 16",
        "" if ok else _DELEGATE,
    )


def _cpus(kind: str | None) -> Check:
    found = kind or "not enforced: a sandbox can use every CPU that it is allowed on"
    return Check("cpu quota", kind is not None, found, "" if kind else _DELEGATE)


def _cpu_set(backend: Bubblewrap, kind: str | None) -> Check:
    cpu = max(os.sched_getaffinity(0))
    script = (
        "import os, json\n"
        "try: os.sched_setaffinity(0, range(os.cpu_count()))\n"
        "except OSError: pass\n"
        "print(json.dumps(sorted(os.sched_getaffinity(0))))"
    )
    _, output = _python(backend, script, Limits(cpu_set=(cpu,)))
    try:
        held = json.loads(output) == [cpu]
    except ValueError:
        held = False
    word = "held" if held else "did not hold"
    return Check(
        "cpu set", held, f"{kind}: confining to CPU {cpu} {word}", "" if held else _DELEGATE
    )


def _freeze(backend: Bubblewrap, kind: str | None) -> Check:
    loop = ["/bin/sh", "-c", "while :; do :; done & while :; do :; done"]
    sandbox = _start(backend, loop, "judge", Limits(), None)
    try:
        time.sleep(0.1)
        sandbox.freeze()
        before = sandbox.cpu_seconds() or 0.0
        time.sleep(0.1)
        used = (sandbox.cpu_seconds() or 0.0) - before
    except (OSError, RuntimeError) as error:
        return Check("freezer", False, f"{kind}: {error}", _DELEGATE)
    finally:
        sandbox.kill()
        sandbox.wait(_PATIENCE)
    ok = used < 0.02
    found = f"{kind}: a busy tree used {used * 1000:.0f} ms of CPU in 100 ms while frozen"
    return Check("freezer", ok, found, "" if ok else _DELEGATE)


def _tools(backend: Bubblewrap) -> list[Check]:
    present = commands_inside([path for path, _ in _TOOLS.values()], backend)
    return [
        Check(
            f"{name} inside",
            present[path],
            path if present[path] else f"{path} is not there",
            "" if present[path] else f"run: apt-get install {package}",
        )
        for name, (path, package) in _TOOLS.items()
    ]
