"""The whole demo, as `make demo` runs it without a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from engine.events import decode
from engine.objects import SessionObject

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox_backend")
def test_every_session_ends_as_its_persona_should(tmp_path: Path) -> None:
    place = Path("/tmp") / f"al-demo-{os.getpid()}"  # socket paths are short
    runtime = place / "run"
    runtime.mkdir(parents=True, mode=0o700)
    env = {
        **os.environ,
        "AUTOLAB_STATE": str(place / "state"),
        "AUTOLAB_CONFIG": str(tmp_path),
        "XDG_RUNTIME_DIR": str(runtime),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-P", "-m", "autolab_tui"]
    try:
        done = subprocess.run(
            [*command, "demo", "--headless", "--json"],
            capture_output=True,
            text=True,
            env=env,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *events, last = done.stdout.splitlines()
        assert decode(events[0]).seq >= 1
        final = json.loads(last)
        assert set(final) == {"schema", "run", "seconds", "sessions"}
        assert final["schema"] == "autolab/demo/1"
        sessions = msgspec.convert(final["sessions"], list[SessionObject])
        assert {s.model: s.outcome for s in sessions}["demo/spinner"] == "budget_exhausted"
        assert {s.model: s.outcome for s in sessions}["demo/hasty"] == "premature_stop"
        assert {s.state for s in sessions} == {"finished"}
    finally:
        subprocess.run([*command, "engine", "stop"], env=env, check=False, timeout=120)
        address = place / "state" / "demo" / "server.json"
        if address.exists():
            subprocess.run(["kill", str(json.loads(address.read_text())["pid"])], check=False)
        subprocess.run(["rm", "-rf", str(place)], check=True)
