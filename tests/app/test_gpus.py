"""The GPUs on the screen: none, one, eight; lost, throttled, shared with strangers."""

from __future__ import annotations

from typing import Any

import pytest

from autolab_tui.glyphs import UNICODE
from autolab_tui.plain import width
from autolab_tui.roles import text_of
from autolab_tui.screens.gpus import GpusScreen
from autolab_tui.views import gpus as view
from tests.app.served import EngineServer


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
