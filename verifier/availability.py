"""Whether a task can be judged on this machine: its toolchain, probed inside a sandbox, and the
GPUs that it needs, asked of the driver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from verifier.gpus.device import want_of, why_not_here
from verifier.sandbox.needs import Need
from verifier.sandbox.spec import SandboxUnavailableError

if TYPE_CHECKING:
    from tasks import Task

JUDGE_NEEDS = (Need("command", "python3"),)
CUDA_NEEDS = (Need("command", "nvcc"),)

# Debian's packages, where the name of the thing does not say it already.
_PACKAGES: Mapping[Need, str] = {
    **{Need("command", name): "gcc libc6-dev" for name in ("gcc", "cc", "c99")},
    **{Need("command", name): "g++" for name in ("g++", "c++")},
    **{Need("command", name): name for name in ("clang", "make", "python3", "sqlite3", "cmake")},
    Need("command", "ar"): "binutils",
    Need("command", "cargo"): "cargo",
    Need("command", "nvcc"): "nvidia-cuda-toolkit, or NVIDIA's own below /usr/local/cuda",
    Need("command", "rustc"): "rustc",
    Need("module", "numpy"): "python3-numpy",
    Need("module", "scipy"): "python3-scipy",
    Need("module", "yaml"): "python3-yaml",
    Need("header", "bzlib.h"): "libbz2-dev",
    Need("header", "lzma.h"): "liblzma-dev",
    Need("header", "sqlite3.h"): "libsqlite3-dev",
    Need("header", "stdio.h"): "libc6-dev",
    Need("header", "zlib.h"): "zlib1g-dev",
    Need("header", "zstd.h"): "libzstd-dev",
}
_WORDS = {"command": "", "module": "Python module ", "header": "header "}


def why_not(task: Task, present: Mapping[Need, bool]) -> str | None:
    """Why `task` is not available where `present` says what there is; None when it is."""
    missing = [need for need in _needs(task) if not present.get(need, False)]
    if not missing:
        return None
    named = ", ".join(f"{_WORDS[need.kind]}{need.name}" for need in missing)
    packages = dict.fromkeys(_PACKAGES[need] for need in missing if need in _PACKAGES)
    remedy = f"; run: apt-get install {' '.join(packages)}" if packages else ""
    return f"missing inside the sandbox: {named}{remedy}"


def tools_missing(task: Task) -> str | None:
    """Why `task` cannot even be built here, whatever devices there are; None when it can.

    Raises `SandboxUnavailableError`.
    """
    return why_not(task, _present(list(_needs(task))))


def availability(tasks: Iterable[Task]) -> dict[str, str | None]:
    """For each task's name, why it is not available, or None. One sandbox answers for all."""
    listed = list(tasks)
    native = [task for task in listed if task.autolab is not None]
    found = _foreign([task for task in listed if task.autolab is None])
    needed = sorted({need for task in native for need in _needs(task)})
    without = _without_gpus(native)
    without |= {n: why for n, why in _without_pycuda(native).items() if not without.get(n)}
    try:
        present = _present(needed) if needed else {}
    except SandboxUnavailableError as error:
        return found | {task.name: str(error) for task in native}
    return found | {task.name: why_not(task, present) or without.get(task.name) for task in native}


def _foreign(tasks: list[Task]) -> dict[str, str | None]:
    """Tasks that are judged by their own test.sh."""
    if not tasks:
        return {}
    from verifier.foreign.availability import survey

    found = survey(tasks)
    return {task.name: found[str(task.path)] for task in tasks}


def _without_gpus(tasks: Iterable[Task]) -> dict[str, str | None]:
    """For each task that needs GPUs, why this machine's do not do, by name.

    The driver is asked only if there is such a task.
    """
    wants = {task.name: want for task in tasks if (want := want_of(task)).count}
    if not wants:
        return {}
    from verifier.gpus import inventory

    gpus, trouble, _ = inventory.present()
    return {name: why_not_here(want, gpus, trouble) for name, want in wants.items()}


def _without_pycuda(tasks: Iterable[Task]) -> dict[str, str | None]:
    """For each task of device code, what of PyCUDA is missing, by name. Nothing is imported."""
    names = [t.name for t in tasks if t.autolab is not None and t.autolab.driver.kind == "cuda"]
    if not names:
        return {}
    from verifier.cuda import python

    return dict.fromkeys(names, python.missing())


def _needs(task: Task) -> tuple[Need, ...]:
    if task.autolab is None:
        return ()
    stated = task.autolab.needs
    listed = [
        *JUDGE_NEEDS,
        *(CUDA_NEEDS if task.autolab.driver.kind == "cuda" else ()),
        *(Need("command", name) for name in stated.commands),
        *(Need("module", name) for name in stated.modules),
        *(Need("header", name) for name in stated.headers),
    ]
    return tuple(dict.fromkeys(listed))


def _present(needs: list[Need]) -> Mapping[Need, bool]:
    from verifier.sandbox.probe import found_inside

    return found_inside(needs)
