#!/usr/bin/env python3
"""Draw the app over a real engine into an SVG file, for the README.

    .venv/bin/python scripts/screenshot.py docs/screenshot.svg             the newest run's fleet
    .venv/bin/python scripts/screenshot.py --open docs/session.svg         and its first session

It waits until the run has a verdict, so it can be started together with `autolab demo --headless`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from autolab_tui.app import AutolabApp
from engine.client import EngineClient, connect

_PATIENCE = 240.0


def newest_run(client: EngineClient, verdicts: int) -> str:
    """The newest run, once its sessions have had so many verdicts between them."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        state = client.state()
        if state.runs:
            run = max(state.runs.values(), key=lambda each: each.created)
            points = sum(len(state.sessions[s].points) for s in run.sessions if s in state.sessions)
            if points >= verdicts:
                return run.id
        time.sleep(0.5)
    sys.exit(f"no run had {verdicts} verdicts within {_PATIENCE:.0f} s; try `autolab demo`")


async def draw(client: EngineClient, run: str, size: tuple[int, int], keys: list[str]) -> str:
    """The SVG of the app, narrowed to a run, after some keys."""
    app = AutolabApp(client, run=run, config=Path("/nonexistent"))
    async with app.run_test(size=size) as pilot:
        for key in ["", *keys]:
            if key:
                await pilot.press(key)
            await pilot.pause(1.5)
        return app.export_screenshot(title="autolab")


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--columns", type=int, default=120)
    parser.add_argument("--rows", type=int, default=36)
    parser.add_argument("--verdicts", type=int, default=5, help="wait for so many of the run")
    parser.add_argument("--open", action="store_true", help="open the first session")
    args = parser.parse_args()
    client = connect(args.state, start=False)
    run = newest_run(client, args.verdicts)
    keys = ["enter"] if args.open else []
    svg = asyncio.run(draw(client, run, (args.columns, args.rows), keys))
    args.file.write_text(svg, encoding="utf-8")
    print(f"{args.file}: run {run}, {args.columns}x{args.rows}")


if __name__ == "__main__":
    main()
