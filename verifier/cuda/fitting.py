"""Whether the launches of a plan fit the kernels of a cubin.

A driver copies a launch's arguments by the kernel's own sizes. Where a plan has fewer it would read
on in the judge's memory, so the two are compared before anything is launched.
"""

from __future__ import annotations

import math

from verifier.artifact import ArtifactRefusedError, printable
from verifier.cuda.cubin import Cubin, Kernel
from verifier.cuda.plan import FILE, Limits
from verifier.cuda.shapes import ShapedLaunch, ShapedPlan

SOURCE = "kernel.cu"
REGISTERS = 65_536  # of a block, 32 bits each (compute capability 8.0 to 9.0)
_WARP = 32
_GRAIN = 8  # registers a thread are given out in eights: 256 for a warp
_CLUSTER = 8  # blocks that may be launched together without asking for more
_BYTES = {"i32": 4, "u32": 4, "i64": 8, "u64": 8}
_POINTER = 8


def fit(plan: ShapedPlan, cubin: Cubin, limits: Limits) -> None:
    """Hold each launch of `plan` against the kernel that it names.

    Raises `ArtifactRefusedError` naming the launch, what it asks for, and what there is.
    """
    if cubin.calls:
        called = printable(", ".join(sorted(cubin.calls)))
        raise ArtifactRefusedError(
            SOURCE, f"it calls the driver ({called}); take out printf, malloc, assert and the like"
        )
    memory = cubin.static_bytes + sum(plan.scratch.values())
    if cubin.static_bytes and memory > limits.scratch_bytes:
        raise ArtifactRefusedError(
            SOURCE,
            f"its __device__ variables take {cubin.static_bytes} bytes, and with the plan's "
            f"scratch {memory}; {limits.scratch_bytes} are allowed",
        )
    for at, launch in enumerate(plan.launches):
        kernel = cubin.kernels.get(launch.entry)
        if kernel is None:
            known = ", ".join(sorted(cubin.kernels)) or 'none; write extern "C" __global__'
            raise _refuse(at, "entry", f"kernel.cu has no kernel `{launch.entry}`; it has: {known}")
        _arguments(at, launch, kernel)
        _resources(at, launch, kernel, limits)
        _shape(at, launch, kernel)


def _refuse(at: int, key: str, why: str) -> ArtifactRefusedError:
    return ArtifactRefusedError(FILE, f"launch[{at}].{key}: {why}")


def _arguments(at: int, launch: ShapedLaunch, kernel: Kernel) -> None:
    given = [_POINTER if isinstance(item, str) else _BYTES[item[0]] for item in launch.arguments]
    if len(given) != len(kernel.parameters):
        raise _refuse(
            at,
            "arguments",
            f"{len(given)} are given; `{launch.entry}` takes {len(kernel.parameters)}",
        )
    for number, (size, wanted) in enumerate(zip(given, kernel.parameters, strict=True)):
        if size != wanted:
            raise _refuse(
                at,
                f"arguments[{number}]",
                f"{size} bytes are given; `{launch.entry}` takes {wanted} there",
            )


def _resources(at: int, launch: ShapedLaunch, kernel: Kernel, limits: Limits) -> None:
    shared = kernel.shared_bytes + launch.shared_bytes
    if shared > limits.shared_bytes:
        raise _refuse(
            at,
            "shared",
            f"{launch.shared_bytes} bytes, and {kernel.shared_bytes} that `{launch.entry}` "
            f"declares: {shared}; a block has {limits.shared_bytes}",
        )
    warps = -(-math.prod(launch.block) // _WARP)
    registers = -(-kernel.registers // _GRAIN) * _GRAIN * _WARP * warps
    if registers > REGISTERS:
        raise _refuse(
            at,
            "block",
            f"{warps} warps of `{launch.entry}` take {registers} registers ({kernel.registers} a "
            f"thread); a block has {REGISTERS}: take fewer threads, or __launch_bounds__",
        )


def _shape(at: int, launch: ShapedLaunch, kernel: Kernel) -> None:
    """What the source fixed of its block and of its cluster."""
    threads, name = math.prod(launch.block), launch.entry
    if kernel.most_threads is not None and threads > kernel.most_threads:
        bounds = f"__launch_bounds__({kernel.most_threads})"
        raise _refuse(at, "block", f"{threads} threads; `{name}` was compiled with {bounds}")
    if kernel.block is not None and tuple(launch.block) != kernel.block:
        raise _refuse(
            at, "block", f"{list(launch.block)}; `{name}` was compiled for {list(kernel.block)}"
        )
    if kernel.cluster is None:
        return
    blocks = math.prod(kernel.cluster)
    if blocks > _CLUSTER:
        raise _refuse(
            at, "entry", f"`{name}` has clusters of {blocks} blocks; take {_CLUSTER} or fewer"
        )
    if any(side % max(1, step) for side, step in zip(launch.grid, kernel.cluster, strict=True)):
        raise _refuse(
            at,
            "grid",
            f"{list(launch.grid)} is no multiple of the clusters of `{name}`, "
            f"{list(kernel.cluster)}",
        )
