"""What GPUs did, out of the minutes that a journal has of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.events import GpuMinute, GpusSampled
from engine.gpu.history import Series, histories
from engine.gpu.leases import Holders
from engine.gpu.reading import GpuReading, Reading

NOW_SECONDS = 120.0  # a minute is the newest word of a device for so long
_NOBODY = Holders()
_PARTS = 10  # of a minute
_NOTHING = "the journal has nothing of GPUs at this moment; minutes are written where there are any"


def recorded(
    minutes: Sequence[tuple[float, GpusSampled]],
    time: float,
    seconds: float,
    leases: Holders,
) -> tuple[Reading, dict[str, Series]]:
    """The newest minute before `time` as a reading of means, and the most of each before that.

    `minutes` come with the times (Unix) at which they ended, in order.
    """
    past = [(time - at, minute) for at, minute in minutes if 0 <= time - at < seconds]
    spread = aged(past)
    newest = past[-1] if past and past[-1][0] < NOW_SECONDS else None
    if newest is None:
        return Reading(trouble=_NOTHING), histories(spread, seconds) if seconds else {}
    gpus = sorted((_of(gpu, 1, leases) for gpu in newest[1].gpus), key=lambda gpu: gpu.index)
    return Reading(gpus=tuple(gpus)), histories(spread, seconds) if seconds else {}


def aged(past: Sequence[tuple[float, GpusSampled]]) -> list[tuple[float, Reading]]:
    """The most of each minute as readings with their ages, of minutes with theirs (seconds).

    A screen's part is shorter than a minute: it is drawn for all the time that it speaks of.
    """
    return [
        (age + part * minute.seconds / _PARTS, Reading(gpus=tuple(_of(g, 2) for g in minute.gpus)))
        for age, minute in past
        for part in range(_PARTS)
    ]


def _of(gpu: GpuMinute, which: int, leases: Holders = _NOBODY) -> GpuReading:
    """A minute's least (0), mean (1) or most (2) as a reading."""

    def figure(three: tuple[float, float, float] | None) -> float | None:
        return None if three is None else three[which]

    def whole(three: tuple[float, float, float] | None) -> int | None:
        value = figure(three)
        return None if value is None else round(value)

    return GpuReading(
        index=gpu.index,
        uuid=gpu.uuid,
        name=gpu.name or gpu.uuid,
        parent=gpu.parent,
        utilization=whole(gpu.utilization),
        memory_used=whole(gpu.memory),
        memory_total=gpu.memory_total,
        power=figure(gpu.power),
        power_limit=gpu.power_limit,
        temperature=whole(gpu.temperature),
        leases=leases.of(gpu.uuid),
        leased_in_part=leases.in_part(gpu.uuid, gpu.parent),
    )
