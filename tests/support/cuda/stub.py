"""Builds the stub of libcuda, and says how a verifier is started with it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.support.cuda.building import build

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NOT_SUPPORTED = 801  # CUDA_ERROR_NOT_SUPPORTED
_FLAGS = ("-shared", "-fPIC", "-Wall", "-Wextra", "-O1", "-pthread")


def site() -> Path:
    """The folder with PyCUDA and numpy; skips where `scripts/peers cuda` was not run."""
    for found in (ROOT / ".peers/cuda/lib").glob("python3*/site-packages/pycuda"):
        return found.parent
    pytest.skip("PyCUDA is missing: run scripts/peers cuda")


def _headers() -> str:
    nvcc = shutil.which("nvcc")
    places = [Path(nvcc).resolve().parents[1]] if nvcc else []
    for place in (*places, Path("/usr/local/cuda"), Path("/usr")):
        if (place / "include/cuda.h").exists():
            return str(place / "include")
    for header in (ROOT / ".peers/cuda").rglob("cuda.h"):
        return str(header.parent)
    pytest.skip("cuda.h is missing: install a CUDA toolkit, or run scripts/peers cuda")


def _rest(source: str) -> str:
    """What PyCUDA links with and the stub has not, as functions that say so."""
    (extension,) = (site() / "pycuda").glob("_driver.*.so")
    listed = subprocess.run(
        ["nm", "-D", "--undefined-only", str(extension)], capture_output=True, text=True, check=True
    ).stdout
    wanted = set(re.findall(r"\bU (cu[A-Z]\w*)", listed))
    missing = sorted(wanted - set(re.findall(r"^CUresult (cu\w+)\(", source, re.MULTILINE)))
    return "".join(f"int {name}(void) {{ return {NOT_SUPPORTED}; }}\n" for name in missing)


class Stub:
    """A libcuda.so.1 in a folder that sandboxes may pass, and the kernels that it finds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kernels = folder / "kernels"
        self.kernels.mkdir()
        (folder / "rest.c").write_text(_rest((HERE / "libcuda.c").read_text()))
        sources = [str(HERE / "libcuda.c"), str(HERE / "sha256.c"), str(folder / "rest.c")]
        subprocess.run(
            ["gcc", *_FLAGS, f"-I{_headers()}", "-o", str(folder / "libcuda.so.1"), *sources],
            check=True,
        )

    def teach(self, cubin: bytes, host: str) -> None:
        """Let launches of this cubin's kernels call C code: see `host_kernel`."""
        name = hashlib.sha256(cubin).hexdigest()
        text = self.folder / "kernel.c"
        text.write_text(host)
        made = self.kernels / f"{name}.so"
        subprocess.run(["gcc", *_FLAGS, "-w", "-o", str(made), str(text)], check=True)

    def teach_source(self, cubin: bytes, source: bytes) -> None:
        """Let launches of this cubin's kernels call the same source, as the emulation builds it."""
        name = hashlib.sha256(cubin).hexdigest()
        build(source.decode(), self.kernels / f"{name}.so")

    def pace(self, milliseconds: int) -> None:
        """Let every kernel take at least so long."""
        (self.kernels / "pace").write_text(str(milliseconds))

    def speaks(self, version: int | None) -> None:
        """Let the driver be of another CUDA (12080 is 12.8); None for the stub's own, 13.0."""
        file = self.kernels / "version"
        if version is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(str(version))

    def environ(self) -> dict[str, str]:
        """Of a verifier that finds this driver."""
        others = [part for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part]
        return {
            **os.environ,
            "LD_LIBRARY_PATH": ":".join([str(self.folder), *others]),
            "PYTHONPATH": f"{ROOT}:{site()}",
        }


@contextmanager
def stub() -> Iterator[Stub]:
    """A stub for the block; skips by name where something is missing."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: the stub of libcuda cannot be built")
    folder = Path(mkdtemp(prefix="autolab-cuda-"))
    try:
        folder.chmod(0o755)
        yield Stub(folder)
    finally:
        shutil.rmtree(folder)


def host_kernel(name: str, body: str) -> str:
    """C for a kernel of the host: `arguments[n]` points to the n-th argument, `gx` to `bz` are the
    shape of the launch, `body` is all of it."""
    return (
        "#include <stdint.h>\n#include <string.h>\n#include <unistd.h>\n"
        f"void autolab_host_launch_{name}(unsigned gx, unsigned gy, unsigned gz, unsigned bx, "
        "unsigned by, unsigned bz, unsigned long shared, void **arguments)\n"
        f"{{\n{body}\n}}\n"
    )
