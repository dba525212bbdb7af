"""`autolab doctor`: what this machine can do, and how to mend what it cannot."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.failures import DONE, NEGATIVE
from autolab_tui.cli.output import emit, plain
from autolab_tui.cli.parser import Commands, command

if TYPE_CHECKING:
    from tasks import Task

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
        *gpu_checks(),
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


def gpu_checks() -> Iterable[Check]:
    """Driver, devices, CUDA toolkit and PyCUDA: none of them is a fault, unless a task wants it."""
    from engine.offline import gpus
    from tasks import load_suite

    found = gpus.reading()
    wanting = [task for task in load_suite().tasks if task.config.environment.gpus]
    wanted = f"wanted by {', '.join(task.name for task in wanting)}"
    if not wanting:
        wanted = "no shipped task wants one"
    said = (
        _counted((gpu.name, gpu.standing) for gpu in found.gpus)
        or found.trouble
        or "the driver lists none"
    )
    faulty = any(gpu.standing != "ok" for gpu in found.gpus)
    yield _check(
        "gpus", not faulty, f"{said}; {wanted}", "look into dmesg for an Xid, and reset or reboot"
    )
    yield _check(
        "nvidia driver",
        gpus.is_sound(found),
        found.trouble or found.driver or "of an unknown version",
        "look into dmesg; reload the driver or reboot",
    )
    from verifier.sandbox.arguments import PATH

    nvcc = shutil.which("nvcc", path=PATH)
    missing = f"no nvcc in {PATH}, which is what sandboxes see: tasks in CUDA cannot be built"
    yield _check("cuda toolkit", True, nvcc or missing)
    from verifier.cuda.python import missing as missing_python

    lacking = missing_python()
    words = "installed" if lacking is None else f"tasks in CUDA cannot be run: {lacking}"
    yield _check("pycuda", True, words)
    yield _check("gpu tasks", True, _for_each(wanting))


def _for_each(wanting: Sequence[Task]) -> str:
    """Which of these tasks can be judged here, and what keeps the others from it."""
    from verifier.availability import availability

    if not wanting:
        return "no shipped task wants a GPU"
    reasons: dict[str, list[str]] = {}
    for name, why in availability(wanting).items():
        reasons.setdefault(why or "can be judged here", []).append(name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())


def _counted(gpus: Iterable[tuple[str, str]]) -> str:
    """Devices, by name and standing, those that are alike together."""
    counts = Counter(plain(name) + ("" if at == "ok" else f" ({at})") for name, at in gpus)
    return ", ".join(f"{count} {name}" for name, count in counts.items())


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
