"""Cubins that nvcc made here: read as ptxas describes them, and held against plans."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.artifact import ArtifactRefusedError
from verifier.cuda import cubin
from verifier.cuda.cubin import Cubin, CubinError, Kernel, read
from verifier.cuda.fitting import fit
from verifier.cuda.plan import Limits
from verifier.cuda.shapes import ShapedLaunch, ShapedPlan

SOURCE = """
#warning ptxas info : Used 1 registers
__device__ __noinline__ float twice(float a) { return a + a; }
extern "C" __global__ void flip(const float *a, float *b, unsigned n) {
    __shared__ float s[256];
    unsigned i = blockIdx.x * 256 + threadIdx.x;
    s[threadIdx.x] = i < n ? a[i] : 0;
    __syncthreads();
    if (i < n) b[i] = twice(s[255 - threadIdx.x]);
}
extern "C" __global__ void plain(float *b, long long n, int by) { b[n] += by; }
extern "C" __global__ void dynamic(float *b) {
    extern __shared__ float s[];
    s[threadIdx.x] = b[threadIdx.x];
    __syncthreads();
    b[threadIdx.x] = s[31 - threadIdx.x];
}
__device__ float kept[1000];
__device__ int begun[8] = {1};
#if __CUDA_ARCH__ >= 900
#define TOGETHER __cluster_dims__(2, 3, 1)
#else
#define TOGETHER
#endif
extern "C" __global__ void TOGETHER __launch_bounds__(96) bounded() {}
extern "C" __global__ void nothing() { kept[0] = begun[threadIdx.x]; }
"""
PARAMETERS = {"flip": (8, 8, 4), "plain": (8, 8, 4), "dynamic": (8,), "nothing": (), "bounded": ()}


@pytest.fixture(scope="module", params=[80, 90])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, bytes, str]:
    """The capability, a cubin for it, and what ptxas says."""
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc")
    folder: Path = tmp_path_factory.mktemp("cubin")
    (folder / "kernel.cu").write_text(SOURCE)
    line = ["nvcc", f"-arch=sm_{request.param}", "-cubin", "--resource-usage", "kernel.cu"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    return request.param, (folder / "kernel.cubin").read_bytes(), done.stderr + done.stdout


def as_of_12(image: bytes, capability: int) -> bytes:
    """A cubin of 13 with the head that ptxas 12.8 writes: ABI 7, and flags 0x500550 for 8.0."""
    head = bytearray(image[:64])
    head[8] = 7
    struct.pack_into("<I", head, 48, capability << 16 | 5 << 8 | capability)
    return bytes(head) + image[64:]


def test_its_own_variables_count_as_scratch(made: tuple[int, bytes, str]) -> None:
    found = read(made[1])
    assert found.static_bytes == 4 * 1000 + 4 * 8
    plan = ShapedPlan({"partials": 1000}, (ShapedLaunch("nothing", (1, 1, 1), (1, 1, 1), 0, ()),))
    fit(plan, found, Limits(scratch_bytes=5032))
    with pytest.raises(ArtifactRefusedError, match=r"take 4032 bytes, and with .* 5032; 5031 are"):
        fit(plan, found, Limits(scratch_bytes=5031))


def test_it_says_what_the_source_fixed_of_a_kernel_s_shape(made: tuple[int, bytes, str]) -> None:
    capability, image, _ = made
    bounded, other = (read(image).kernels[name] for name in ("bounded", "nothing"))
    assert (bounded.most_threads, bounded.block) == (96, None)
    assert bounded.cluster == ((2, 3, 1) if capability == 90 else None)
    assert (other.most_threads, other.block, other.cluster) == (None, None, None)


def test_cubins_of_cuda_12_are_read_too(made: tuple[int, bytes, str]) -> None:
    capability, image, _ = made
    older = read(as_of_12(image, capability))
    assert (older.capability, older.cuda, read(image).cuda) == (capability, 12, 13)
    assert older.kernels == read(image).kernels


def test_it_says_what_ptxas_says(made: tuple[int, bytes, str]) -> None:
    capability, image, words = made
    found = read(image)
    assert found.capability == capability
    assert {name: kernel.parameters for name, kernel in found.kernels.items()} == PARAMETERS
    told = re.findall(r"entry function '(\w+)'.*?Used (\d+) registers([^\n]*)", words, re.DOTALL)
    assert {name for name, _, _ in told} == set(PARAMETERS)
    for name, registers, rest in told:
        shared = re.search(r"(\d+) bytes smem", rest)
        assert found.kernels[name].registers == int(registers)
        assert found.kernels[name].shared_bytes == (int(shared[1]) if shared else 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_spoiled_cubin_is_read_or_refused(
    made: tuple[int, bytes, str], data: st.DataObject
) -> None:
    image = bytearray(made[1])
    at = data.draw(st.integers(0, len(image) - 1))
    image[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(image)))
    for spoiled in (bytes(image), bytes(image[:cut])):
        try:
            read(spoiled)
        except CubinError as error:
            assert str(error)


def test_no_symbol_is_left_unread(
    made: tuple[int, bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a call of the driver could hide behind thousands of names."""
    monkeypatch.setattr(cubin, "_MOST_SYMBOLS", 4)
    with pytest.raises(CubinError, match="symbols; 4 are read"):
        read(made[1])


def test_other_bytes_are_no_cubin() -> None:
    program = Path("/proc/self/exe").read_bytes()
    for data in (b"", b"\x7fELF", program):
        with pytest.raises(CubinError):
            read(data)


CUBIN = Cubin(90, {"flip": Kernel((8, 8, 4), 40, 1024), "heavy": Kernel((), 200, 0)})
SHAPED = Cubin(
    90,
    {
        "bounded": Kernel((), 8, 0, most_threads=96),
        "fixed": Kernel((), 8, 0, block=(64, 2, 1)),
        "pairs": Kernel((), 8, 0, cluster=(2, 1, 1)),
        "many": Kernel((), 8, 0, cluster=(4, 4, 1)),
    },
)
ARGUMENTS: tuple[str | tuple[str, int], ...] = ("input", "output", ("u32", 5))


def launch(
    entry: str = "flip",
    block: int = 256,
    shared: int = 0,
    arguments: tuple[str | tuple[str, int], ...] = ARGUMENTS,
) -> ShapedPlan:
    return ShapedPlan({}, (ShapedLaunch(entry, (1, 1, 1), (block, 1, 1), shared, arguments),))


def test_a_plan_that_fits_passes() -> None:
    fit(launch(block=1024, shared=48_128), CUBIN, Limits())
    fit(launch("heavy", block=320, arguments=()), CUBIN, Limits())


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (launch("flop"), "launch[0].entry: kernel.cu has no kernel `flop`; it has: flip, heavy"),
        (launch(arguments=("input",)), "launch[0].arguments: 1 are given; `flip` takes 3"),
        (
            launch(arguments=("input", "output", ("u64", 5))),
            "launch[0].arguments[2]: 8 bytes are given; `flip` takes 4 there",
        ),
        (launch(shared=48_129), "1024 that `flip` declares: 49153; a block has 49152"),
        (launch("heavy", block=352, arguments=()), "11 warps of `heavy` take 70400 registers"),
    ],
)
def test_what_does_not_fit_is_named(plan: ShapedPlan, words: str) -> None:
    with pytest.raises(ArtifactRefusedError) as caught:
        fit(plan, CUBIN, Limits())
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "block", "grid", "words"),
    [
        ("bounded", (96, 1, 1), (1, 1, 1), ""),
        ("bounded", (32, 4, 1), (1, 1, 1), "block: 128 threads; `bounded` was compiled with"),
        ("fixed", (64, 2, 1), (1, 1, 1), ""),
        ("fixed", (128, 1, 1), (1, 1, 1), "[128, 1, 1]; `fixed` was compiled for [64, 2, 1]"),
        ("pairs", (32, 1, 1), (6, 5, 1), ""),
        ("pairs", (32, 1, 1), (5, 2, 1), "[5, 2, 1] is no multiple of the clusters of `pairs`"),
        ("many", (32, 1, 1), (4, 4, 1), "`many` has clusters of 16 blocks; take 8 or fewer"),
    ],
)
def test_a_shape_that_no_driver_would_launch_is_named(
    entry: str, block: tuple[int, int, int], grid: tuple[int, int, int], words: str
) -> None:
    plan = ShapedPlan({}, (ShapedLaunch(entry, grid, block, 0, ()),))
    try:
        fit(plan, SHAPED, Limits())
    except ArtifactRefusedError as error:
        assert words and words in str(error)
    else:
        assert not words
