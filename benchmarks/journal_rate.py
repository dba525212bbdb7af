"""How many durable events a second the journal takes, and what each costs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import Spent, ratio, spent, table
from engine.events import ToolFinished
from engine.garbage import look_less
from engine.journal import Journal
from engine.journal.view import View

_GOAL = 10_000  # events a second
_SHAPES = ((1, 2000), (20, 2000), (200, 400), (1000, 100))


async def _waiting(appenders: int, each: int) -> Spent:
    """Appenders of whom each waits until its event is durable before it appends the next."""
    with tempfile.TemporaryDirectory(prefix="autolab-bench-") as folder:
        journal = Journal(Path(folder) / "journal.sqlite3")
        view = View(journal, asyncio.get_running_loop())

        async def append(name: str) -> None:
            for number in range(each):
                body = ToolFinished(call=f"call_{number}", tool="bash", code=0, seconds=1.5)
                await view.record(body, name)

        before = spent()
        async with asyncio.TaskGroup() as group:
            for number in range(appenders):
                group.create_task(append(f"session-{number}"))
        used = spent() - before
        view.close()
        journal.close()
        return used


def report() -> str:
    """Measure; one table."""
    look_less()
    rows: list[Sequence[str]] = []
    for appenders, each in _SHAPES:
        used = asyncio.run(_waiting(appenders, each))
        rate = appenders * each / used.wall
        rows.append(
            (
                f"{appenders} appender{'s' if appenders > 1 else ''}, each waits",
                f"{rate:.0f}",
                f"{1e6 * used.cpu / (appenders * each):.0f} us",
                f"{_GOAL}",
                ratio(_GOAL, rate),
            )
        )
    head = ("durable events, one transaction a group", "a second", "CPU each", "goal", "x")
    return table("The journal, with one folded state (SQLite, WAL, synchronous=FULL)", head, rows)
