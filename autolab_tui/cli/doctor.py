"""`autolab doctor`: what this machine can do, and how to mend what it cannot."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.doctor_gpus import gpu_checks
from autolab_tui.cli.failures import DONE, NEGATIVE
from autolab_tui.cli.output import emit, plain
from autolab_tui.cli.parser import Commands, command

if TYPE_CHECKING:
    pass

Check = dict[str, Any]  # {name, ok, found, remedy}
_FREE_GB = 2.0
_LEAST_COLUMNS, _LEAST_ROWS = 80, 24


def add_to(commands: Commands) -> None:
    """Declare the command."""
    command(
        commands,
        "doctor",
        run,
        summary="what this machine enforces, and how to mend what is missing",
        details="Exit code 3 when something needs mending.\n\n"
        "examples:\n  autolab doctor\n"
        "  autolab doctor --json | jq '.checks[] | select(.ok | not)'",
    )


def run(args: argparse.Namespace) -> int:
    """Print every check; sandboxes are really started to find out."""
    checks = [
        *house_checks(args.state),
        *suite_checks(),
        *terminal_checks(),
        *sandbox_checks(),
        *(_check(*found) for found in gpu_checks()),
    ]
    if args.json:
        emit("doctor", {"checks": checks})
    else:
        width = max(len(check["name"]) for check in checks)
        for check in checks:
            mark = "ok  " if check["ok"] else "MEND"
            print(f"{mark}  {check['name']:<{width}}  {plain(str(check['found']))}")
            if not check["ok"] and check["remedy"]:
                print(f"      {'':<{width}}  -> {plain(check['remedy'])}")
    return DONE if all(check["ok"] for check in checks) else NEGATIVE


def sandbox_checks() -> list[Check]:
    """What isolation works here, by starting a sandbox."""
    from verifier.sandbox.probe import checks

    return [{"name": c.name, "ok": c.ok, "found": c.found, "remedy": c.remedy} for c in checks()]


def house_checks(state: Path | None) -> Iterable[Check]:
    """Python, the state folder, and the engine."""
    from engine.client import find
    from engine.paths import PathError, make_private, state_dir

    version = ".".join(map(str, sys.version_info[:3]))
    yield _check(
        "python",
        sys.version_info >= (3, 11),
        f"{version} at {sys.executable}",
        "install Python 3.11 or newer",
    )
    folder = state_dir(state)
    try:
        make_private(folder)
        free = shutil.disk_usage(folder).free / 1e9
        usable = os.access(folder, os.W_OK | os.X_OK)
    except (PathError, OSError) as error:
        yield _check("state folder", False, str(error), "choose another: --state DIR")
        return
    yield _check(
        "state folder",
        usable and free >= _FREE_GB,
        f"{folder}, {free:.1f} GB free" + ("" if usable else ", not writable"),
        f"free {_FREE_GB:g} GB, or choose another with --state DIR or AUTOLAB_STATE",
    )
    client = find(state)
    found = f"pid {client.engine()['pid']}" if client else "none runs (commands start one)"
    yield _check("engine", True, found)


def suite_checks() -> Iterable[Check]:
    """The shipped tasks: loadable, pinned, and their tools present."""
    from tasks import load_suite
    from verifier import pins

    suite = load_suite()
    wrong = [f"{b.path.name}: {b.error}" for b in suite.broken]
    for task in suite.tasks:
        wrong += [f"{task.path.name}: {problem}" for problem in pins.check(task.path)[:1]]
    yield _check(
        "shipped tasks",
        not wrong,
        "; ".join(wrong) or f"{len(suite.tasks)}, all as pinned",
        "reinstall AutoLab TUI, or restore the files named",
    )


def terminal_checks() -> Iterable[Check]:
    """What the app would be drawn on."""
    if not sys.stdout.isatty():
        yield _check("terminal", True, "none here; the app needs one, the commands do not")
        return
    size = shutil.get_terminal_size()
    name = os.environ.get("TERM", "")
    fits = size.columns >= _LEAST_COLUMNS and size.lines >= _LEAST_ROWS
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    letters = "UTF-8" if unicode else "no UTF-8: the app draws with ASCII"
    yield _check(
        "terminal",
        fits and name not in ("", "dumb"),
        f"{name or 'TERM is not set'}, {size.columns}x{size.lines}, {letters}",
        f"use a terminal of at least {_LEAST_COLUMNS}x{_LEAST_ROWS} with TERM set",
    )


def _check(name: str, ok: bool, found: str, remedy: str = "") -> Check:
    return {"name": name, "ok": ok, "found": found, "remedy": None if ok else remedy}
