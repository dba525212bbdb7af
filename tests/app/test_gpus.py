"""The GPUs on the screen: none, one, eight; lost, throttled, shared with strangers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from autolab_tui.cli.leaderboard import tally_in_words
from autolab_tui.cli.lines import describe
from autolab_tui.cli.status import sessions_table
from autolab_tui.glyphs import UNICODE
from autolab_tui.plain import width
from autolab_tui.roles import text_of
from autolab_tui.screens.gpus import GpusScreen
from autolab_tui.views import fleet, overview
from autolab_tui.views import gpus as view
from autolab_tui.views import leaderboard as board_view
from autolab_tui.views import session as session_view
from autolab_tui.views import sessions as say
from autolab_tui.views.fleet import Choice
from engine.analysis.leaderboard import leaderboard
from engine.clock import Clock
from engine.events import (
    ActivityChanged,
    BudgetChanged,
    LeaseGranted,
    LeaseReturned,
    Limit,
    SessionMoved,
    SessionPaused,
)
from engine.objects import session_object
from tests.app.journal import BOOT, Journal
from tests.app.served import EngineServer
from tests.app.test_views import frame
from verifier.gpus.device import Gpu, Want


def gpu(index: int, **facts: Any) -> dict[str, Any]:
    return {
        "index": index, "uuid": f"GPU-{index}", "name": "NVIDIA H100 80GB HBM3", "standing": "ok",
        "trouble": "", "utilization": 10 * index, "memory_used": 8 << 30, "memory_total": 80 << 30,
        "power": 300.0, "power_limit": 700.0, "temperature": 55, "sm_clock": 1980,
        "memory_clock": 2619, "throttle": [], "ecc": 0, "processes": [], **facts,
    }  # fmt: skip


def answer(*gpus: dict[str, Any], trouble: str = "") -> dict[str, Any]:
    reading = {"driver": "575.57" if gpus else "", "trouble": trouble, "gpus": list(gpus)}
    history = {
        gpu["uuid"]: {
            "utilization": [gpu["utilization"]] * 60, "memory": [gpu["memory_used"]] * 60,
            "power": [gpu["power"]] * 60, "temperature": [gpu["temperature"]] * 60,
        }
        for gpu in gpus
    }  # fmt: skip
    return {"reading": reading, "history": history}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
@pytest.mark.parametrize("count", [0, 1, 8])
async def test_none_one_and_eight(
    desk: Any, engine: EngineServer, size: tuple[int, int], count: int
) -> None:
    trouble = "" if count else "this machine has no NVIDIA driver (no libnvidia-ml.so.1)"
    engine.gpus = answer(*map(gpu, range(count)), trouble=trouble)
    async with desk(size) as at:
        await at.press("5")
        assert isinstance(at.app.screen, GpusScreen)
        await at.until(lambda: "H100" in at.text() or "no NVIDIA driver" in at.text(), "the answer")
        text = at.text()
        assert text.count("H100") == count
        if count:
            assert "8.0/80 GiB" in text
            await at.press("tab")
            assert "memory" in at.text().splitlines()[-1]


async def test_what_is_wrong_is_said_under_the_device(desk: Any, engine: EngineServer) -> None:
    engine.gpus = answer(
        gpu(0, standing="lost", trouble="it fell off the bus"),
        gpu(1, throttle=["thermal (hardware)"], ecc=3),
        gpu(2, processes=[{"pid": 7, "memory": None, "session": None}]),
        gpu(3, processes=[{"pid": 8, "memory": 1, "session": "s-rising"}]),
        gpu(4, processes=None, utilization=None, power=None),
    )
    async with desk((160, 40)) as at:
        await at.press("5")
        await at.until(lambda: "fell off the bus" in at.text(), "the lost one")
        text = at.text()
        for word in (
            "throttled: thermal (hardware)",
            "3 uncorrected",
            "pid 7",
            "s-rising",
            "not told",
        ):
            assert word in text


@pytest.mark.parametrize("cells", [20, 40, 80, 200])
def test_lines_fit_whatever_there_is(cells: int) -> None:
    name = "NVIDIA \x1b[31mH100\u202e 漢字" * 4
    gpus = [gpu(n, name=name, trouble=name, standing="silent" if n % 2 else "ok") for n in range(9)]
    head, rows = view.rows(answer(*gpus), "power", cells, UNICODE)
    lines = [head, *(line for _, lines in rows for line in lines)]
    assert all(width(text_of(line)) <= cells for line in lines)
    assert not any("\x1b" in text_of(line) for line in lines)
    strip = view.strip({"gpus": gpus}, cells, UNICODE)
    assert strip is not None
    assert width(text_of(strip)) <= cells
    assert view.strip({"gpus": []}, cells, UNICODE) is None


def test_a_spark_shows_the_most_of_each_part_and_a_gap_as_a_gap() -> None:
    values = [None] * 10 + [0.0] * 9 + [1.0]
    assert view.spark(values, 4, UNICODE) == "  ▁█"
    assert view.spark([], 4, UNICODE) == ""


async def test_the_fleet_has_them_in_a_line_where_there_are_any(
    desk: Any, engine: EngineServer
) -> None:
    async with desk((80, 24)) as at:
        await at.press("j")
        assert "GPUs" not in at.text()
    engine.gpus = answer(gpu(0), gpu(5), gpu(6, standing="lost"))
    async with desk((80, 24)) as at:
        await at.until(lambda: "GPUs 0" in at.text(), "the line")
        line = at.text().splitlines()[2]
        assert "50%" in line
        assert "6 ✗ lost" in line
        assert "median_filter" in at.text()


def test_the_strip_and_the_title_say_who_wastes_what() -> None:
    idle = gpu(2, utilization=0, leases=["s-1"], idle_seconds=240.0)
    gpus = [gpu(0), gpu(9, leases=["s-2"], idle_seconds=0.0), idle, gpu(3, standing="lost")]
    assert view.summary(gpus) == "1 of 4 busy, 2 leased (1 idle), 1 lost"
    said = {cells: text_of(view.strip({"gpus": gpus}, cells, UNICODE) or ()) for cells in (80, 200)}
    assert "2 ▁ 0% 10% full leased, idle 4m" in said[200]
    assert said[80].strip() == f"GPUs ▁▇▁✗  {view.summary(gpus)}"
    hung = {"gpus": gpus, "trouble": "the NVIDIA driver has not answered for 9 s"}
    assert "has not answered for 9 s" in text_of(view.strip(hung, 80, UNICODE) or ())
    _, rows = view.rows(answer(*gpus), "power", 120, UNICODE, {"s-1"})
    lines = [text_of(line) for _, lines in rows for line in lines]
    assert any("s-1 (paused)" in line for line in lines)
    assert any("leased, and idle for 4m" in line for line in lines)


def test_a_busy_device_of_nobody_is_not_called_free() -> None:
    _, rows = view.rows(answer(gpu(0), gpu(9)), "power", 120, UNICODE)
    first, second = (text_of(lines[0]) for _, lines in rows)
    assert first.rstrip().endswith("free") and "in use, by whom is not told" in second


async def test_a_driver_that_hangs_is_said_above_the_figures(
    desk: Any, engine: EngineServer
) -> None:
    engine.gpus = answer(gpu(0), trouble="the NVIDIA driver has not answered for 9 s")
    async with desk((80, 24)) as at:
        await at.press("5")
        await at.until(lambda: "has not answered for 9 s" in at.text(), "the trouble")
        assert "held by" in at.text() and "H100" in at.text()


def test_the_leaderboard_and_comparisons_have_gpu_time(journal: Journal) -> None:
    state = journal.state()
    over = [session for session in state.sessions.values() if session.over]
    made = leaderboard(state, state.sessions.values(), replicates=20)
    assert made.tally.gpu_seconds == 0.0
    assert "GPU" not in text_of(board_view.counts(made, 200))
    over[0].gpu_time.closed = 3723.0
    made = leaderboard(state, state.sessions.values(), replicates=20)
    assert made.tally.gpu_seconds == 3723.0
    assert "GPU time 1:02:03" in text_of(board_view.counts(made, 200))
    assert "GPU time 1:02:03" in tally_in_words(made.tally, "left out")


def test_slices_stand_below_the_gpu_that_is_cut() -> None:
    part = {"name": "NVIDIA H100 MIG 1g.10gb", "parent": "GPU-0", "utilization": None}
    gpus = [gpu(0, slices=2), gpu(0, uuid="a", **part), gpu(0, uuid="b", **part), gpu(1)]
    _, rows = view.rows(answer(*gpus), "memory", 120, UNICODE)
    names = [text_of(lines[0]).strip().split("  ")[0] for _, lines in rows]
    assert names == ["0 H100 80GB HBM3", "0.0 1g.10gb", "0.1 1g.10gb", "1 H100 80GB HBM3"]
    assert "cut into 2 slices" in text_of(rows[0][1][1])
    strip = view.strip({"gpus": gpus}, 120, UNICODE)
    assert strip is not None and "2 of 2" not in text_of(strip)


def test_gpu_time_and_what_a_pause_holds_are_shown(journal: Journal) -> None:
    leased = LeaseGranted(gpus=(Gpu("GPU-a", "H100", 0),), shared=False)
    journal.write(leased, "s-rising")
    journal.wait(60)
    state, at = journal.state(), frame(journal)
    session = state.sessions["s-rising"]
    session.want = Want(1)
    session.budget["gpu"] = Limit(600)
    line, _ = session_view.clocks(session, at, 120)
    assert "GPU 1:00 of 10m" in text_of(line).replace("10:00", "10m")
    _, second = overview.lines(state, Choice(), at, 200)
    assert "GPU 1:00" in text_of(second)
    journal.write(SessionPaused(cause="operator", by="ann"), "s-rising")
    journal.clock("s-rising", "paused")
    journal.write(SessionMoved(state="paused"), "s-rising")
    held = "1 GPU stays leased with 3.0 GiB of GPU memory held"
    journal.write(ActivityChanged(activity=held), "s-rising")
    said, _ = say.activity(journal.state().sessions["s-rising"], frame(journal).moment)
    assert said == f"operator (by ann); {held}"


@pytest.mark.parametrize("cells", [80, 120, 200])
def test_a_limit_of_gpu_time_is_a_budget_like_the_others(journal: Journal, cells: int) -> None:
    leased = LeaseGranted(gpus=(Gpu("GPU-a", "H100", 0), Gpu("GPU-b", "H100", 1)), shared=False)
    journal.write(leased, "s-rising")
    journal.wait(60)
    state, at = journal.state(), frame(journal)
    session = state.sessions["s-rising"]
    session.want = Want(2)
    session.budget = {"active": Limit(6000), "gpu": Limit(150, 90)}
    used = say.use(session, at.moment)
    assert used.gpu == pytest.approx(120.0) and used.share == pytest.approx(0.8)
    line, _ = session_view.clocks(session, at, cells)
    assert "GPU 2:00 of 2:30" in text_of(line)
    full, left = (text_of(line).count(sign) for sign in (UNICODE.bar_full, UNICODE.bar_empty))
    assert full == pytest.approx(0.8 * (full + left), abs=1) and full > 5
    assert fleet.time_used(used) == "GPU 2m/2:30"
    made = fleet.table([session], at, cells, 40)
    assert "GPU 2m/2:30" in text_of(made.rows[0][1][0])
    state.runs[session.run].budget = {"gpu": Limit(3600), "cost": Limit(20.0)}
    _, second = overview.lines(state, Choice(), at, 200)
    assert "GPU 2:00 of 1h00" in text_of(second) and " of $20.00" in text_of(second)
    session.want = Want()
    assert say.use(session, at.moment).gpu_limit is None


def test_the_status_has_gpu_time_where_there_is_any(journal: Journal) -> None:
    session = journal.state().sessions["s-rising"]
    clock = Clock(boot=lambda: BOOT, now=lambda: journal.now, wall=lambda: journal.at)
    objects = [msgspec.to_builtins(session_object(session, clock))]
    assert "GPU TIME" not in sessions_table(objects)
    session.budget["gpu"] = Limit(5400)
    session.gpu_time.closed = 200.0
    objects.append(msgspec.to_builtins(session_object(session, clock)))
    head, *rows = sessions_table(objects).splitlines()
    assert "GPU TIME" in head
    assert [row for row in rows if "3m20s/1h30m" in row] == rows[-1:]


def test_what_is_leased_in_part_is_not_called_free() -> None:
    part = {"name": "NVIDIA H100 MIG 1g.10gb", "parent": "GPU-0", "utilization": None}
    cut_one = gpu(0, slices=2, utilization=None, leased_in_part=["s-1"])
    mine = gpu(0, uuid="a", leases=["s-1"], **part)
    whole = gpu(1, uuid="GPU-1", slices=1, utilization=None, leases=["s-2"])
    lost_to = gpu(1, uuid="c", leased_in_part=["s-2"], **{**part, "parent": "GPU-1"})
    unused = gpu(2, uuid="GPU-2", slices=1, utilization=None)
    gpus = [cut_one, mine, gpu(0, uuid="b", **part), whole, lost_to, unused]
    _, rows = view.rows(answer(*gpus), "memory", 120, UNICODE)
    said = [text_of(lines[0]) for _, lines in rows]
    expected = ["s-1 (a slice)", "s-1", "free", "s-2", "s-2 (whole GPU)", "by the slice"]
    assert all(words in line for words, line in zip(expected, said, strict=True)), said


def test_who_follows_hears_of_leases_and_budgets(journal: Journal) -> None:
    limits = {"active": Limit(900.0), "gpu": Limit(7200.0, 5400.0), "cost": Limit(None, 4.0)}
    changed = BudgetChanged(budget=limits, by="ann", why="more")
    leased = LeaseGranted(gpus=(Gpu("GPU-a", "NVIDIA H100", 0),), shared=True)
    said = [
        describe(journal.write(body, "s-rising"))
        for body in (changed, leased, LeaseReturned(why="the session is over"))
    ]
    assert said == [
        "budget is active 15m, gpu 2h00 (soft 1h30), cost (soft $4.00), by ann: more",
        "leased NVIDIA H100 (GPU-a), shared",
        "GPU given back: the session is over",
    ]
