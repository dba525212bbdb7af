"""The GPUs as lines: each with its figures, who uses it, and its last quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut, cut_middle, fit, plain, width, wrapped
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views.layout import Column, between, pad, widths
from engine.state import SessionState

FIGURES = ("utilization", "memory", "power", "temperature")
HISTORY_SECONDS = 900
_GIB = 1 << 30
_COLUMNS = (
    Column("gpu", "GPU", 18, 34),
    Column("use", "use", 5, 5, align="right"),
    Column("memory", "memory", 12, 14, align="right"),
    Column("power", "power", 6, 11, rank=2, align="right"),
    Column("temp", "temp", 5, 5, rank=1, align="right"),
    Column("clock", "clock", 8, 8, rank=4, align="right"),
    Column("spark", "", 10, 60, rank=3),
    Column("who", "used by", 12, 60, rank=1),
)
Gpu = Mapping[str, Any]


def trouble(answer: Mapping[str, Any] | None, cells: int) -> list[Line]:
    """What is to be said where there is no GPU to show."""
    if answer is None:
        return [((" Asking the engine.", "dim"),)]
    said = str(answer["reading"].get("trouble") or "The driver lists no GPU.")
    lines: list[Line] = [((f" {part}", "text"),) for part in wrapped(plain(said), cells - 2)]
    hint = "Tasks that need none run all the same; this screen looks again by itself."
    return [*lines, *(((f" {part}", "dim"),) for part in wrapped(hint, cells - 2))]


def holders(sessions: Iterable[SessionState]) -> dict[str, list[str]]:
    """By UUID the sessions that have a lease of a device."""
    found: dict[str, list[str]] = {}
    for session in sessions:
        for gpu in session.lease:
            found.setdefault(gpu.uuid, []).append(session.id)
    return found


def rows(
    answer: Mapping[str, Any],
    figure: str,
    cells: int,
    glyphs: Glyphs,
    held: Mapping[str, Sequence[str]] = {},
) -> tuple[Line, list[tuple[str, Sequence[Line]]]]:
    """The head and two lines for each device: its figures, and what is wrong or who is there."""
    given = widths(_COLUMNS, cells - 2)
    columns = [column for column in _COLUMNS if column.key in given]
    head: list[Span] = [(" ", "dim")]
    for column in columns:
        title = f"{figure}, {HISTORY_SECONDS // 60} min" if column.key == "spark" else column.title
        head += [(fit(title, given[column.key], column.align), "dim"), (" ", "dim")]
    made: list[tuple[str, Sequence[Line]]] = []
    for gpu in answer["reading"]["gpus"]:
        history = series(answer["history"], gpu["uuid"], figure)
        line: list[Span] = [(" ", "text")]
        for column in columns:
            room = given[column.key]
            spans = _cell(column.key, gpu, history, room, glyphs)
            line += [*pad(spans, room, column.align), (" ", "text")]
        lines: list[Line] = [tuple(line)]
        lease = ", ".join(map(plain, held.get(str(gpu["uuid"]), ())))
        if lease:
            lines.append(
                tuple(pad([("   leased to ", "dim"), (cut(lease, cells - 14), "accent")], cells))
            )
        concern = _concern(gpu, glyphs)
        if concern is not None:
            lines.append(
                tuple(pad([("   ", "text"), (cut(concern[0], cells - 4), concern[1])], cells))
            )
        made.append((str(gpu["uuid"]), lines))
    return tuple(pad(head, cells)), made


def series(history: Sequence[Mapping[str, Any]], uuid: str, figure: str) -> list[float | None]:
    """A figure of one device over the history, as shares of its most; None where not told."""
    found: list[float | None] = []
    for sample in history:
        gpu = next((g for g in sample["gpus"] if g["uuid"] == uuid), None)
        found.append(None if gpu is None else share(gpu, figure))
    return found


def share(gpu: Gpu, figure: str) -> float | None:
    """A figure as a share of the most that it can be: of 100 %, memory, power limit, 100 C."""
    if gpu["standing"] != "ok":
        return None
    value, most = {
        "utilization": (gpu["utilization"], 100.0),
        "memory": (gpu["memory_used"], gpu["memory_total"]),
        "power": (gpu["power"], gpu["power_limit"]),
        "temperature": (gpu["temperature"], 100.0),
    }[figure]
    return None if value is None or not most else min(1.0, max(0.0, value / most))


def spark(values: Sequence[float | None], cells: int, glyphs: Glyphs) -> str:
    """The values as a row of bars, the newest at the right; each bar is the most in its part."""
    if not values or cells < 1:
        return ""
    drawn = []
    for cell in range(cells):
        first = len(values) * cell // cells
        last = max(first + 1, len(values) * (cell + 1) // cells)
        known = [value for value in values[first:last] if value is not None]
        top = len(glyphs.spark) - 1
        drawn.append(glyphs.spark[round(max(known) * top)] if known else " ")
    return "".join(drawn)


def _cell(
    key: str, gpu: Gpu, history: Sequence[float | None], cells: int, glyphs: Glyphs
) -> list[Span]:
    if key == "gpu":
        name = f"{gpu['index']} {plain(str(gpu['name'])).removeprefix('NVIDIA ')}"
        return [(cut_middle(name, cells), "strong" if gpu["standing"] == "ok" else "bad")]
    if key == "spark":
        return [(spark(history, cells, glyphs), "spark")]
    if gpu["standing"] != "ok":
        return [(words.UNKNOWN if key != "who" else "", "dim")]
    if key == "who":
        return [_who(gpu, cells)]
    used, total = gpu["memory_used"], gpu["memory_total"]
    power, limit = gpu["power"], gpu["power_limit"]
    text = {
        "use": _figure(gpu["utilization"], "%"),
        "memory": words.UNKNOWN
        if used is None or not total
        else f"{used / _GIB:.1f}/{total / _GIB:.0f} GiB",
        "power": words.UNKNOWN if power is None else f"{power:.0f}/{limit or 0:.0f} W",
        "temp": _figure(gpu["temperature"], " C"),
        "clock": _figure(gpu["sm_clock"], " MHz"),
    }[key]
    return [(text, "text")]


def _figure(value: float | None, unit: str) -> str:
    return words.UNKNOWN if value is None else f"{value:.0f}{unit}"


def _who(gpu: Gpu, cells: int) -> Span:
    processes = gpu["processes"]
    if processes is None:
        return "not told", "dim"
    if not processes:
        return "nobody", "dim"
    names = dict.fromkeys(plain(str(p["session"] or f"pid {p['pid']}")) for p in processes)
    foreign = any(p["session"] is None for p in processes)
    return cut(", ".join(names), cells), "warn" if foreign else "accent"


def _concern(gpu: Gpu, glyphs: Glyphs) -> tuple[str, Role] | None:
    if gpu["standing"] != "ok":
        return f"{glyphs.failed} {gpu['standing']}: {plain(str(gpu['trouble']))}", "bad"
    said = [f"throttled: {plain(', '.join(gpu['throttle']))}"] if gpu["throttle"] else []
    if gpu["ecc"]:
        said.append(f"{gpu['ecc']} uncorrected memory errors")
    return (f"{glyphs.alert} {'; '.join(said)}", "warn") if said else None


def strip(reading: Mapping[str, Any], cells: int, glyphs: Glyphs) -> Line | None:
    """All GPUs in one line for the fleet, or None where there is none."""
    gpus = reading.get("gpus") or ()
    if not gpus:
        return None
    spans: list[Span] = [(" GPUs ", "dim")]
    for gpu in gpus:
        if gpu["standing"] != "ok":
            spans += [(f"{gpu['index']} {glyphs.failed} {gpu['standing']}  ", "bad")]
            continue
        level = share(gpu, "utilization")
        bar = glyphs.spark[round((level or 0.0) * (len(glyphs.spark) - 1))]
        memory = share(gpu, "memory")
        held = "" if memory is None else f" {memory:.0%} full"
        role: Role = "warn" if _concern(gpu, glyphs) else "text"
        spans += [(f"{gpu['index']} ", "dim"), (bar, "spark")]
        spans.append((f" {_figure(gpu['utilization'], '%')}{held}  ", role))
    if sum(width(text) for text, _ in spans) > cells:
        busy = sum((g["utilization"] or 0) >= 5 for g in gpus)
        lost = sum(g["standing"] != "ok" for g in gpus)
        spans = [(f" {busy} of {len(gpus)} GPUs busy", "text")]
        if lost:
            spans.append((f", {lost} lost", "bad"))
    return between(spans, [], cells)
