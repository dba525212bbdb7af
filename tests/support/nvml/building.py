"""Builds the stub of libnvidia-ml, and runs Python with it in place of a driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("stub.c")
ROOT = Path(__file__).resolve().parents[3]


def library(folder: Path) -> Path:
    """The folder that holds the stub, built if need be; skips where there is no compiler."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: the stub of libnvidia-ml cannot be built")
    made = folder / "libnvidia-ml.so.1"
    if not made.exists():
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-Wall", "-Wextra", "-O1", "-o", str(made), str(SOURCE),
             "-ldl", "-lpthread"],
            check=True,
        )  # fmt: skip
    return folder


def environ(stub: Path, script: Path) -> dict[str, str]:
    """The environment in which NVML is the stub that plays `script`."""
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(stub),
        "AUTOLAB_NVML_SCRIPT": str(script),
        "PYTHONPATH": str(ROOT),
    }


def python(stub: Path, script: Path, code: str) -> str:
    """What `code` prints where NVML is the stub."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ(stub, script),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
