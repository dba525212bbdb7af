"""What of a GPU is granted to a sandbox: its device nodes, the driver's libraries, its name, and
how the machine is wired.

The driver's user-space libraries are in /usr on most machines, which every sandbox sees read-only;
those that the loader finds elsewhere are mounted where it finds them. The nodes of other devices
are not there, whatever a program inside does: it can make none and mount nothing.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from verifier.gpus.device import Gpu
from verifier.sandbox.spec import Device, Mount, SandboxSpec

# Containers may have their device nodes elsewhere.
DEV = Path(os.environ.get("AUTOLAB_DEV", "/dev"))
_COMMON = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
_NEEDED = ("nvidiactl", "nvidia-uvm")
# What a CUDA program loads at run time; the driver brings them, the toolkit does not.
_LIBRARIES = re.compile(
    r"lib(cuda|nvidia-ml|nvidia-ptxjitcompiler|nvidia-nvvm|nvidia-gpucomp|nvidia-pkcs11"
    r"|cudadebugger|nvcuvid|nvidia-opencl|nvidia-cfg|nvidia-compiler|nvidia-allocator"
    r"|nvidia-fatbinaryloader|nvidia-sandboxutils|nvidia-tileiras)\b.*\.so\b.*"
)
# Where libcuda reads how the machine is wired; without it cuInit fails (304, operating system).
# Not /sys/fs, whose control groups tell of other sandboxes, and not /sys/firmware.
_WIRING = tuple(f"/sys/{name}" for name in ("bus", "class", "dev", "devices", "kernel", "module"))
_LDCONFIG = ("/sbin/ldconfig", "/usr/sbin/ldconfig")


class NodeMissingError(ValueError):
    """A device node that a GPU needs is not there; the message names it and the remedy."""


class Access(msgspec.Struct, frozen=True):
    """All that a sandbox is given so that it can use some devices and no other.

    `nodes` are device nodes of the host with their paths inside; `libraries` are files that are
    seen read-only under the same path.
    """

    uuids: tuple[str, ...] = ()
    nodes: tuple[tuple[str, str], ...] = ()
    libraries: tuple[str, ...] = ()

    @property
    def environment(self) -> Mapping[str, str]:
        """Names the devices to CUDA, by UUID."""
        return {"CUDA_VISIBLE_DEVICES": ",".join(self.uuids), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    def grant(self, spec: SandboxSpec) -> SandboxSpec:
        """The sandbox with these devices; one as it was without any."""
        if not self.uuids:
            return spec
        return replace(
            spec,
            devices=tuple(Device(Path(source), target) for source, target in self.nodes),
            mounts=(
                *spec.mounts,
                *(Mount(Path(file), file) for file in self.libraries),
                *(Mount(Path(part), part) for part in _WIRING if Path(part).is_dir()),
            ),
            env={**spec.env, **self.environment},
        )


NO_GPUS = Access()


def access_to(gpus: Sequence[Gpu], dev: Path = DEV) -> Access:
    """The access to these devices and no other. Without any it is empty.

    Raises `NodeMissingError`.
    """
    if not gpus:
        return NO_GPUS
    names = [name for name in _COMMON if name in _NEEDED or _is_device(dev / name)]
    for gpu in gpus:
        names.append(f"nvidia{gpu.minor}")
        if gpu.capabilities:
            names += [f"nvidia-caps/nvidia-cap{minor}" for minor in gpu.capabilities]
    nodes = [(dev / name, f"/dev/{name}") for name in dict.fromkeys(names)]
    for source, _ in nodes:
        if not _is_device(source):
            raise NodeMissingError(
                f"the device node {source} is missing; run as root: nvidia-modprobe -c 0 -u"
            )
    return Access(
        uuids=tuple(gpu.uuid for gpu in gpus),
        nodes=tuple((str(source), target) for source, target in nodes),
        libraries=libraries(),
    )


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def libraries(cache: str | None = None) -> tuple[str, ...]:
    """The driver's libraries that lie outside what every sandbox sees, as the loader finds them.

    `cache` is what `ldconfig -p` prints, asked for unless given.
    """
    found = []
    for line in (_cache() if cache is None else cache).splitlines():
        name, _, path = line.strip().partition(" => ")
        if path and _LIBRARIES.match(name.split(" ")[0]) and not _visible(path):
            found.append(path)
    return tuple(dict.fromkeys(found))


def _visible(path: str) -> bool:
    real = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - /lib is a link to /usr/lib
    return real == "/usr" or real.startswith("/usr/")


def _cache() -> str:
    for program in _LDCONFIG:
        try:
            return subprocess.run(
                [program, "-p"], capture_output=True, text=True, check=False, timeout=10
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
    return ""
