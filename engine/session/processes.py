"""What runs in a session's sandbox, as the host sees it: for a person who wants to know why it is
slow, stuck or large.

Names and command lines are an agent's words: whoever shows them makes them harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from engine.clock import Clock
from engine.gpu.reading import Reading
from verifier.sandbox.namespace import PidNamespace, Process

MOST = 200  # processes that are told; the rest are counted
_COMMAND_BYTES = 1024
_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for a device",
    "T": "stopped",
    "t": "traced",
    "Z": "ended",
    "X": "ended",
    "I": "idle",
}


class SandboxProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One process by its host pid: seconds, bytes; `depth` below the sandbox's first process.

    `cpu` is its own CPU time, without its children's. `gpu_memory` is null where it is on no GPU,
    or the driver does not tell.
    """

    pid: int
    parent: int
    depth: int
    command: str
    state: str
    cpu: float
    memory: int
    age: float
    gpu_memory: int | None = None


class Processes(msgspec.Struct, frozen=True, kw_only=True):
    """Those of one sandbox at `stamp` (CLOCK_BOOTTIME, seconds), parents before their children.

    `left_out` counts those beyond `MOST`; `sandbox` is false where there is none now.
    """

    stamp: float
    sandbox: bool
    processes: tuple[SandboxProcess, ...] = ()
    left_out: int = 0


class SandboxLook:
    """Looks into sandboxes. `namespaces` finds their pid namespaces (inodes); used on its loop."""

    def __init__(
        self,
        namespaces: Callable[[Sequence[str]], Awaitable[Mapping[str, int]]],
        reading: Callable[[], Reading],
        clock: Clock,
    ) -> None:
        self._namespaces = namespaces
        self._reading = reading
        self._clock = clock

    async def at(self, session: str) -> Processes:
        """What runs in a session's sandbox now."""
        inode = (await self._namespaces((session,))).get(session)
        if inode is None:
            return Processes(stamp=self._clock.now(), sandbox=False)
        memory = on_gpus(self._reading(), session)
        return await asyncio.to_thread(look, inode, self._clock.now, memory)


def look(inode: int, now: Callable[[], float], gpu_memory: Mapping[int, int | None]) -> Processes:
    """The processes of a pid namespace; `gpu_memory` is in bytes, by pid."""
    seen = PidNamespace(inode).processes()
    stamp = now()
    tree = family(seen)
    told = tuple(
        SandboxProcess(
            pid=process.pid,
            parent=process.parent,
            depth=depth,
            command=_command(process.pid),
            state=_STATES.get(process.state, process.state),
            cpu=round(process.own_cpu, 2),
            memory=process.memory,
            age=round(max(0.0, stamp - process.began), 1),
            gpu_memory=gpu_memory.get(process.pid),
        )
        for process, depth in tree[:MOST]
    )
    return Processes(
        stamp=stamp, sandbox=True, processes=told, left_out=max(0, len(tree) - len(told))
    )


def on_gpus(reading: Reading, session: str) -> dict[int, int | None]:
    """By pid, the bytes that a session's processes have on all GPUs together."""
    found: dict[int, int | None] = {}
    for gpu in reading.gpus:
        for process in gpu.processes or ():
            if process.session == session:
                held = found.get(process.pid)
                found[process.pid] = (
                    held if process.memory is None else (held or 0) + process.memory
                )
    return found


def family(processes: Sequence[Process]) -> list[tuple[Process, int]]:
    """Each process below its parent, with its depth; siblings by pid."""
    known = {process.pid for process in processes}
    children: dict[int, list[Process]] = {}
    for process in sorted(processes, key=lambda one: -one.pid):
        children.setdefault(process.parent if process.parent in known else 0, []).append(process)
    ordered: list[tuple[Process, int]] = []
    waiting = [(process, 0) for process in children.pop(0, [])]
    while waiting:
        process, depth = waiting.pop()
        ordered.append((process, depth))
        waiting += [(child, depth + 1) for child in children.pop(process.pid, [])]
    return ordered


def _command(pid: int) -> str:
    """Its command line, cut; its name in brackets where it has none."""
    folder = Path(f"/proc/{pid}")
    try:
        with (folder / "cmdline").open("rb") as file:
            words = file.read(_COMMAND_BYTES).rstrip(b"\0").replace(b"\0", b" ")
        if words:
            return words.decode("utf-8", "replace")
        return f"[{(folder / 'comm').read_bytes().strip().decode('utf-8', 'replace')}]"
    except OSError:
        return ""
