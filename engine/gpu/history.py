"""What each GPU did lately, in as many parts as a screen can draw. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.gpu.reading import GpuReading, Reading

PARTS = 120
Series = dict[str, list[float | None]]
_FIGURES: tuple[tuple[str, Callable[[GpuReading], float | None]], ...] = (
    ("utilization", lambda gpu: gpu.utilization),
    ("memory", lambda gpu: gpu.memory_used),
    ("power", lambda gpu: gpu.power),
    ("temperature", lambda gpu: gpu.temperature),
)


def histories(
    readings: Sequence[tuple[float, Reading]], seconds: float, parts: int = PARTS
) -> dict[str, Series]:
    """By UUID and figure the most of each part of the last `seconds`, the oldest first.

    `readings` come with their age in seconds. A part in which nothing was read is None: a driver
    that hung, or an engine that had not begun.
    """
    found: dict[str, Series] = {}
    for age, reading in readings:
        part = parts - 1 - int(age * parts / seconds)
        if not 0 <= part < parts:
            continue
        for gpu in reading.gpus:
            if gpu.standing != "ok":
                continue
            series = found.get(gpu.uuid)
            if series is None:
                series = found[gpu.uuid] = {key: [None] * parts for key, _ in _FIGURES}
            for key, figure in _FIGURES:
                value, row = figure(gpu), series[key]
                known = row[part]
                if value is not None and (known is None or value > known):
                    row[part] = value
    return found
