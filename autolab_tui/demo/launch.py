"""Finding the demo's server, or starting it detached. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import autolab_tui

HOST = "127.0.0.1"
OWNER = f"autolab-demo-{autolab_tui.__version__}"  # another version is another server
_START = 20.0


class DemoServerError(RuntimeError):
    """The server did not come up; the message holds what it said."""


def ensure(folder: Path) -> int:
    """The port of the server whose files are in `folder`; it is started when it does not answer.

    It goes on when this process ends, because the sessions do, and ends by itself when idle.
    Raises `DemoServerError` when it does not come up within 20 seconds.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    address, log = folder / "server.json", folder / "server.log"
    port = _alive(address)
    if port is not None:
        return port
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH", "")) if p)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autolab_tui.demo.server", "--address", str(address)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        port = _alive(address)
        if port is not None:
            return port
        time.sleep(0.05)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise DemoServerError(f"the demo's model server did not start; {log} says: {''.join(said)}")


def _alive(address: Path) -> int | None:
    try:
        port = int(json.loads(address.read_text(encoding="utf-8"))["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    connection = http.client.HTTPConnection(HOST, port, timeout=2.0)
    try:
        connection.request("GET", "/v1/models")
        answer = json.loads(connection.getresponse().read())
        owners = {entry["owned_by"] for entry in answer["data"]}
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return port if owners == {OWNER} else None
