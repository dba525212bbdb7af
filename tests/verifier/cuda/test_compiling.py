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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "words"),
    [
        ('#include "/etc/shadow"', "/etc/shadow: No such file"),
        ('#include "../../../root/.ssh/id_rsa"', "id_rsa: No such file"),
        ('#include "/dev/zero"', "not compiled: "),
        ('#include "kernel.cu"', "not compiled: "),
        ('#embed "/etc/passwd"', "not compiled: "),
        ("__device__ char filled[200 << 20] = {1};", "not compiled: "),
        (
            "template <int N> struct F { static const int v = F<N - 1>::v; };\nint q = F<9999>::v;",
            "excessive recursion",
        ),
    ],
)
def test_hostile_sources_end_in_words(
    folder: Path, capsys: pytest.CaptureFixture[str], before: str, words: str
) -> None:
    (folder / "kernel.cu").write_text(f"{before}\n{KERNEL}")
    assert main([str(folder), "--size", "n=5000"]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("line", ['asm(".incbin \\"/etc/passwd\\"");', "cudaDeviceSynchronize();"])
def test_hostile_lines_of_a_kernel_do_not_compile(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (folder / "kernel.cu").write_text(KERNEL.replace("unsigned i", line + " unsigned i"))
    assert main([str(folder), "--size", "n=5000"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("not compiled: ")
    assert "root:x" not in said


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ("n*n*n*n*n*n*n*n*n*n*n*n", "beyond 62 bits"),
        ("9**9**9", "is missing before *"),
        ("(" * 4000 + "n" + ")" * 4000, "it has 8001 c"),
        ("n // (n - n)", "divides by zero"),
        ("2147483648", "1 to 2147483647 are allowed"),
        ("0 - 1", "is -1 at this size"),
    ],
)
def test_absurd_grids_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], grid: str, words: str
) -> None:
    from verifier.artifact import ArtifactRefusedError
    from verifier.cuda.plan import Limits, parse, shape

    with pytest.raises(ArtifactRefusedError) as caught:
        plan = parse(PLAN.replace("ceil_div(n, 256)", grid).encode(), ("input", "output"))
        shape(plan, {"n": 5000}, Limits())
    assert words in str(caught.value)


@pytest.mark.slow
def test_a_kernel_that_brings_more_memory_than_granted_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "__device__ char large[3u << 30];\n" + KERNEL.replace(
        "unsigned i", "large[blockIdx.x] = 1; unsigned i"
    )
    (folder / "kernel.cu").write_text(text)
    assert main([str(folder), "--size", "n=5000"]) == 1
    assert "its __device__ variables take 3221225472 bytes" in capsys.readouterr().err
