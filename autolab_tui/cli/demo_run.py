"""The run of the demo: which persona works on which task, and beginning it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autolab_tui.cli.failures import CommandError

DEFAULT_MINUTES = 2.5
# The budget in which the personas' scripts fit at pace 1; a longer one makes them slower.
_SCRIPT_MINUTES = 2.0
PROVIDER = "demo"
_FREE = {"input": 0.0, "output": 0.0}
# What of `autolab doctor` must hold; the rest only weakens the seal, and verdicts say so.
_NEEDED = ("bubblewrap", "isolation")
# Which persona works on which task. The personas' scripts know the same names.
CAST = {
    "persistent": "median_filter",
    "hasty": "build_flags",
    "spinner": "rack_placement",
}


def begin(state: Path | None) -> str:
    """Launch the demo as the app does; words on what was begun. Raises `CommandError`."""
    from engine.client import connect

    require_sandbox()
    client = connect(state)
    created = client.create_run(spec(model_server(state, DEFAULT_MINUTES), DEFAULT_MINUTES))
    return f"run {created['run']}: three sessions of {DEFAULT_MINUTES:g} minutes"


def spec(base_url: str, minutes: float) -> dict[str, Any]:
    """The run: each persona on its task, in quick size, with `minutes` of active time."""
    return {
        "tasks": list(CAST.values()),
        "models": [f"{PROVIDER}/{persona}" for persona in CAST],
        "pairs": [[task, f"{PROVIDER}/{persona}"] for persona, task in CAST.items()],
        "budget": {"active": {"hard": round(minutes * 60, 1)}},
        "concurrency": len(CAST),
        "size": "quick",
        # A script costs nothing, and that is known.
        "providers": {PROVIDER: {"base_url": base_url, "prices": dict.fromkeys(CAST, _FREE)}},
    }


def model_server(state: Path | None, minutes: float) -> str:
    """The base URL of the model server, which is started if need be; its pace fits the budget."""
    from autolab_tui.demo.launch import DemoServerError, ensure
    from engine.paths import state_dir

    try:
        port = ensure(state_dir(state) / "demo")
    except DemoServerError as error:
        raise CommandError(str(error)) from error
    return f"http://127.0.0.1:{port}/pace/{minutes / _SCRIPT_MINUTES:.3f}/v1"


def require_sandbox() -> None:
    """Raise `CommandError` with the remedy where this machine cannot isolate an agent."""
    from autolab_tui.cli.doctor import sandbox_checks

    for check in sandbox_checks():
        needed = check["name"] in _NEEDED or check["name"].endswith(" inside")
        if needed and not check["ok"]:
            raise CommandError(f"{check['name']}: {check['found']}; {check['remedy']}")
