"""Kernels compiled in a real sandbox by the real nvcc, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from verifier.cuda.__main__ import main

KERNEL = """extern "C" __global__ void scale(const float *a, float *b, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) b[i] = 2.0f * a[i];
}
"""
PLAN = """[[launch]]
entry = "scale"
grid = ["ceil_div(n, 256)"]
block = [256]
arguments = ["input", "output", { u32 = "n" }]
"""
pytestmark = pytest.mark.usefixtures("sandboxes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc")
    (tmp_path / "kernel.cu").write_text(KERNEL)
    (tmp_path / "launch.toml").write_text(PLAN)
    return tmp_path


def test_what_compiles_and_fits_is_said_not_to_have_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--size", "n=5000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["sm_80  scale", "sm_90a  scale"]
    assert lines[2:] == ["compiled and planned; not run on a device"]


def test_a_plan_for_another_signature_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "launch.toml").write_text(PLAN.replace("u32", "i64"))
    assert main([str(folder), "--size", "n=5000"]) == 1
    assert "arguments[2]: 8 bytes are given; `scale` takes 4" in capsys.readouterr().err


def test_the_compiler_sees_no_file_of_the_host(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = folder / "secret.h"
    secret.write_text("#error canary\n")
    (folder / "kernel.cu").write_text(f'#include "{secret}"\n#pragma message "\\x1b[2J"\n' + KERNEL)
    assert main([str(folder), "--size", "n=5000"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("not compiled: `nvcc ")
    assert "canary" not in told
    assert "\x1b" not in told


def test_what_is_not_there_cannot_be_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "kernel.cu: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "called"),
    [
        ('printf("%u", n);', "vprintf"),
        ("*(void **)b = malloc(n);", "malloc"),
        ("assert(n);", "__assertfail"),
    ],
)
def test_kernels_that_call_the_driver_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, called: str
) -> None:
    text = "#include <cstdio>\n#include <cassert>\n" + KERNEL.replace(
        "unsigned i", line + "unsigned i"
    )
    (folder / "kernel.cu").write_text(text)
    assert main([str(folder), "--size", "n=5000"]) == 1
    assert f"refused: kernel.cu: it calls the driver ({called});" in capsys.readouterr().err


def test_kernels_that_launch_kernels_do_not_compile(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = 'extern "C" __global__ void more(float *b) { scale<<<1, 1>>>(b, b, 1); }\n'
    (folder / "kernel.cu").write_text(KERNEL + more)
    assert main([str(folder), "--size", "n=5000"]) == 1
    assert "requires separate compilation mode" in capsys.readouterr().err
