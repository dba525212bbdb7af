"""The GPUs as lines: each with its figures, who has it, and its last quarter of an hour."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.gpu_words import BUSY, faults, is_wasted, process_name
from autolab_tui.plain import cut, cut_middle, fit, plain, width, wrapped
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views.layout import Column, pad, widths

FIGURES = ("utilization", "memory", "power", "temperature")
HISTORY_SECONDS = 900
HOT = 85  # degrees; the hardware slows itself down a little above
_GIB = 1 << 30
_COLUMNS = (
    Column("gpu", "GPU", 14, 34),
    Column("use", "use", 4, 4, align="right"),
    Column("memory", "memory", 12, 12, align="right"),
    Column("power", "power", 6, 10, rank=3, align="right"),
    Column("temp", "temp", 5, 5, rank=1, align="right"),
    Column("clock", "clock", 8, 8, rank=4, align="right"),
    Column("spark", "", 10, 60, rank=2),
    Column("who", "held by", 20, 60),
)
Gpu = Mapping[str, Any]
History = Mapping[str, Mapping[str, Sequence[float | None]]]


def trouble(answer: Mapping[str, Any] | None, cells: int) -> list[Line]:
    """What is to be said where there is no GPU to show."""
    if answer is None:
        return [((" Asking the engine.", "dim"),)]
    said = str(answer["reading"].get("trouble") or "The driver lists no GPU.")
    lines: list[Line] = [((f" {part}", "text"),) for part in wrapped(plain(said), cells - 2)]
    hint = "Tasks that need none run all the same; this screen looks again by itself."
    return [*lines, *(((f" {part}", "dim"),) for part in wrapped(hint, cells - 2))]


def summary(gpus: Sequence[Gpu]) -> str:
    """All devices in a few words: how many are busy, leased, leased in vain, and lost."""
    whole = [gpu for gpu in gpus if not gpu.get("parent")]
    busy = sum(gpu["standing"] == "ok" and (gpu["utilization"] or 0) >= BUSY for gpu in whole)
    leased, wasted = sum(bool(gpu.get("leases")) for gpu in gpus), sum(map(is_wasted, gpus))
    said = [f"{busy} of {len(whole)} busy"]
    if leased:
        said.append(f"{leased} leased ({wasted} idle)" if wasted else f"{leased} leased")
    counts = {
        "lost": sum(gpu["standing"] == "lost" for gpu in whole),
        "silent": sum(gpu["standing"] == "silent" for gpu in whole),
    }
    return ", ".join([*said, *(f"{n} {what}" for what, n in counts.items() if n)])


def old(answer: Mapping[str, Any], cells: int, glyphs: Glyphs) -> list[Line]:
    """Why the figures that are shown are not those of now; nothing where they are."""
    said = plain(str(answer["reading"].get("trouble") or ""))
    return [((cut(f" {glyphs.alert} {said}", cells), "warn"),)] if said else []


def rows(
    answer: Mapping[str, Any],
    figure: str,
    cells: int,
    glyphs: Glyphs,
    paused: Collection[str] = (),
) -> tuple[Line, list[tuple[str, Sequence[Line]]]]:
    """The head, and for each device its figures and what is to be known of it.

    `paused` are the sessions that stand still, whatever they hold.
    """
    given = widths(_COLUMNS, cells - 2)
    columns = [column for column in _COLUMNS if column.key in given]
    head: list[Span] = [(" ", "dim")]
    for column in columns:
        title = column.title
        if column.key == "spark":
            span = f"{HISTORY_SECONDS // 60} min"
            title = f"{figure}, {span}" if given["spark"] > width(figure) + 8 else span
        head += [(fit(title, given[column.key], column.align), "dim"), (" ", "dim")]
    made: list[tuple[str, Sequence[Line]]] = []
    part = 0
    for gpu in answer["reading"]["gpus"]:
        part = part + 1 if gpu.get("parent") else 0
        history = series(answer["history"], gpu, figure)
        line: list[Span] = [(" ", "text")]
        for column in columns:
            room = given[column.key]
            if column.key == "gpu":
                spans = [_name(gpu, part, room, glyphs)]
            elif column.key == "who":
                spans = [_who(gpu, room, paused, "run" in answer)]
            else:
                spans = _cell(column.key, gpu, history, room, glyphs)
            line += [*pad(spans, room, column.align), (" ", "text")]
        lines: list[Line] = [tuple(line)]
        said, role = _concern(gpu, glyphs)
        if said:
            lines.append(tuple(pad([("   ", "text"), (cut(said, cells - 4), role)], cells)))
        made.append((str(gpu["uuid"]), lines))
    return tuple(pad(head, cells)), made


def series(history: History, gpu: Gpu, figure: str) -> list[float | None]:
    """A figure of one device over the history, as shares of its most; None where not told."""
    values = history.get(str(gpu["uuid"]), {}).get(figure, ())
    most = _most(gpu, figure)
    return [
        None if value is None or not most else min(1.0, max(0.0, value / most)) for value in values
    ]


def share(gpu: Gpu, figure: str) -> float | None:
    """A figure as a share of the most that it can be: of 100 %, memory, power limit, 100 C."""
    value = gpu["memory_used" if figure == "memory" else figure]
    most = _most(gpu, figure)
    if gpu["standing"] != "ok" or value is None or not most:
        return None
    return float(min(1.0, max(0.0, value / most)))


def _most(gpu: Gpu, figure: str) -> float | None:
    key = {"memory": "memory_total", "power": "power_limit"}.get(figure)
    return 100.0 if key is None else gpu[key]


def spark(values: Sequence[float | None], cells: int, glyphs: Glyphs) -> str:
    """The values as a row of bars, the newest at the right; each bar is the most in its part."""
    if not values or cells < 1:
        return ""
    drawn = []
    for cell in range(cells):
        first = len(values) * cell // cells
        last = max(first + 1, len(values) * (cell + 1) // cells)
        known = [value for value in values[first:last] if value is not None]
        drawn.append(_bar(max(known), glyphs) if known else " ")
    return "".join(drawn)


def _bar(value: float, glyphs: Glyphs) -> str:
    return glyphs.spark[round(value * (len(glyphs.spark) - 1))]


def _name(gpu: Gpu, part: int, cells: int, glyphs: Glyphs) -> Span:
    name = plain(str(gpu["name"])).removeprefix("NVIDIA ")
    if part:
        before, slice_, after = name.partition("MIG ")
        label = f" {gpu['index']}.{part - 1} {after if slice_ else before}"
    else:
        label = f"{gpu['index']} {name}"
    return cut(label, cells), "strong" if gpu["standing"] == "ok" else "bad"


def _cell(
    key: str, gpu: Gpu, history: Sequence[float | None], cells: int, glyphs: Glyphs
) -> list[Span]:
    if key == "spark":
        return [(spark(history, cells, glyphs), "spark")]
    if gpu["standing"] != "ok":
        return [(words.UNKNOWN, "dim")]
    used, total = gpu["memory_used"], gpu["memory_total"]
    power, limit, degrees = gpu["power"], gpu["power_limit"], gpu["temperature"]
    text = {
        "use": _figure(gpu["utilization"], "%"),
        "memory": words.UNKNOWN
        if used is None or not total
        else f"{used / _GIB:.1f}/{total / _GIB:.0f} GiB",
        "power": words.UNKNOWN
        if power is None
        else f"{power:.0f}/{limit:.0f} W"
        if limit and cells >= len("1000/1000 W") - 1
        else f"{power:.0f} W",
        "temp": _figure(degrees, " C"),
        "clock": _figure(gpu["sm_clock"], " MHz"),
    }[key]
    return [(text, "warn" if key == "temp" and (degrees or 0) >= HOT else "text")]


def _figure(value: float | None, unit: str) -> str:
    return words.UNKNOWN if value is None else f"{value:.0f}{unit}"


def _who(gpu: Gpu, cells: int, paused: Collection[str], recorded: bool) -> Span:
    """The sessions that have it, and any other that is on it; of one run where it is `recorded`."""
    leases = [str(session) for session in gpu.get("leases") or ()]
    in_part = [str(session) for session in gpu.get("leased_in_part") or ()]
    processes = gpu["processes"]
    strangers = dict.fromkeys(
        str(p["session"] or process_name(p))
        for p in processes or ()
        if p["session"] not in (*leases, *in_part)
    )
    named = [f"{name} (paused)" if name in paused else name for name in leases]
    part = "whole GPU" if gpu.get("parent") else "a slice"
    named += [f"{name} ({part})" for name in in_part if name not in leases]
    shown = ", ".join(plain(name) for name in (*named, *strangers))
    if shown:
        alone = len(named) == 1 and not strangers and not in_part
        fitted = cut_middle(shown, cells) if alone else cut(shown, cells)
        return fitted, "warn" if strangers else "text"
    if gpu["standing"] != "ok":
        return "", "dim"
    if recorded:
        return "not this run", "dim"
    if (gpu["utilization"] or 0) >= BUSY:
        return "in use, by whom is not told", "warn"  # those of other containers are not listed
    if gpu.get("slices"):
        return "by the slice", "dim"
    return ("free" if processes is not None else "free (users not told)"), "dim"


def _concern(gpu: Gpu, glyphs: Glyphs) -> tuple[str, Role]:
    """What is to be known of a device beside its figures; empty for nothing."""
    said = faults(gpu)
    if gpu["standing"] != "ok":
        words_ = "; ".join([*said, plain(str(gpu["trouble"]))])
        return f"{glyphs.failed} {gpu['standing']}: {words_}", "bad"
    if is_wasted(gpu):
        said = [f"leased, and idle for {words.short(gpu['idle_seconds'])}", *said]
    if gpu.get("slices") is not None:
        cut_into = words.plural(gpu["slices"], "slice")
        if not said:
            return f"cut into {cut_into}, each a device of its own", "dim"
        said = [*said, f"cut into {cut_into}"]
    return (f"{glyphs.alert} {'; '.join(said)}", "warn") if said else ("", "dim")


def strip(reading: Mapping[str, Any], cells: int, glyphs: Glyphs) -> Line | None:
    """All GPUs in one line for the fleet, or None where there is none.

    Each with its bar and figures; where these do not fit, the bars alone and a summary.
    """
    gpus = [gpu for gpu in reading.get("gpus") or () if not gpu.get("parent")]
    if not gpus:
        return None
    stale = bool(reading.get("trouble"))
    spans: list[Span] = [(" GPUs ", "dim")]
    for gpu in gpus:
        spans += _in_strip(gpu, glyphs)
    if stale or sum(width(text) for text, _ in spans) > cells:
        spans = [(" GPUs ", "dim"), *(_sign(gpu, glyphs) for gpu in gpus), ("  ", "text")]
        room = cells - sum(width(text) for text, _ in spans)
        all_of_them = reading["gpus"]
        said = plain(str(reading["trouble"])) if stale else summary(all_of_them)
        warn = stale or any(map(_is_concern, all_of_them))
        spans.append((cut(said, max(0, room)), "warn" if warn else "text"))
    return tuple(pad(spans, cells))


def _in_strip(gpu: Gpu, glyphs: Glyphs) -> list[Span]:
    sign = _sign(gpu, glyphs)
    if gpu["standing"] != "ok":
        return [(f"{gpu['index']} ", "dim"), sign, (f" {gpu['standing']}  ", "bad")]
    memory = share(gpu, "memory")
    held = "" if memory is None else f" {memory:.0%} full"
    figures = f" {_figure(gpu['utilization'], '%')}{held}"
    if is_wasted(gpu):
        figures += f" leased, idle {words.short(gpu['idle_seconds'])}"
    role: Role = "warn" if _is_concern(gpu) else "text"
    return [(f"{gpu['index']} ", "dim"), sign, (f"{figures}  ", role)]


def _sign(gpu: Gpu, glyphs: Glyphs) -> Span:
    if gpu["standing"] != "ok":
        return glyphs.failed, "bad"
    bar = _bar(share(gpu, "utilization") or 0.0, glyphs)
    return bar, "warn" if _is_concern(gpu) else "spark"


def _is_concern(gpu: Gpu) -> bool:
    return gpu["standing"] != "ok" or is_wasted(gpu) or bool(faults(gpu))
