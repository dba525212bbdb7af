"""Properties of leases: whatever is asked and given back, in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.gpu.leases import Lease, Leases
from engine.gpu.metering import GpuTime
from engine.runs.scheduler import Entry, Scheduler
from verifier.gpus.device import Gpu, Want

GPUS = (
    Gpu("GPU-0", "NVIDIA A100", 0),
    Gpu("GPU-1", "NVIDIA A100", 1),
    Gpu("GPU-2", "NVIDIA H100", 2),
    Gpu("MIG-3", "NVIDIA A100 MIG 1g.5gb", 3, parent="GPU-3"),
    Gpu("MIG-4", "NVIDIA A100 MIG 1g.5gb", 3, parent="GPU-3"),
)
WHOLE = Gpu("GPU-3", "NVIDIA A100", 3)
wants = st.builds(
    Want,
    count=st.integers(1, 3),
    types=st.sampled_from([(), ("A100",), ("H100",), ("A100", "H100"), ("MIG",)]),
    shared=st.booleans(),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("want"), wants),
        st.tuples(st.just("back"), st.integers(0, 20)),
        st.tuples(st.just("know"), st.sets(st.sampled_from((*GPUS, WHOLE)))),
    ),
    max_size=30,
)


def sound(leases: Leases) -> None:
    """Never two on a device of which one is exclusive, nor one on a GPU and one on its slice."""
    held = leases.held
    for at, one in enumerate(held):
        assert len(one.uuids) == len(one.gpus)
        for other in held[at + 1 :]:
            mine = {u for g in one.gpus for u in (g.uuid, g.parent) if u}
            whole = {g.uuid for g in one.gpus}
            for gpu in other.gpus:
                if gpu.uuid in whole:
                    assert one.shared and other.shared
                else:
                    assert gpu.uuid not in mine and gpu.parent not in whole


@given(steps)
def test_no_two_sessions_have_a_device_unless_both_share(done):
    leases = Leases(GPUS)
    for number, (kind, what) in enumerate(done):
        if kind == "want":
            lease = leases.grant(f"s{number}", what)
            assert lease is None or len(lease.gpus) == what.count
            assert lease is None or all(what.fits(gpu) for gpu in lease.gpus)
        elif kind == "back":
            leases.give_back(f"s{what}")
            assert leases.of(f"s{what}") is None
        else:
            leases.know(what)
        sound(leases)
    for lease in leases.held:  # every one is given back, and then all are free
        assert leases.give_back(lease.session) == lease
    assert leases.held == ()
    leases.know(GPUS)
    assert leases.grant("all", Want(len(GPUS))) is not None


@given(st.lists(st.tuples(wants, st.integers(0, 2)), max_size=12))
def test_what_is_adopted_fits_or_is_refused(asked):
    """A journal that was tampered with cannot make two exclusive holders."""
    leases = Leases(GPUS)
    for number, (want, first) in enumerate(asked):
        leases.adopt(Lease(f"s{number}", GPUS[first : first + want.count], want.shared))
        sound(leases)


class Desk:
    """The book, as the scheduler sees it, without a driver and a journal."""

    def __init__(self) -> None:
        self.leases = Leases(GPUS[:2])
        self.waiting: list[str] = []

    def take(self, session: str, want: Want, barred: set[str]) -> bool:
        held = self.leases.of(session) is not None
        return held or self.leases.grant(session, want, barred) is not None

    def fitting(self, want: Want) -> set[str]:
        return self.leases.fitting(want)

    def waits(self, session: str) -> None:
        self.waiting.append(session)

    def forget(self, session: str) -> None:
        self.waiting.remove(session)

    def holds(self, session: str) -> bool:
        return self.leases.of(session) is not None


async def nothing(_: str) -> None:
    """A life that is over at once."""


@given(st.lists(wants.filter(lambda w: w.count < 3 and w.types in ((), ("A100",))), max_size=12))
def test_nobody_is_passed_by_for_ever(asked):
    """Whoever waits first has its devices before anybody who came later, once some are free."""
    scheduler, desk = Scheduler(nothing, 100), Desk()
    scheduler.gpus = desk
    for number, want in enumerate(asked):
        scheduler.submit(Entry(f"s{number}", "r", None, want))
    scheduler.submit(Entry("without", "r"))
    order = [entry.session for entry in iter(scheduler._next, None)]
    assert "without" in order
    while desk.leases.held:
        desk.leases.give_back(desk.leases.held[0].session)
        order += [entry.session for entry in iter(scheduler._next, None)]
    assert [s for s in order if s != "without"] == [f"s{n}" for n in range(len(asked))]


def test_who_needs_no_gpu_goes_before_who_waits_for_one():
    scheduler, desk = Scheduler(nothing, 100), Desk()
    scheduler.gpus = desk
    for session, want in (("a", Want(2)), ("b", Want(2)), ("c", Want(1)), ("d", Want())):
        scheduler.submit(Entry(session, "r", None, want))
    assert [e.session for e in iter(scheduler._next, None)] == ["a", "d"]
    assert {"b", "c"} == set(desk.waiting)
    desk.leases.give_back("a")
    desk.waiting = ["b", "c"]
    assert scheduler.withdraw("b")  # whoever waited behind it is next
    assert [e.session for e in iter(scheduler._next, None)] == ["c"]
    assert desk.waiting == ["c"]


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.booleans(), st.integers(0, 3), st.booleans()), max_size=20
    )
)
def test_gpu_seconds_are_devices_times_working_time(moves):
    meter, now, boot, sum_ = GpuTime(), 100.0, "a", 0.0
    for seconds, working, devices, reboot in moves:
        if not reboot:
            sum_ += seconds * meter.devices * meter.working
        now, boot = (1.0, boot + "x") if reboot else (now + seconds, boot)
        meter.move(boot, now, devices=devices, working=working)
        assert abs(meter.seconds(boot, now) - sum_) < 1e-6
    assert abs(meter.seconds("another boot", 1e9) - sum_) < 1e-6
