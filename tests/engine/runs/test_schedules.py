"""Who runs, who is verified, and whose clock says what: scheduler, verification queue, meter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Clock, Clocks
from engine.events import ClockMoved
from engine.runs.scheduler import Entry, Scheduler
from engine.session.meter import Meter
from engine.verdicts.queue import WAITS, Job, Marks, Verifications, VerificationsClosedError
from verifier.verdict import Seal, Verdict

MARKS = Marks(1.0, 1.0, 0, 0, None)


async def until(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


# --- scheduler ------------------------------------------------------------------------------------


class Stage:
    """Sessions that run until they are told to end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def live(self, session: str) -> None:
        self.begun.append(session)
        self.gates[session] = asyncio.Event()
        await self.gates[session].wait()


@asynccontextmanager
async def scheduling(slots: int) -> AsyncIterator[tuple[Scheduler, Stage]]:
    stage = Stage()
    scheduler = Scheduler(stage.live, slots)
    async with asyncio.TaskGroup() as group:
        group.create_task(scheduler.work())
        yield scheduler, stage
        scheduler.close()
        for gate in stage.gates.values():
            gate.set()


async def test_sessions_start_in_order_as_slots_allow() -> None:
    async with scheduling(2) as (scheduler, stage):
        for name in "abcd":
            scheduler.submit(Entry(name, "r"))
        await until(lambda: stage.begun == ["a", "b"])
        stage.gates["b"].set()
        await until(lambda: stage.begun == ["a", "b", "c"])
        assert scheduler.running == ("a", "c")
        assert scheduler.withdraw("d")
        assert not scheduler.withdraw("a")
        stage.gates["a"].set()
        await until(lambda: scheduler.running == ("c",))
        assert stage.begun == ["a", "b", "c"]


async def test_a_runs_own_limit_holds_and_leaves_the_shared_slots_alone() -> None:
    async with scheduling(1) as (scheduler, stage):
        for name in ("a", "b", "c"):
            scheduler.submit(Entry(name, "own", 2))
        scheduler.submit(Entry("x", "other"))
        scheduler.submit(Entry("y", "other"))
        await until(lambda: stage.begun == ["a", "b", "x"])
        stage.gates["a"].set()
        await until(lambda: stage.begun == ["a", "b", "x", "c"])


async def test_nothing_starts_once_closed() -> None:
    async with scheduling(1) as (scheduler, stage):
        scheduler.submit(Entry("a", "r"))
        await until(lambda: stage.begun == ["a"])
        scheduler.submit(Entry("b", "r"))
        scheduler.close()
        stage.gates["a"].set()
    assert stage.begun == ["a"]


# --- verification ---------------------------------------------------------------------------------


def verdict(job: Job, seconds: float) -> Verdict:
    return Verdict(
        id="v",
        session=job.session,
        task="t",
        task_hash="h",
        snapshot=job.snapshot,
        stage=job.stage,
        reward=0.0,
        status="scored",
        seal=Seal("full", "driver", True),
        reason="",
        seconds=seconds,
        at="",
    )


class Bar:
    """A judge that takes each job only when it is let."""

    def __init__(self, seconds: float = 4.0) -> None:
        self.seconds = seconds
        self.busy = 0  # so many verdicts to come find the machine too busy
        self.done: list[str] = []
        self.room = asyncio.Semaphore(0)

    async def judge(self, job: Job) -> Verdict:
        await self.room.acquire()
        self.done.append(f"{job.session}:{job.snapshot}:{job.stage}")
        given = verdict(job, self.seconds)
        if self.busy > 0:
            self.busy -= 1
            return msgspec.structs.replace(
                given, status="not_judged", cause="contention", reward=None
            )
        return given


@asynccontextmanager
async def verifying(
    elapsed: dict[str, float], share: float = 0.25, waits: Sequence[float] = WAITS
) -> AsyncIterator[tuple[Verifications, Bar]]:
    bar = Bar()
    queue = Verifications(bar.judge, lambda s: elapsed[s], share, waits)
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(queue.work())
        yield queue, bar
        worker.cancel()


async def test_only_the_newest_checkpoint_of_a_session_is_verified_and_finals_go_first() -> None:
    async with verifying({"a": 100.0, "b": 100.0}) as (queue, bar):
        queue.checkpoint(Job("a", "1", "checkpoint", MARKS))
        await until(lambda: queue.current is not None)
        for n in "234":
            queue.checkpoint(Job("a", n, "checkpoint", MARKS))
        final = asyncio.ensure_future(queue.final(Job("b", "9", "final", MARKS)))
        assert queue.busy_with("a")
        await asyncio.sleep(0)
        for _ in range(3):
            bar.room.release()
        assert (await final).snapshot == "9"
        await until(lambda: len(bar.done) == 3)
        assert bar.done == ["a:1:checkpoint", "b:9:final", "a:4:checkpoint"]
        await until(lambda: not queue.busy_with("a"))


async def test_checkpoints_take_no_more_than_their_share() -> None:
    elapsed = {"a": 10.0}
    async with verifying(elapsed) as (queue, bar):
        for _ in range(5):
            bar.room.release()
        queue.checkpoint(Job("a", "1", "checkpoint", MARKS))
        await until(lambda: bar.done == ["a:1:checkpoint"])
        queue.checkpoint(Job("a", "2", "checkpoint", MARKS))
        await asyncio.sleep(0.6)
        assert len(bar.done) == 1  # 4 s spent of 2.5 s allowed
        elapsed["a"] = 16.0
        await until(lambda: len(bar.done) == 2)


async def test_the_session_with_the_least_of_its_share_comes_first() -> None:
    async with verifying({"a": 100.0, "b": 100.0, "c": 100.0}) as (queue, bar):
        queue.charge("a", 20.0)
        queue.charge("b", 10.0)
        queue.charge("c", 26.0)
        queue.checkpoint(Job("c", "0", "checkpoint", MARKS))
        queue.checkpoint(Job("a", "1", "checkpoint", MARKS))
        queue.checkpoint(Job("b", "2", "checkpoint", MARKS))
        bar.room.release()
        await until(lambda: bar.done == ["b:2:checkpoint"])
        bar.room.release()
        await until(lambda: len(bar.done) == 2)
        assert bar.done[1] == "a:1:checkpoint"


async def test_who_waits_when_the_engine_ends_is_told() -> None:
    async with verifying({"a": 1.0, "b": 1.0}) as (queue, _):
        waiting = [
            asyncio.ensure_future(queue.final(Job(name, "1", "final", MARKS))) for name in "ab"
        ]
        await until(lambda: queue.current is not None)
        queue.close()
        for future in waiting:
            with pytest.raises(VerificationsClosedError):
                await future
        with pytest.raises(VerificationsClosedError):
            await queue.final(Job("a", "1", "final", MARKS))


async def test_a_busy_machine_is_tried_again_later_and_others_go_on_meanwhile() -> None:
    async with verifying({"a": 100.0, "b": 100.0}, waits=(0.2, 0.01)) as (queue, bar):
        bar.busy = 2
        final = asyncio.ensure_future(queue.final(Job("a", "1", "final", MARKS)))
        bar.room.release()
        await until(lambda: bar.busy == 1)
        queue.checkpoint(Job("b", "2", "checkpoint", MARKS))
        bar.room.release()
        await until(lambda: bar.busy == 0)
        assert bar.done == ["a:1:final", "b:2:checkpoint"]
        assert queue.busy_with("a")
        for _ in range(2):
            bar.room.release()
        assert (await final).status == "scored"
        await until(lambda: len(bar.done) == 4)
        assert sorted(bar.done[2:]) == ["a:1:final", "b:2:checkpoint"]
        await until(lambda: not queue.busy_with("b"))


async def test_a_final_verdict_is_given_up_after_the_last_wait() -> None:
    async with verifying({"a": 100.0}, waits=(0.0, 0.0, 0.0)) as (queue, bar):
        bar.busy = 99
        for _ in range(9):
            bar.room.release()
        given = await queue.final(Job("a", "1", "final", MARKS))
        assert (given.status, given.cause) == ("not_judged", "contention")
        assert len(bar.done) == 4
        assert not queue.busy_with("a")


async def test_a_newer_snapshot_takes_the_place_of_one_that_waits_for_quiet() -> None:
    async with verifying({"a": 100.0}, waits=(0.05, 0.05)) as (queue, bar):
        bar.busy = 1
        bar.room.release()
        queue.checkpoint(Job("a", "1", "checkpoint", MARKS))
        await until(lambda: bar.busy == 0)
        queue.checkpoint(Job("a", "2", "checkpoint", MARKS))
        for _ in range(3):
            bar.room.release()
        await until(lambda: len(bar.done) == 2)
        await asyncio.sleep(0.1)
        assert bar.done == ["a:1:checkpoint", "a:2:checkpoint"]


async def test_who_waits_for_a_quiet_machine_is_told_when_the_engine_ends() -> None:
    async with verifying({"a": 100.0}, waits=(60.0,)) as (queue, bar):
        bar.busy = 1
        bar.room.release()
        final = asyncio.ensure_future(queue.final(Job("a", "1", "final", MARKS)))
        await until(lambda: bar.busy == 0)
        queue.close()
        with pytest.raises(VerificationsClosedError):
            await final


# --- meter ----------------------------------------------------------------------------------------


class Metered:
    """A meter with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.moves: list[ClockMoved] = []
        clock = Clock(boot=lambda: "b", now=lambda: self.now)
        self.meter = Meter(self.moves.append, clock)

    def clocks(self) -> Clocks:
        clocks = Clocks()
        for move in self.moves:
            clocks.move(move.to, move.reason, "b", move.moment, move.cause)
        return clocks


def test_states_by_precedence() -> None:
    metered = Metered()
    meter = metered.meter
    assert meter.state == "stopped"
    meter.start()
    assert meter.state == "working"
    with meter.waiting("429"):
        assert meter.state == "waiting"
        with meter.command():
            assert meter.state == "working"
            with meter.frozen("measuring"):
                assert meter.state == "frozen"  # a command that stands still is not charged
                with meter.turn():
                    assert meter.state == "working"  # a turn in flight always is
                    with meter.paused("operator", "operator"):
                        assert meter.state == "paused"
                    with meter.paused("operator", "operator", soft=True):
                        assert meter.state == "working"  # until the turn is over
                    assert meter.state == "working"
                assert meter.state == "frozen"
                with meter.without_slot("none is free"):
                    assert (meter.state, meter.cause) == ("waiting", "slot")
                with meter.paused("operator", "operator", soft=True):
                    assert (meter.state, meter.cause) == ("paused", "operator")
            assert meter.state == "working"
            with meter.stalled("429"):
                assert meter.state == "waiting"  # nor is one that is held until a retry is due
                with meter.frozen("measuring"):
                    assert meter.state == "frozen"
                with meter.turn():
                    assert meter.state == "working"
            assert meter.state == "working"
        assert meter.state == "waiting"
    meter.stop()
    assert meter.state == "stopped"
    assert [m.to for m in metered.moves if m.to == "stopped"] == ["stopped"]


def test_time_goes_to_the_state_it_was_spent_in() -> None:
    metered = Metered()
    metered.meter.start()
    with metered.meter.command():
        metered.now = 5.0
        with metered.meter.frozen("measuring"):
            metered.now = 9.0
        metered.now = 10.0
    with metered.meter.waiting("429"):
        metered.now = 17.0
    metered.meter.stop()
    metered.now = 100.0
    clocks = metered.clocks()
    assert (clocks.working, clocks.frozen, clocks.waiting) == (6.0, 4.0, 7.0)
    assert clocks.wall("b", metered.now) == 17.0


def test_a_gap_is_paused_from_when_it_began() -> None:
    metered = Metered()
    metered.meter.start()
    metered.now = 10.0
    metered.meter.gap(since=7.0, reason="the engine was not heard")
    metered.now = 12.0
    clocks = metered.clocks()
    assert clocks.active("b", 12.0) == 9.0
    assert clocks.paused == 3.0
    metered.meter.stop()
    before = len(metered.moves)
    metered.meter.gap(since=1.0, reason="late")
    assert len(metered.moves) == before


actions = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("turn", "command", "frozen", "stalled", "waiting"),
                *("without_slot", "paused", "soft", "leave"),
            ]
        ),
        st.floats(0, 100),
    ),
    max_size=40,
)


@given(actions)
def test_whatever_happens_active_is_within_wall_and_all_time_is_somewhere(
    steps: list[tuple[str, float]],
) -> None:
    metered = Metered()
    metered.meter.start()
    entered: list[Any] = []
    for what, seconds in steps:
        metered.now += seconds
        if what == "leave":
            if entered:
                entered.pop().__exit__(None, None, None)
            continue
        match what:
            case "turn" | "command":
                manager = getattr(metered.meter, what)()
            case "paused" | "soft":
                manager = metered.meter.paused("why", "operator", soft=what == "soft")
            case _:
                manager = getattr(metered.meter, what)("why")
        manager.__enter__()
        entered.append(manager)
    clocks = metered.clocks()
    total = sum(
        clocks.seconds(s, "b", metered.now) for s in ("working", "frozen", "waiting", "paused")
    )
    assert total == pytest.approx(metered.now)
    causes = sum(clocks.by_cause("b", metered.now).values())
    assert causes == pytest.approx(metered.now - clocks.active("b", metered.now))
    assert clocks.active("b", metered.now) <= clocks.wall("b", metered.now) + 1e-9
