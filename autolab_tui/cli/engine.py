"""`autolab engine`: the daemon that owns the sessions."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import autolab_tui
from autolab_tui.cli import anomalies
from autolab_tui.cli.failures import CommandError
from autolab_tui.cli.output import emit, plain
from autolab_tui.cli.parser import Commands, command, group
from autolab_tui.cli.values import short_duration

_STOP_SECONDS = 60.0
_STATUS_KEYS = (
    "pid",
    "version",
    "state_dir",
    "uptime",
    "loop_lag",
    "sessions_running",
    "loop_lag_worst",
    "api_errors",
    "trouble",
)
_START_DETAILS = """\
Every command that needs the engine starts it. It has the environment of the shell that it is
started from, keys of providers included, and goes on when that shell is gone.

examples:
  autolab engine start
  autolab engine start --dry-run        whether one runs, and whether the settings are sound"""
_STOP_DETAILS = """\
example:
  autolab engine stop"""
_RESTART_DETAILS = """\
example (the engine has the environment of the shell that starts it):
  export ANTHROPIC_API_KEY=...
  autolab engine restart"""
_STATUS_DETAILS = """\
Exit code 1 when no engine runs.

examples:
  autolab engine status
  autolab engine status --json | jq .loop_lag"""
_SERVE_DETAILS = """\
For a supervisor such as systemd; `autolab engine start` does the same in the background.

example:
  autolab engine serve"""
_METRICS_DETAILS = """\
examples:
  autolab engine metrics > /var/lib/node_exporter/autolab.prom.new     then rename it
  autolab engine metrics --json | jq '.families[].name'

The engine listens on no port: `GET /metrics` is answered on its Unix socket."""


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "engine", "the daemon that owns the sessions")
    command(
        verbs,
        "start",
        start,
        summary="start the engine, detached",
        details=_START_DETAILS,
        dry_run=True,
    )
    command(
        verbs,
        "stop",
        stop,
        summary="end the engine and its sandboxes; open sessions go on when it runs again",
        details=_STOP_DETAILS,
        dry_run=True,
    )
    command(
        verbs,
        "restart",
        restart,
        summary="a new engine (for another key, say); sandboxes and their commands live on",
        details=_RESTART_DETAILS,
        dry_run=True,
    )
    command(
        verbs,
        "status",
        status,
        summary="whether it runs, and how it is",
        details=_STATUS_DETAILS,
    )
    anomalies.add_to(verbs)
    command(
        verbs,
        "metrics",
        metrics,
        summary="its numbers in Prometheus' text format",
        details=_METRICS_DETAILS,
    )
    command(
        verbs,
        "serve",
        serve,
        summary="be the engine, in the foreground, until Ctrl-C",
        details=_SERVE_DETAILS,
        json=False,
    )


def start(args: argparse.Namespace) -> int:
    """Start the engine when none runs; print who runs."""
    from engine.client import connect, running

    client = running(args.state)
    if args.dry_run:
        if client is None:
            _check_settings()
        said = "an engine runs already" if client else "would start an engine"
        if args.json:
            emit("engine-start", {"would_start": client is None})
        else:
            print(said)
        return 0
    facts = (client or connect(args.state)).engine()
    if args.json:
        emit("engine", {key: facts[key] for key in _STATUS_KEYS})
    else:
        how = "runs already" if client else "started"
        print(f"engine {facts['version']} {how}, pid {facts['pid']}, state in {facts['state_dir']}")
    return 0


def _check_settings() -> None:
    """What an engine would refuse to start with."""
    from engine.settings import SettingsError, load_settings

    try:
        load_settings()
    except SettingsError as error:
        raise CommandError(str(error)) from None


def stop(args: argparse.Namespace) -> int:
    """End the engine and wait until it is gone."""
    from engine.client import running

    client = running(args.state)
    if client is None or args.dry_run:
        would = client is not None
        if args.json:
            emit("engine-stop", {"was_running": would, "stopped": False})
        else:
            print("would stop the engine" if would else "no engine runs")
        return 0
    open_ones = client.engine()["sessions_running"]
    client.shutdown()
    _wait_until_gone(args.state)
    if args.json:
        emit("engine-stop", {"was_running": True, "stopped": True})
    else:
        goes = f"{open_ones} sessions go" if open_ones > 1 else "1 session goes"
        left = f"; {goes} on when it runs again" if open_ones else ""
        print(f"engine stopped{left}")
    return 0


def restart(args: argparse.Namespace) -> int:
    """End the engine, leave its sandboxes standing still, and start another on the same state."""
    from engine.client import connect, running

    client = running(args.state)
    if args.dry_run:
        would = "restart" if client is not None else "start"
        if args.json:
            emit("engine-start", {"would_start": True})
        else:
            print(f"would {would} the engine")
        return 0
    if client is not None:
        client.shutdown(keep=True)
        _wait_until_gone(args.state)
    facts = connect(args.state).engine()
    if args.json:
        emit("engine", {key: facts[key] for key in _STATUS_KEYS})
    else:
        print(f"engine {facts['version']} started, pid {facts['pid']}")
    return 0


def _wait_until_gone(state: Path | None) -> None:
    from engine.client import find

    deadline = time.monotonic() + _STOP_SECONDS
    while find(state) is not None:
        if time.monotonic() > deadline:
            raise CommandError(
                f"the engine still answers after {_STOP_SECONDS:.0f} s; see engine.log in its "
                "state folder (`autolab engine status`)"
            )
        time.sleep(0.05)


def status(args: argparse.Namespace) -> int:
    """Print the engine's facts; exit code 1 when none runs."""
    from engine.client import connect

    facts = connect(args.state, start=False).engine()
    if args.json:
        emit("engine", {key: facts[key] for key in _STATUS_KEYS})
        return 0
    print(f"engine {facts['version']}, pid {facts['pid']}, up {short_duration(facts['uptime'])}")
    print(f"state      {facts['state_dir']}")
    print(f"sessions   {facts['sessions_running']} running")
    worst = facts["loop_lag_worst"]
    print(f"loop lag   {facts['loop_lag'] * 1000:.1f} ms, at worst {worst * 1000:.1f} ms a minute")
    failed = ", ".join(f"{count} x {cause}" for cause, count in facts["api_errors"].items())
    print(f"API errors {plain(failed) or 'none'} in the last hour")
    if facts["trouble"]:
        print(f"trouble    {plain(facts['trouble'])}")
    return 0


def metrics(args: argparse.Namespace) -> int:
    """Print the engine's numbers; exit code 1 when none runs."""
    from engine.client import connect

    client = connect(args.state, start=False)
    if args.json:
        emit("metrics", {"families": client.metric_families()})
    else:
        sys.stdout.write(client.metrics())
    return 0


def serve(args: argparse.Namespace) -> int:
    """Become the engine: this process is replaced by the daemon's own."""
    from engine.paths import state_dir

    home = str(Path(autolab_tui.__file__).resolve().parents[1])
    path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH", "")) if p)
    line = [sys.executable, "-P", "-m", "engine.daemon", "--state", str(state_dir(args.state))]
    os.execve(sys.executable, line, {**os.environ, "PYTHONPATH": path})
