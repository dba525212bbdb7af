"""Which Python the device process runs on, and how its sandbox sees PyCUDA and the driver.

PyCUDA is an extension for one version of Python. It is taken from where this interpreter finds it;
the interpreter inside is this one or, where a sandbox's uid cannot reach it, the system's of the
same version. Packages that cannot be reached are copied once to where they can.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from verifier.cuda.pycuda_device import DRIVER
from verifier.sandbox.places import why_unreachable
from verifier.sandbox.spec import Mount

SITE = "/autolab/site"
_NEEDED = ("pycuda", "numpy")
_BESIDE = ("numpy.libs",)  # what the wheel of numpy brings
_SYSTEM = (Path("/usr/bin"), Path("/usr/local/bin"))
_KEPT = Path("/var/lib/autolab/python")


class PythonError(Exception):
    """The device process cannot run here; the message says what is missing and the remedy."""


@dataclass(frozen=True)
class Inside:
    """The program and what must be mounted for it. `borrowed` is a folder of LD_LIBRARY_PATH that
    the driver's library is taken from, where there is one."""

    program: str
    mounts: tuple[Mount, ...]
    env: dict[str, str] = field(default_factory=dict)
    borrowed: str = ""


def missing() -> str | None:
    """What of PyCUDA is not there, with the remedy; None where all is. Nothing is imported."""
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            return (
                f"the Python module {name} is missing at {sys.executable}; docs/gpus.md has the "
                "build that works (scripts/peers cuda, or pip install 'autolab-tui[cuda]')"
            )
    return None


def inside(uid: int) -> Inside:
    """For a sandbox with this uid on the host. Raises `PythonError`."""
    lacking = missing()
    if lacking is not None:
        raise PythonError(lacking)
    program, mounts = _program(uid)
    for name, place in _packages(uid).items():
        mounts.append(Mount(place, f"{SITE}/{name}"))
    env = {"CUDA_MODULE_LOADING": "EAGER", "CUDA_CACHE_DISABLE": "1"}
    borrowed = _borrowed()
    if borrowed:
        why = why_unreachable(Path(borrowed), uid)
        if why is not None:
            raise PythonError(f"{DRIVER} in LD_LIBRARY_PATH cannot be seen by a sandbox: {why}")
        mounts.append(Mount(Path(borrowed), borrowed))
        env["LD_LIBRARY_PATH"] = borrowed
    return Inside(program, tuple(mounts), env, borrowed)


def _program(uid: int) -> tuple[str, list[Mount]]:
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if base.is_relative_to("/usr"):
        return str(base), []
    prefix = Path(sys.base_prefix).resolve()
    why = why_unreachable(prefix, uid)
    if why is None and base.is_relative_to(prefix):
        return str(base), [Mount(prefix, str(prefix))]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder in _SYSTEM:
        if (folder / version).exists():
            return str(folder / version), []
    raise PythonError(
        f"sandboxes cannot reach {base} ({why}), and there is no {version} below /usr; "
        f"install one, or use a Python in a folder that all users may pass"
    )


def _packages(uid: int) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in _NEEDED:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise PythonError(f"the Python module {name} is no package: {spec and spec.origin}")
        found[name] = Path(next(iter(spec.submodule_search_locations))).resolve()
    for name in _BESIDE:
        place = found["numpy"].parent / name
        if place.is_dir():
            found[name] = place
    if all(why_unreachable(place, uid) is None for place in found.values()):
        return found
    return _copied(found)


def _copied(found: dict[str, Path]) -> dict[str, Path]:
    """The same packages where sandboxes can reach them, copied unless they are there already."""
    if os.geteuid() != 0:
        raise PythonError(
            f"a sandbox cannot reach {found['pycuda']}; install it in a folder of your own"
        )
    stamps = [(name, str(place), place.stat().st_mtime_ns) for name, place in found.items()]
    target = _KEPT / hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]
    if not target.is_dir():
        _KEPT.mkdir(parents=True, exist_ok=True)
        for folder in (_KEPT.parent, _KEPT):
            folder.chmod(0o711)
        making = Path(tempfile.mkdtemp(dir=_KEPT))
        try:
            for name, place in found.items():
                shutil.copytree(
                    place, making / name, ignore=shutil.ignore_patterns("__pycache__", "tests")
                )
            making.chmod(0o755)
            making.rename(target)
        except FileExistsError:
            pass  # another verifier was faster
        except OSError as error:
            if not target.is_dir():
                raise PythonError(f"PyCUDA cannot be copied to {target}: {error}") from error
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return {name: target / name for name in found}


def _borrowed() -> str:
    """The first folder of LD_LIBRARY_PATH with a libcuda: the loader would take that one."""
    for name in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        if name.startswith("/") and (Path(name) / DRIVER).exists():
            return name
    return ""
