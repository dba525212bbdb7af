"""What btop, nvitop and Inspect's display cost on the same terminal as the app.

Whichever of them is missing is named with the command that brings it. nvitop sees two GPUs of the
stand-in for NVML that the tests have.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import memory, table
from benchmarks.screen import SECONDS, Screen, app, fleet, half_change
from tests.support.nvml import building

_ROOT = Path(__file__).resolve().parent.parent
_SIZE = (200, 50)
_WARM_UP = 8.0  # seconds
INSPECT = _ROOT / ".venv-inspect" / "bin" / "inspect"
NVITOP = _ROOT / ".peers" / "nvitop" / "bin" / "nvitop"
_GPUS = "\n".join(
    f"device {n} uuid=GPU-{n} name=NVIDIA_H100 memory=81920 used={20000 + n} util={60 + n}"
    for n in range(2)
)


def _btop(folder: Path) -> Screen:
    found = shutil.which("btop")
    if found is None:
        raise FileNotFoundError("apt-get install btop")
    return Screen([found, "--utf-force"], _SIZE, folder)


def _nvitop(folder: Path) -> Screen:
    if not NVITOP.exists():
        made = NVITOP.parent.parent.relative_to(_ROOT)
        raise FileNotFoundError(f"python3 -m venv {made} && {made}/bin/pip install nvitop")
    if shutil.which("gcc") is None:
        raise FileNotFoundError("apt-get install gcc, for the stand-in for NVML")
    script = folder / "nvml.script"
    script.write_text(_GPUS + "\n")
    seen = {"LD_LIBRARY_PATH": str(building.library(folder)), "AUTOLAB_NVML_SCRIPT": str(script)}
    return Screen([str(NVITOP), "--monitor", "full"], _SIZE, folder, seen)


def _inspect(folder: Path) -> Screen:
    if not INSPECT.exists():
        raise FileNotFoundError(
            "python3 -m venv .venv-inspect && .venv-inspect/bin/pip install inspect-ai"
        )
    line = [str(INSPECT), "eval", os.path.relpath(_ROOT / "benchmarks" / "inspect_shown.py")]
    line += ["--model", "mockllm/model", "--display", "full", "--max-samples", "64"]
    line += ["--max-connections", "64", "--log-dir", str(folder)]
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    return Screen(line, _SIZE, folder, home)


_PEERS: dict[str, Callable[[Path], Screen]] = {
    "btop, 2 s": _btop,
    "nvitop, two GPUs": _nvitop,
    "Inspect's display, 64 samples": _inspect,
}


def _watched(screen: Screen) -> list[str]:
    screen.read(_WARM_UP)
    sent, cpu = screen.sent, screen.cpu
    screen.read(SECONDS)
    if not memory(screen.pid):
        return ["it ended", "", ""]
    return [
        f"{(screen.sent - sent) / SECONDS:.0f}",
        f"{(screen.cpu - cpu) / SECONDS:.1%}",
        f"{memory(screen.pid) / 1e6:.0f}",
    ]


def _ours() -> list[str]:
    with app(_SIZE, fleet()) as (screen, server):
        sent, cpu = screen.sent, screen.cpu
        for second in range(int(SECONDS)):
            server.journal.now += 1
            half_change(server, second)
            screen.read(1.0)
        return [
            f"{(screen.sent - sent) / SECONDS:.0f}",
            f"{(screen.cpu - cpu) / SECONDS:.1%}",
            f"{memory(screen.pid) / 1e6:.0f}",
        ]


def report() -> str:
    """One table; what is missing is a line with its remedy."""
    rows, missing = [["AutoLab, half of 64 sessions change", *_ours()]], []
    for name, start in _PEERS.items():
        with tempfile.TemporaryDirectory(prefix="al-") as folder:
            try:
                screen = start(Path(folder))
            except FileNotFoundError as error:
                missing.append(f"{name} is missing: {error}")
                continue
            try:
                rows.append([name, *_watched(screen)])
            finally:
                screen.close()
    made = table("on a terminal of 200x50", ("", "bytes/s", "of a core", "MB"), rows)
    return "\n".join([made, *missing])
