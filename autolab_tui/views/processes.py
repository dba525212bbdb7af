"""What runs in a session's sandbox, as lines: who takes the CPU and the memory, and below whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autolab_tui import words
from autolab_tui.plain import cut, fit, plain
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views.layout import Column, pad, widths

_COLUMNS = (
    Column("pid", "pid", 7, 8, align="right"),
    Column("share", "CPU", 5, 6, align="right"),
    Column("cpu", "CPU time", 8, 8, rank=2, align="right"),
    Column("memory", "memory", 8, 9, align="right"),
    Column("gpu", "GPU mem", 8, 9, rank=1, align="right"),
    Column("age", "age", 5, 6, rank=3, align="right"),
    Column("command", "command", 16, 400),
)
HEAD = 2  # lines above the first process
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_DEEPEST = 8  # steps that are drawn; a deeper tree would push its commands off the screen
Answer = Mapping[str, Any]


def size(count: int | None) -> str:
    """Bytes, short: `41.2 MiB`."""
    if count is None:
        return words.UNKNOWN
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.{0 if count >= 100 * unit else 1}f} {name}"
    return f"{count} B"


def shares(before: Answer | None, now: Answer) -> dict[int, float]:
    """By pid the CPUs that each process kept busy between two answers; 1 is one CPU."""
    if before is None or now["stamp"] <= before["stamp"]:
        return {}
    spent = {(one["pid"], one["command"]): one["cpu"] for one in before["processes"]}
    span = now["stamp"] - before["stamp"]
    return {
        one["pid"]: max(0.0, one["cpu"] - spent[one["pid"], one["command"]]) / span
        for one in now["processes"]
        if (one["pid"], one["command"]) in spent
    }


def lines(answer: Answer | None, before: Answer | None, cells: int) -> list[Line]:
    """The sum, the titles and a line for each process, children below their parents."""
    if answer is None:
        return [((" Asking the engine.", "dim"),)]
    if not answer["sandbox"]:
        return [((" It has no sandbox now, so nothing of it runs.", "text"),)]
    taken = shares(before, answer)
    seen: Sequence[Answer] = answer["processes"]
    given = widths(_columns(seen), cells - 2)
    titles: list[Span] = [(" ", "dim")]
    for column in _COLUMNS:
        if column.key in given:
            titles += [(fit(column.title, given[column.key], column.align), "dim"), (" ", "dim")]
    made: list[Line] = [tuple(pad(_sum(answer, taken), cells)), tuple(pad(titles, cells))]
    for one in seen:
        line: list[Span] = [(" ", "text")]
        for column in _COLUMNS:
            if column.key in given:
                room = given[column.key]
                text, role = _cell(column.key, one, taken.get(one["pid"]), room)
                line += [(fit(text, room, column.align), role), (" ", "text")]
        made.append(tuple(pad(line, cells)))
    if answer["left_out"]:
        made.append(((f" and {answer['left_out']} more", "dim"),))
    return made


def _columns(seen: Sequence[Answer]) -> tuple[Column, ...]:
    on_gpus = any(one.get("gpu_memory") is not None for one in seen)
    return tuple(column for column in _COLUMNS if column.key != "gpu" or on_gpus)


def _sum(answer: Answer, taken: Mapping[int, float]) -> list[Span]:
    seen = answer["processes"]
    number = len(seen) + answer["left_out"]
    spans: list[Span] = [
        (f" {number} process{'' if number == 1 else 'es'}", "strong"),
        (f"   memory {size(sum(one['memory'] for one in seen))}", "text"),
    ]
    if taken:
        spans.insert(1, (f"   {sum(taken.values()):.2f} CPUs busy", "text"))
    held = [one["gpu_memory"] for one in seen if one.get("gpu_memory") is not None]
    if held:
        spans.append((f"   GPU memory {size(sum(held))}", "text"))
    return spans


def _cell(key: str, one: Answer, share: float | None, room: int) -> Span:
    role: Role = "text"
    match key:
        case "share":
            text = words.UNKNOWN if share is None else f"{share:.0%}"
            role = "strong" if share is not None and share >= 0.5 else "text"
        case "cpu":
            text = words.duration(one["cpu"])
        case "memory":
            text = size(one["memory"])
        case "gpu":
            text = size(one.get("gpu_memory"))
        case "command":
            state = str(one["state"])
            note = f"({plain(state)}) " if state not in ("running", "sleeping") else ""
            indent = " " * min(one["depth"], _DEEPEST)
            text = cut(f"{indent}{note}{plain(one['command'])}", room)
        case _:
            text, role = words.short(one["age"]) if key == "age" else str(one[key]), "dim"
    return text, role
