"""Compiling an artifact's kernel.cu to a cubin, in the build sandbox and by a fixed command.

The sandbox has no tests, no reference, no network and no folder of the host but the system's own,
where the toolkit must be too (on its PATH, below /usr). No flag is the artifact's.
"""

from __future__ import annotations

from verifier.build import BuildError, build
from verifier.cpus import Machine
from verifier.cuda.cubin import Cubin, CubinError, read
from verifier.cuda.fitting import SOURCE

CAPABILITIES = (80, 90)  # where no device says which: A100 and H100
# Bytes of shared memory of a block, opted in (CUDA C++ Programming Guide).
SHARED = {80: 166_912, 90: 232_448}
TIMEOUT_SEC = 120.0
_OUTPUT = "kernel.cubin"


def target(capability: int) -> str:
    """The name of the architecture for nvcc; 9.0 with the instructions that are its own."""
    return f"sm_{capability}a" if capability >= 90 else f"sm_{capability}"


def compiled(
    machine: Machine, source: bytes, capability: int, timeout_sec: float = TIMEOUT_SEC
) -> tuple[bytes, Cubin]:
    """The cubin of `source` for a compute capability (90 for 9.0), and what it says of itself.

    Raises `BuildError` with the compiler's log, and `SandboxUnavailableError` where nothing can be
    built at all.
    """
    from tasks.autolab import Build

    line = ("nvcc", f"-arch={target(capability)}", "-cubin", "-O3", "-std=c++17")
    recipe = Build(
        commands=((*line, "-o", _OUTPUT, SOURCE),), output=_OUTPUT, timeout_sec=timeout_sec
    )
    image = build(machine, recipe, {SOURCE: source}, ())
    try:
        return image, read(image)
    except CubinError as error:
        raise BuildError(str(error)) from error
