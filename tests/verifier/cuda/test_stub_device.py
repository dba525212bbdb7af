"""The stub of libcuda refuses what a driver refuses: else nothing that passes over it says much."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cuda.stub import host_kernel, stub

SOURCE = """
extern "C" __global__ void __launch_bounds__(64) few(int *a) { a[0] = 1; }
extern "C" __global__ void __cluster_dims__(2) pairs(int *a) { a[0] = 1; }
extern "C" __global__ void shares(int *a) {
    __shared__ int s[256];
    extern __shared__ int more[];
    s[threadIdx.x] = more[threadIdx.x] = a[0];
    __syncthreads();
    a[1] = s[255 - threadIdx.x] + more[0];
}
"""
CODE = """
import os, struct, sys
import pycuda.driver as cuda
def tried(name, call):
    try:
        call()
        print(name, "done")
    except cuda.Error as error:
        print(name, str(error).split(" failed")[0])
tried("before init", lambda: cuda.Device(0))
cuda.init()
context = cuda.Device(0).make_context(cuda.ctx_flags.SCHED_SPIN)
stream = cuda.Stream()
image = open(sys.argv[1], "rb").read()
tried("other architecture", lambda: cuda.module_from_buffer(open(sys.argv[2], "rb").read()))
module = cuda.module_from_buffer(image)
few, pairs, shares = map(module.get_function, ("few", "pairs", "shares"))
memory = cuda.mem_alloc(4096)
a = struct.pack("Q", int(memory))
def launch(function, grid=(1, 1, 1), block=(64, 1, 1), shared=0, given=a):
    return lambda: function._launch_kernel(grid, block, given, shared, stream)
tried("launch", launch(few))
tried("empty grid", launch(few, grid=(0, 1, 1)))
tried("deep block", launch(shares, block=(1, 1, 65)))
tried("beyond its bounds", launch(few, block=(65, 1, 1)))
tried("half a cluster", launch(pairs, grid=(3, 1, 1)))
tried("clusters", launch(pairs, grid=(4, 1, 1)))
tried("too few arguments", launch(few, given=a[:4]))
tried("shared with its own", launch(shares, shared=49152 - 1023))
tried("shared that fits", launch(shares, shared=49152 - 1024))
most = cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES
tried("more than there is", lambda: shares.set_attribute(most, 232448 - 1023))
tried("all there is", lambda: shares.set_attribute(most, 232448 - 1024))
tried("opted into", launch(shares, shared=200000))
tried("copy beyond", lambda: cuda.memcpy_htod(int(memory) + 4092, b"12345"))
tried("fill beyond", lambda: cuda.memset_d8_async(int(memory), 0, 4097, stream))
tried("nothing", lambda: cuda.mem_alloc(0))
first, second = cuda.Event(), cuda.Event()
first.record(stream)
tried("never recorded", lambda: first.time_till(second))
print(shares.get_attribute(cuda.function_attribute.SHARED_SIZE_BYTES))
context.synchronize()
context.pop()
tried("no context", lambda: cuda.mem_alloc(8))
sys.stdout.flush()
os._exit(0)  # PyCUDA aborts where a context is left
"""


def test_it_refuses_what_a_driver_refuses(tmp_path: Path) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc")
    (tmp_path / "kernel.cu").write_text(SOURCE)
    for name in ("sm_90", "sm_80"):
        source = "kernel.cu" if name == "sm_90" else "empty.cu"
        (tmp_path / "empty.cu").write_text("")
        line = ["nvcc", f"-arch={name}", "-cubin", "-o", f"{name}.cubin", source]
        subprocess.run(line, cwd=tmp_path, check=True)
    cubin = (tmp_path / "sm_90.cubin").read_bytes()
    with stub() as driver:
        host = "".join(host_kernel(name, "") for name in ("few", "pairs", "shares"))
        driver.teach(cubin, host)
        line = [sys.executable, "-c", CODE, "sm_90.cubin", "sm_80.cubin"]
        env = driver.environ()
        done = subprocess.run(
            line, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )
    assert dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if " " in line) == {
        "before init": "cuDeviceGet",
        "other architecture": "cuModuleLoadDataEx",
        "launch": "done",
        "empty grid": "cuLaunchKernel",
        "deep block": "cuLaunchKernel",
        "beyond its bounds": "cuLaunchKernel",
        "half a cluster": "cuLaunchKernel",
        "clusters": "done",
        "too few arguments": "cuLaunchKernel",
        "shared with its own": "cuLaunchKernel",
        "shared that fits": "done",
        "more than there is": "cuFuncSetAttribute",
        "all there is": "done",
        "opted into": "done",
        "copy beyond": "cuMemcpyHtoD",
        "fill beyond": "cuMemsetD8Async",
        "nothing": "cuMemAlloc",
        "never recorded": "cuEventElapsedTime",
        "no context": "cuMemAlloc",
    }
    assert "1024\n" in done.stdout
