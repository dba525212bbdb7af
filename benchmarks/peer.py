"""The same scripted work in Inspect AI, beside ours."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.measuring import ratio, table
from benchmarks.turns import measure

_ROOT = Path(__file__).resolve().parent.parent
PYTHON = _ROOT / ".venv-inspect" / "bin" / "python"
_SAMPLES, _TURNS, _TIMES = 200, 20, 5.0


def inspect() -> dict[str, float]:
    """Run its side with its own interpreter."""
    with tempfile.TemporaryDirectory(prefix="autolab-bench-") as folder:
        ran = subprocess.run(
            [
                str(PYTHON),
                str(_ROOT / "benchmarks" / "inspect_work.py"),
                str(_SAMPLES),
                str(_TURNS),
                folder,
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "HOME": folder, "XDG_DATA_HOME": folder},
        )
    if ran.returncode != 0:
        raise RuntimeError(f"Inspect did not do its part: {ran.stderr.strip()[-500:]}")
    found: dict[str, float] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found


def report() -> str:
    """Measure both in turn; one table. Raises `RuntimeError` where there is no Inspect."""
    if not PYTHON.exists():
        raise RuntimeError(
            "no Inspect AI to compare with; make a virtual environment of its own for it: "
            "`python3 -m venv .venv-inspect && .venv-inspect/bin/pip install inspect-ai`"
        )
    ours = measure(sessions=_SAMPLES, turns=_TURNS, warm_up=1)
    theirs = inspect()
    again = measure(sessions=_SAMPLES, turns=_TURNS, warm_up=1)
    cost = (ours.turns["cpu_ms_a_turn"] + again.turns["cpu_ms_a_turn"]) / 2
    resident = again.turns["floor_bytes"] + _SAMPLES * again.turns["bytes_a_session"]
    rate = (ours.turns["turns_a_second"] + again.turns["turns_a_second"]) / 2
    rows = [
        (
            "AutoLab (mean of a run before and one after)",
            f"{cost:.2f} ms",
            f"{rate:.0f}",
            f"{resident / 2**20:.0f} MiB",
        ),
        (
            "Inspect AI",
            f"{theirs['cpu_ms_a_turn']:.2f} ms",
            f"{theirs['turns_a_second']:.0f}",
            f"{theirs['bytes'] / 2**20:.0f} MiB",
        ),
        (
            f"times as cheap (goal: {_TIMES:.0f})",
            ratio(cost, theirs["cpu_ms_a_turn"]),
            ratio(theirs["turns_a_second"], rate),
            ratio(resident, theirs["bytes"]),
        ),
    ]
    head = ("", "CPU a turn", "turns/s", "resident")
    return table(f"{_SAMPLES} sessions of {_TURNS} turns with one trivial tool call", head, rows)
