"""What a look at the GPUs costs the engine: the sampler's thread on a driver that plays a script.

The stub reads its script anew at every call, so the figures are more than a real driver's share
of ours; how long a real one takes to answer they do not say.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.measuring import table
from tests.support.nvml import building

_LOOKS = 200
_CODE = f"""
import json, time
from engine.clock import Clock
from engine.gpu.sampler import Sampler
sampler = Sampler(Clock(), lambda body: None, seconds=0.0)
reader = sampler._reader
began = time.monotonic(), time.process_time()
reader.read()
first = time.monotonic() - began[0]
busy, began = time.process_time(), time.monotonic()
for _ in range({_LOOKS}):
    sampler._attributed(reader.read())
busy, took = time.process_time() - busy, time.monotonic() - began
reader.close()
print(json.dumps([first, busy / {_LOOKS}, took / {_LOOKS}]))
"""


def report() -> str:
    """A table: devices, the first look, and a look after that."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="autolab-bench-") as name:
        folder = Path(name)
        stub = building.library(folder)
        for devices in (0, 1, 8, 16):
            script = folder / f"{devices}.script"
            lines = [f"device {n} util=50\nprocesses {n} 4 pid=1" for n in range(devices)]
            script.write_text("\n".join(["driver ok", *lines]) + "\n")
            first, busy, took = json.loads(building.python(stub, script, _CODE))
            rows.append(
                [
                    str(devices),
                    f"{first * 1e3:.0f} ms",
                    f"{busy * 1e3:.1f} ms",
                    f"{took * 1e3:.1f} ms",
                    f"{busy:.1%}",
                ]
            )
    head = ["devices", "first look", "CPU a look", "a look", "of a CPU at 1 Hz"]
    return table("A look at the GPUs, four processes on each", head, rows)
