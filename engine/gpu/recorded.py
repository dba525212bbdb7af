"""What GPUs did, out of the minutes that a journal has of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.events import EngineStarted, GpuMinute, GpusNoted, GpusSampled
from engine.gpu.history import Series, histories
from engine.gpu.leases import Holders
from engine.gpu.reading import GpuReading, Reading, Standing

NOW_SECONDS = 120.0  # a minute is the newest word of a device for so long
_NOBODY = Holders()
_PARTS = 10  # of a minute
_NOTHING = "the journal has nothing of GPUs at this moment; minutes are written where there are any"


def recorded(
    events: Sequence[tuple[float, GpusSampled | GpusNoted | EngineStarted]],
    time: float,
    seconds: float,
    leases: Holders,
) -> tuple[Reading, dict[str, Series]]:
    """The newest minute before `time` as a reading of means, and the most of each before that.

    `events` are all before `time`, with their times (Unix), in order; a minute's is its end. A
    device that was lost or silent then is so in the reading, whatever its last minute was like.
    """
    minutes = [(at, body) for at, body in events if isinstance(body, GpusSampled)]
    noted: dict[str, GpusNoted] = {}
    for _, body in events:
        if isinstance(body, GpusNoted):
            noted[body.device] = body
        elif isinstance(body, EngineStarted):
            noted.clear()  # the next engine says anew what is wrong
    past = [(time - at, minute) for at, minute in minutes if 0 <= time - at < seconds]
    spread = aged(past)
    newest = past[-1] if past and past[-1][0] < NOW_SECONDS else None
    here = {} if newest is None else {g.uuid: _of(g, 1, leases) for g in newest[1].gpus}
    bad = {device: note for device, note in noted.items() if _standing(note) != "ok"}
    indices = {gpu.uuid: gpu.index for _, minute in minutes for gpu in minute.gpus} if bad else {}
    for device, note in bad.items():
        here[device] = _out(note, indices.get(device, len(indices)), leases)
    driver = noted.get("driver")
    trouble = driver.state if driver is not None and driver.state != "ok" else ""
    if not here:
        trouble = trouble or _NOTHING
    gpus = sorted(here.values(), key=lambda gpu: gpu.index)
    reading = Reading(trouble=trouble, gpus=tuple(gpus))
    return reading, histories(spread, seconds) if seconds else {}


def _standing(note: GpusNoted) -> Standing:
    said = note.state.partition(": ")[0]
    return "lost" if said == "lost" else "silent" if said == "silent" else "ok"


def _out(note: GpusNoted, index: int, leases: Holders) -> GpuReading:
    """A device that did not answer: what was noted of it is all that there is."""
    return GpuReading(
        index=index,
        uuid=note.device,
        name=note.name,
        standing=_standing(note),
        trouble=note.state.partition(": ")[2],
        leases=leases.of(note.device),
        leased_in_part=leases.in_part(note.device, ""),
    )


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
