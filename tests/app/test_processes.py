"""What runs in a session's sandbox, on the screen."""

from __future__ import annotations

from typing import Any

import pytest

from autolab_tui.screens.processes import ProcessesScreen
from autolab_tui.screens.session import SessionScreen
from autolab_tui.views.processes import lines, shares, size
from engine.events import VerificationAsked, VerificationDropped
from tests.app.served import EngineServer


def process(pid: int, **more: Any) -> dict[str, Any]:
    plain = {"parent": 1, "depth": 0, "command": f"work {pid}", "state": "running", "cpu": 1.0,
             "memory": 3 << 20, "age": 61.0, "gpu_memory": None}  # fmt: skip
    return {"pid": pid, **plain, **more}


def answer(*processes: dict[str, Any], stamp: float = 10.0, **more: Any) -> dict[str, Any]:
    return {"stamp": stamp, "sandbox": True, "left_out": 0, "processes": processes, **more}


def said(found: list[Any]) -> str:
    return "\n".join("".join(text for text, _ in line) for line in found)


def test_a_share_is_what_was_used_between_two_looks_by_the_same_process() -> None:
    before = answer(process(7), process(8), stamp=10.0)
    now = answer(process(7, cpu=3.0), process(8, command="another", cpu=50.0), stamp=12.0)
    assert shares(before, now) == {7: 1.0}
    assert shares(None, now) == {}
    assert shares(now, now) == {}


def test_the_tree_and_what_it_takes() -> None:
    now = answer(process(7), process(9, depth=1, state="stopped", command="./bench \x1b[31m"),
                 left_out=3)  # fmt: skip
    text = said(lines(now, None, 80))
    assert "5 processes   memory 6.0 MiB" in text
    assert "GPU mem" not in text
    assert "\x1b" not in text
    assert " (stopped) ./bench" in text
    assert "and 3 more" in text
    text = said(lines(answer(process(7, gpu_memory=2 << 30)), None, 120))
    assert "GPU memory 2.0 GiB" in text
    assert "no sandbox" in said(lines({**now, "sandbox": False}, None, 80))


@pytest.mark.parametrize("cells", [8, 30, 38, 60, 78, 198])
def test_no_line_is_wider_than_the_screen(cells: int) -> None:
    now = answer(*(process(n, depth=n, command="w" * 500, gpu_memory=1) for n in range(20)))
    for line in lines(now, now, cells)[2 if cells < 60 else 0 :]:
        assert sum(len(text) for text, _ in line) <= max(cells, 40)


def test_sizes_are_short() -> None:
    assert [size(n) for n in (None, 12, 1536, 300 << 20, 3 << 29)] == [
        *("—", "12 B", "1.5 KiB", "300 MiB", "1.5 GiB"),
    ]


async def test_a_key_shows_them_and_the_same_key_closes(desk: Any, engine: EngineServer) -> None:
    engine.processes = answer(process(4711, command="make bench"))
    async with desk((80, 24)) as at:
        await at.press("enter", "u")
        assert isinstance(at.app.screen, ProcessesScreen)
        await at.until(lambda: "make bench" in at.text(), "the process")
        engine.refuse["processes"] = (503, "the engine is busy; try again")
        at.app.screen._ask()
        await at.until(lambda: "the engine is busy" in at.text(), "the trouble, in words")
        await at.press("u")
        assert isinstance(at.app.screen, SessionScreen)


async def test_a_verdict_is_asked_for(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        await at.press("j", "V")
        await at.until(lambda: engine.orders, "the order of the fleet")
        await at.press("enter", "V")
        await at.until(lambda: len(engine.orders) == 2, "the order of the session")
        assert engine.orders == [("verify", ["s-rising"])] * 2
        await at.until(lambda: "will be judged next" in at.text(), "what will come of it")


async def test_what_came_of_the_wish_is_said_with_the_verdicts(
    desk: Any, engine: EngineServer
) -> None:
    async with desk((120, 40)) as at:
        await at.press("j", "enter")
        engine.publish(VerificationAsked(by="ann"), "s-rising")
        await at.until(lambda: "waits its turn" in at.text(), "that it is known")
        engine.publish(VerificationDropped(why="its files are being judged"), "s-rising")
        await at.until(lambda: "no new verdict: its files are" in at.text(), "why none came")


async def test_where_there_is_no_room_for_a_plot_the_lists_have_its_lines(desk: Any) -> None:
    async with desk((40, 10)) as at:
        await at.press("j", "enter")
        assert "too small" not in at.text()
        await at.press("tab")
        await at.until(lambda: at.app.screen.transcript.size.height >= 4, "room to read")
        assert "too small" not in at.text()
        await at.press("tab")
        await at.until(lambda: "verdicts" in at.text(), "the verdicts again, and no hidden plot")
    async with desk((140, 12)) as at:
        await at.press("j", "enter", "tab")
        await at.until(lambda: "transcript" in at.text() and "verdicts" in at.text(), "both")
