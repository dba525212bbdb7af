"""What `autolab doctor` says of GPUs: from the driver to the tasks that want one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from autolab_tui.cli.output import plain

if TYPE_CHECKING:
    from tasks import Task

Found = tuple[str, bool, str, str]  # a check's name, whether it holds, what was found, the remedy
_TOOLKIT = (
    "install the CUDA toolkit of the driver's CUDA (12 or 13), and let it be first on that path"
)
_NODES = (
    "as root: nvidia-modprobe -c 0 -u, and chmod 0666 /dev/nvidia* (NVreg_DeviceFileMode keeps it)"
)
_LIBCUDA = (
    "install the driver's libraries; in a container ask for them as well: "
    "NVIDIA_DRIVER_CAPABILITIES=compute,utility"
)
_PYCUDA = "docs/gpus.md, PyCUDA: scripts/peers cuda, or its wheels where there is no network"


def gpu_checks() -> Iterable[Found]:
    """Driver, devices and their nodes, libcuda, toolkit, PyCUDA, and what each task lacks.

    Where no GPU is listed nothing of it is a fault: tasks for the CPU need none.
    """
    from engine.offline import gpus
    from tasks import load_suite

    found = gpus.reading()
    here = bool(found.gpus)
    wanting = [task for task in load_suite().tasks if task.config.environment.gpus]
    wanted = f"wanted by {', '.join(task.name for task in wanting)}"
    if not wanting:
        wanted = "no shipped task wants one"
    said = (
        _counted((gpu.name, gpu.standing) for gpu in found.gpus)
        or found.trouble
        or "the driver lists none"
    )
    mend: list[str] = []

    def check(name: str, ok: bool, found: str, remedy: str) -> Found:
        if not ok:
            mend.append(name)
        return name, ok, found, remedy

    faulty = any(gpu.standing != "ok" for gpu in found.gpus)
    dmesg = "look into dmesg for an Xid, and reset or reboot"
    yield check("gpus", not faulty, f"{said}; {wanted}", dmesg)
    cuda = gpus.cuda_version() if here else None
    of_cuda = "" if cuda is None else f", CUDA {cuda[0]}.{cuda[1]}"
    yield check(
        "nvidia driver",
        gpus.is_sound(found),
        found.trouble or f"{found.driver or 'of an unknown version'}{of_cuda}",
        "look into dmesg; reload the driver or reboot",
    )
    if here:
        lacking = gpus.missing_nodes()
        yield check("gpu nodes", not lacking, lacking or "all there, and open", _NODES)
        lacking = gpus.missing_libcuda()
        yield check("libcuda", not lacking, lacking or "libcuda.so.1 is found", _LIBCUDA)
    yield check(*_toolkit(here, cuda))
    from verifier.cuda.python import missing

    words = missing()
    said = "installed" if words is None else f"tasks in CUDA cannot be run: {words}"
    yield check("pycuda", words is None or not here, said, _PYCUDA)
    first = f"; to mend first: {', '.join(mend)}" if mend else ""
    yield "gpu tasks", True, f"{_for_each(wanting)}{first}", ""


def _toolkit(here: bool, cuda: tuple[int, int] | None) -> Found:
    from verifier.sandbox.arguments import PATH

    name, nvcc = "cuda toolkit", shutil.which("nvcc", path=PATH)
    if nvcc is None:
        said = f"no nvcc in {PATH}, which is what sandboxes see: tasks in CUDA cannot be built"
        return name, not here, said, _TOOLKIT
    release = _release(nvcc)
    if release is None:
        return name, True, nvcc, ""
    said = f"{nvcc}, CUDA {release[0]}.{release[1]}"
    if cuda is not None and release[0] > cuda[0]:
        said += f": the driver loads what CUDA {cuda[0]} made, and nothing newer"
        return name, False, said, f"a newer driver, or {_TOOLKIT}"
    return name, True, said, ""


def _release(nvcc: str) -> tuple[int, int] | None:
    try:
        done = subprocess.run(
            [nvcc, "--version"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"release (\d+)\.(\d+)", done.stdout)
    return None if found is None else (int(found[1]), int(found[2]))


def _for_each(wanting: Sequence[Task]) -> str:
    """Which of these tasks can be judged here, and what keeps the others from it."""
    from verifier.availability import availability

    if not wanting:
        return "no shipped task wants a GPU"
    reasons: dict[str, list[str]] = {}
    for name, why in availability(wanting).items():
        reasons.setdefault(why or "can be judged here", []).append(name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())


def _counted(gpus: Iterable[tuple[str, str]]) -> str:
    """Devices, by name and standing, those that are alike together."""
    counts = Counter(plain(name) + ("" if at == "ok" else f" ({at})") for name, at in gpus)
    return ", ".join(f"{count} {name}" for name, count in counts.items())
