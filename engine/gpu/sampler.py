"""GPUs looked at once a second, on a thread of their own: a ring for screens, minutes for later."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from engine.clock import Clock
from engine.events import AnyBody, Event, GpuMinute, GpusNoted, GpusSampled
from engine.gpu.history import Series, histories
from engine.gpu.leases import Holders
from engine.gpu.reader import Reader
from engine.gpu.reading import GpuProcess, GpuReading, Reading
from engine.gpu.recorded import aged
from engine.gpu.xids import Xids

_log = logging.getLogger(__name__)
SECONDS = 1.0
REST_SECONDS = 30.0  # between two looks where there is no driver
KEPT = 900  # readings in the ring: a quarter of an hour
_SHARE = 3.0  # times as long as a look took it rests at least
_SILENT = 5.0  # seconds without a reading from which the driver is said to hang
_MINUTE = 60.0
_AMONG = 20_000  # events of the journal's end that are looked through for minutes
_NEWS = 10.0  # seconds between two events of one device: one that flaps fills no journal
_STANDS = 600.0  # seconds for which an Xid is what is to be known of a device
BUSY = 5  # percent from which a device is in use


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading, at a boottime."""

    stamp: float
    reading: Reading


class Sampler:
    """Reads the driver from `start` to `stop`. Its answers may be asked for on any thread.

    `note` journals; `sessions` says which session a pid namespace (inode) belongs to, and `leases`
    which sessions have which device (UUID). `earlier` gives events of a type among
    the newest so many: what an engine before this one noted of the last quarter of an hour.
    """

    def __init__(
        self,
        clock: Clock,
        note: Callable[[AnyBody], object],
        sessions: Callable[[int], str | None] = lambda _: None,
        *,
        reader: Reader | None = None,
        seconds: float = SECONDS,
        leases: Callable[[], Holders] = Holders,
        earlier: Callable[[str, int], Iterable[Event]] = lambda _, __: (),
    ) -> None:
        self._clock = clock
        self._note = note
        self._sessions = sessions
        self._reader = reader or Reader(Xids(clock.wall), self._is_held)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._ring: deque[Sample] = deque(maxlen=KEPT)
        self._minute: list[Sample] = []
        self._leases = leases
        self._before: Callable[[str, int], Iterable[Event]] | None = earlier
        self._noted: dict[str, tuple[str, float, str]] = {}  # in which words, when, of what name
        self._used: dict[str, tuple[tuple[str, ...], float]] = {}  # by whom, and when last
        self._asked = clock.now()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="gpus", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A thread that the driver holds is left to it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def latest(self) -> Reading:
        """The newest reading; one that is old says so."""
        with self._lock:
            newest = self._ring[-1] if self._ring else None
            waited = self._clock.now() - self._asked
        if waited >= _SILENT:
            said = f"the NVIDIA driver has not answered for {waited:.0f} s"
            return msgspec.structs.replace(newest.reading if newest else Reading(), trouble=said)
        return newest.reading if newest else Reading(trouble="the GPUs have not been looked at yet")

    def history(self, seconds: float) -> dict[str, Series]:
        """What each device did in the last so many seconds; see `histories`."""
        now = self._clock.now()
        with self._lock:
            kept = list(self._ring)
        return histories([(now - sample.stamp, sample.reading) for sample in kept], seconds)

    def _work(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                self._asked = self._clock.now()
            began = self._clock.now()
            reading = self._attributed(self._look())
            now = self._clock.now()
            earlier = self._earlier(now) if reading.gpus else []
            with self._lock:
                self._ring.extend(earlier)
                # A rest is no silence: the next look is when it was meant to be. After a long look
                # (tens of thousands of processes, or a device that hangs) it is longer, but not
                # without end: the machine may have slept meanwhile.
                longest = REST_SECONDS * self._seconds
                rest = min(max(self._seconds, _SHARE * (now - began)), longest)
                rest = rest if reading.gpus else longest
                self._asked = now + rest
                self._ring.append(Sample(now, reading))
            self._tell(reading)
            if reading.gpus:
                self._coalesce(Sample(now, reading))
            self._stopping.wait(rest)
        self._reader.close()

    def _earlier(self, now: float) -> list[Sample]:
        """What the journal has of the time before this engine; once."""
        before, self._before = self._before, None
        if before is None:
            return []
        wall = self._clock.wall()
        try:
            minutes = [
                (wall - event.at, event.body)
                for event in before("gpu.sampled", _AMONG)
                if isinstance(event.body, GpusSampled) and 0 <= wall - event.at < KEPT
            ]
        except Exception:  # a journal that cannot be read just now is another's concern
            _log.exception("the minutes before this engine cannot be read")
            return []
        earlier = [Sample(now - age, reading) for age, reading in aged(minutes)]
        return sorted(earlier, key=lambda sample: sample.stamp)

    def _look(self) -> Reading:
        try:
            return self._reader.read()
        except Exception as error:  # a driver that answers what no driver should
            _log.exception("the NVIDIA driver's answer cannot be used")
            return Reading(trouble=f"the NVIDIA driver's answer cannot be used: {error}")

    def _attributed(self, reading: Reading) -> Reading:
        leases, now = self._leases(), self._clock.now()
        gpus = tuple(self._with_users(gpu, leases, now) for gpu in reading.gpus)
        here = {gpu.uuid for gpu in gpus}
        self._used = {uuid: used for uuid, used in self._used.items() if uuid in here}
        return msgspec.structs.replace(reading, gpus=gpus)

    def _with_users(self, gpu: GpuReading, holders: Holders, now: float) -> GpuReading:
        leases = holders.of(gpu.uuid)
        had, last = self._used.get(gpu.uuid, (leases, now))
        if had != leases or (gpu.utilization or 0) >= BUSY:
            last = now
        self._used[gpu.uuid] = (leases, last)
        return msgspec.structs.replace(
            gpu,
            leases=leases,
            leased_in_part=holders.in_part(gpu.uuid, gpu.parent),
            idle_seconds=None if gpu.utilization is None else round(now - last, 1),
            processes=tuple(map(self._whose, gpu.processes)) if gpu.processes else gpu.processes,
        )

    def _is_held(self, uuid: str) -> bool:
        holders = self._leases()
        return bool(holders.of(uuid) or holders.in_part(uuid, ""))

    def _whose(self, process: GpuProcess) -> GpuProcess:
        try:
            namespace = os.stat(f"/proc/{process.pid}/ns/pid").st_ino  # noqa: PTH116 - follow it
        except OSError:
            return process  # it has just ended, or is another user's
        return msgspec.structs.replace(process, session=self._sessions(namespace))

    def _tell(self, reading: Reading) -> None:
        """Journal what changed for the worse or the better, once, and seldom where it flaps."""
        if not reading.gpus and not self._noted:
            return  # a machine without a GPU is no news
        wall, now = self._clock.wall(), self._clock.now()
        names = {gpu.uuid: gpu.name for gpu in reading.gpus}
        standing = {gpu.uuid: _standing(gpu, wall) for gpu in reading.gpus}
        standing["driver"] = reading.trouble or "ok"
        for who in self._noted.keys() - standing.keys():
            words, when, name = self._noted[who]
            if now - when >= _NEWS * self._seconds:
                del self._noted[who]  # a slice that is cut no more, or a GPU that was taken out
                if words != "ok":
                    self._note(GpusNoted(device=who, name=name, state="no longer there"))
        for who, words in standing.items():
            name = names.get(who, "the driver")
            said, when, _ = self._noted.get(who, ("ok", float("-inf"), ""))
            if said != words and now - when >= _NEWS * self._seconds:
                self._note(GpusNoted(device=who, name=name, state=words))
                self._noted[who] = (words, now, name)
            else:
                self._noted.setdefault(who, (words, float("-inf"), name))

    def _coalesce(self, sample: Sample) -> None:
        self._minute.append(sample)
        if sample.stamp - self._minute[0].stamp < _MINUTE * self._seconds:
            return
        minute, self._minute = self._minute, []
        by_device: dict[str, list[GpuReading]] = {}
        for one in minute:
            for gpu in one.reading.gpus:
                if gpu.standing == "ok":
                    by_device.setdefault(gpu.uuid, []).append(gpu)
        rows = tuple(_minute(uuid, seen) for uuid, seen in by_device.items())
        if rows:
            self._note(GpusSampled(seconds=sample.stamp - minute[0].stamp, gpus=rows))


def _standing(gpu: GpuReading, wall: float) -> str:
    """What is to be known of a device, in words; "ok" for nothing."""
    said = [f"{gpu.standing}: {gpu.trouble}"] if gpu.standing != "ok" else []
    if gpu.xids and not gpu.parent and wall - gpu.xids[-1].at < _STANDS:
        said.append(gpu.xids[-1].words)
    if gpu.ecc:
        said.append(f"{gpu.ecc} uncorrected memory errors")
    throttled = [why for why in gpu.throttle if why != "power cap"]
    if throttled:
        said.append(f"throttled: {', '.join(throttled)}")
    return "; ".join(said) or "ok"


def _minute(uuid: str, seen: Sequence[GpuReading]) -> GpuMinute:
    def three(values: list[float]) -> tuple[float, float, float] | None:
        if not values:
            return None
        return min(values), round(sum(values) / len(values), 3), max(values)

    return GpuMinute(
        uuid=uuid,
        utilization=three([float(g.utilization) for g in seen if g.utilization is not None]),
        memory=three([float(g.memory_used) for g in seen if g.memory_used is not None]),
        power=three([g.power for g in seen if g.power is not None]),
        temperature=three([float(g.temperature) for g in seen if g.temperature is not None]),
        index=seen[-1].index,
        name=seen[-1].name,
        parent=seen[-1].parent,
        memory_total=seen[-1].memory_total,
        power_limit=seen[-1].power_limit,
    )
