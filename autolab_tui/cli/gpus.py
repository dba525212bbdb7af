"""`autolab gpus`: what the GPUs of this machine do, and for whom."""

from __future__ import annotations

import argparse
import time
from typing import Any

from autolab_tui import words
from autolab_tui.cli.failures import DONE
from autolab_tui.cli.output import emit, plain, table
from autolab_tui.cli.parser import Commands, command
from autolab_tui.gpu_words import faults, is_wasted, process_name

_DETAILS = """\
Asks the engine, which looks once a second; without one, the driver itself. A machine without a GPU
is no error: the reason is printed.

examples:
  autolab gpus
  autolab gpus --watch              again every two seconds
  autolab gpus --json | jq '.gpus[] | [.name, .utilization, .memory_used]'"""
_SECONDS = 2.0
_GIB = 1 << 30
_SHOWN = 3  # processes of a device


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(commands, "gpus", run, summary="the GPUs, and who uses them", details=_DETAILS)
    parser.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")


def run(args: argparse.Namespace) -> int:
    """Print the GPUs."""
    while True:
        found = reading(args)
        if args.json:
            emit("gpus", found)
        else:
            print(_words(found))
        if not args.watch:
            return DONE
        time.sleep(_SECONDS)


def reading(args: argparse.Namespace) -> dict[str, Any]:
    """`{driver, trouble, gpus}` from the engine, or from the driver where none runs."""
    from engine.client import EngineError, find

    client = find(args.state)
    if client is not None:
        try:
            return dict(client.gpus()["reading"])
        except EngineError:
            pass  # it has just ended, or is of another version: the driver knows as well
    import msgspec

    from engine.offline import gpus

    found: dict[str, Any] = msgspec.to_builtins(gpus.reading())
    return found


def _words(found: dict[str, Any]) -> str:
    if not found["gpus"]:
        return plain(found["trouble"] or "the driver lists no GPU")
    head = (
        "gpu",
        "name",
        "use",
        "memory",
        "power",
        "temp",
        "clock",
        "trouble",
        "leased to",
        "processes",
    )
    part, rows = 0, []
    for gpu in found["gpus"]:
        part = part + 1 if gpu["parent"] else 0
        rows.append((f"{gpu['index']}.{part - 1}" if part else str(gpu["index"]), *_row(gpu)))
    lines = [table(head, rows, right=(2, 3, 4, 5, 6))]
    if found["driver"]:
        lines.append(f"driver {plain(found['driver'])}")
    if found["trouble"]:
        lines.append(plain(found["trouble"]))
    return "\n".join(lines)


def _row(gpu: dict[str, Any]) -> tuple[str, ...]:
    if gpu["standing"] != "ok":
        said = "; ".join([f"{gpu['standing']}: {gpu['trouble']}", *faults(gpu)])
        return (gpu["name"], *[""] * 5, said, _leased(gpu), "")

    def shown(value: float | None, unit: str, digits: int = 0) -> str:
        return "-" if value is None else f"{value:.{digits}f}{unit}"

    used, total = gpu["memory_used"], gpu["memory_total"]
    memory = "-" if used is None or not total else f"{used / _GIB:.1f}/{total / _GIB:.0f} GiB"
    processes = gpu["processes"]
    whose = "not told" if processes is None else ", ".join(map(_process, processes[:_SHOWN])) or "-"
    more = max(0, len(processes or ()) - _SHOWN) + gpu["processes_more"]
    return (
        gpu["name"],
        shown(gpu["utilization"], "%"),
        memory,
        shown(gpu["power"], " W"),
        shown(gpu["temperature"], " C"),
        shown(gpu["sm_clock"], " MHz"),
        ", ".join(_concerns(gpu)) or "-",
        _leased(gpu),
        f"{whose} and {more} more" if more else whose,
    )


def _leased(gpu: dict[str, Any]) -> str:
    """The sessions that have it; those that only have a slice of it, or what it is a slice of."""
    part = "whole GPU" if gpu["parent"] else "a slice"
    in_part = [f"{who} ({part})" for who in gpu["leased_in_part"] if who not in gpu["leases"]]
    return ", ".join([*gpu["leases"], *in_part]) or "-"


def _concerns(gpu: dict[str, Any]) -> list[str]:
    said = faults(gpu)
    if is_wasted(gpu):
        said.insert(0, f"leased, and idle for {words.short(gpu['idle_seconds'])}")
    return [*said, f"cut into {words.plural(gpu['slices'], 'slice')}"] if gpu["slices"] else said


def _process(process: dict[str, Any]) -> str:
    memory = process["memory"]
    held = "" if memory is None else f" {memory / _GIB:.1f} GiB"
    return f"{process['session'] or process_name(process)}{held}"
