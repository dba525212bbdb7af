"""A machine with GPUs as the engine sees one: the driver's library, and device nodes.

The library is built from C and loaded by the real binding; the nodes are links to /dev/null.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.support import make_task
from tests.support.nvml import building
from verifier import pins

NODES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidia1")


class Machine:
    """What the driver says is in a file, to be changed while an engine runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "nvml.script"  # where the library looks for it
        self.has("A100")

    def has(self, *names: str, processes: tuple[tuple[int, int, int], ...] = ()) -> None:
        """Devices GPU-0, GPU-1 and so on by name; processes as (device, pid, bytes)."""
        lines = [f"device {n} uuid=GPU-{n} name=NVIDIA_{name}" for n, name in enumerate(names)]
        lines += [f"process {gpu} pid={pid} memory={held >> 20}" for gpu, pid, held in processes]
        self.plays(*lines)

    def plays(self, *lines: str) -> None:
        """These lines of the library's script, from now on."""
        partial = self.script.with_suffix(".new")
        partial.write_text("\n".join(lines) + "\n")
        partial.replace(self.script)


@contextmanager
def machine(patch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """The library and the nodes, at hand for every engine that is started meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="autolab-gpus-"))
    try:
        folder.chmod(0o755)
        found = Machine(folder)
        (folder / "dev").mkdir()
        for name in NODES:
            (folder / "dev" / name).symlink_to("/dev/null")
        building.library(folder)
        patch.setenv("LD_LIBRARY_PATH", str(folder))
        patch.delenv("AUTOLAB_NVML_SCRIPT", raising=False)
        patch.setenv("AUTOLAB_DEV", str(folder / "dev"))
        yield found
    finally:
        shutil.rmtree(folder)


def make_gpu_task(
    suite: Path, name: str = "on_gpu", gpus: str = "gpus = 1", shared: bool = False
) -> Path:
    """The tiny task, which now needs GPUs."""
    make_task(suite, name)
    file = suite / name / "task.toml"
    text = file.read_text().replace("memory_mb = 512", f"memory_mb = 512\n{gpus}", 1)
    file.write_text(text.replace('unit = ""', f'unit = ""\ngpu_shared = {str(shared).lower()}', 1))
    pins.write(suite / name)
    return suite
