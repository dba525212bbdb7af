"""`autolab status`: what runs, and how well. Reads only; loads nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autolab_tui.cli.failures import CommandError
from autolab_tui.cli.known import meant
from autolab_tui.cli.output import emit, note, number, plain, table
from autolab_tui.cli.parser import Commands, command
from autolab_tui.cli.values import short_duration

_HEAD = ("session", "state", "task", "model", "final", "best", "active", "GPU time")
_LAST = "outcome or activity"


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "status",
        run,
        summary="what runs and how well",
        details="examples:\n  autolab status\n  autolab status RUN --json | jq '.sessions[]'",
    )
    parser.add_argument("which", nargs="?", metavar="RUN|SESSION", help="only this one")


def run(args: argparse.Namespace) -> int:
    """Print the engine, the runs and the sessions, from the journal when no engine runs."""
    answer, silent = known(args.state)
    if args.which:
        answer = narrowed(answer, args.which)
    if args.json:
        emit("status", {key: answer[key] for key in ("engine", "runs", "sessions")})
    else:
        _show(answer, silent)
    return 0


def known(state: Path | None) -> tuple[dict[str, Any], str]:
    """The status as the engine gives it, or the journal; and why an engine that is there does not.

    Starts nothing.
    """
    from engine.client import EngineSilentError, running

    try:
        client, silent = running(state), ""
    except EngineSilentError as error:
        client, silent = None, str(error)
    if client:
        return client.status(), silent
    from engine.offline import status

    damage: list[str] = []
    answer = status(state, damage.append)
    for remark in damage:
        note(remark)
        silent = silent or "no engine runs, and none starts on a damaged journal"
    return answer or {"engine": None, "runs": [], "sessions": []}, silent


def narrowed(answer: Mapping[str, Any], which: str) -> dict[str, Any]:
    """The part of a status that concerns one run or one session."""
    runs = [r for r in answer["runs"] if r["id"] == which]
    sessions = [s for s in answer["sessions"] if which in (s["id"], s["run"])]
    if not runs and sessions:
        runs = [r for r in answer["runs"] if r["id"] == sessions[0]["run"]]
    if not runs and not sessions:
        if answer["engine"] is None and not answer["runs"]:
            raise CommandError(
                f"no engine runs and there is no journal, so nothing is known of {which!r}; "
                "`autolab engine start`"
            )
        runs_known = [r["id"] for r in answer["runs"]]
        remedy = meant(which, runs_known, [s["id"] for s in answer["sessions"]])
        raise CommandError(f"no run or session is called {which!r}; {remedy}")
    return {"engine": answer["engine"], "runs": runs, "sessions": sessions}


def _show(answer: Mapping[str, Any], silent: str = "") -> None:
    engine = answer["engine"]
    if silent:
        print(f"{silent[:1].upper()}{silent[1:]}. What the journal says:")
    elif engine is None and not answer["sessions"]:
        print("No engine runs. Start one with `autolab engine start`, or see `autolab demo`.")
        return
    elif engine is None:
        print("No engine runs; `autolab engine start` goes on from what the journal says:")
    else:
        running = engine["sessions_running"]
        print(
            f"engine {engine['version']}, pid {engine['pid']}, "
            f"up {short_duration(engine['uptime'])}, {running} "
            f"session{'' if running == 1 else 's'} running"
        )
    if not answer["sessions"]:
        print("Nothing has run yet: try `autolab demo`, or `autolab run --help`.")
        return
    print()
    print(sessions_table(answer["sessions"]))


def sessions_table(sessions: Sequence[Mapping[str, Any]]) -> str:
    """One line for each session object."""
    on_gpus = any(_on_gpus(session) for session in sessions)
    head = (*(_HEAD if on_gpus else _HEAD[:-1]), _LAST)
    right = (4, 5, 6, 7) if on_gpus else (4, 5, 6)
    return table(head, (_row(session, on_gpus) for session in sessions), right=right)


def _on_gpus(session: Mapping[str, Any]) -> str:
    """GPU time and its limit; empty for a session that has neither."""
    used, limit = session["gpu_seconds"] or 0.0, (session["budget"].get("gpu") or {}).get("hard")
    if not (used or limit or session["gpus"]):
        return ""
    return short_duration(used) + (f"/{short_duration(limit)}" if limit else "")


def _row(session: Mapping[str, Any], on_gpus: bool) -> tuple[str, ...]:
    return (
        session["id"],
        session["state"],
        session["task"],
        session["model"] or session["agent"],
        number(session["final_reward"]),
        number(session["best_reward"]),
        short_duration(session["clocks"]["active"]),
        *((_on_gpus(session) or "-",) if on_gpus else ()),
        plain(_outcome(session) or _paused(session) or session["activity"] or "", 96),
    )


def _outcome(session: Mapping[str, Any]) -> str:
    """The class of its end, and whether its rewards are those of a later rule."""
    anew = ", graded anew" if session["regraded"] else ""
    return f"{session['outcome']}{anew}" if session["outcome"] else ""


def _paused(session: Mapping[str, Any]) -> str:
    """Who paused it and why, and what it keeps of its GPUs, which its activity says."""
    pause = session["pause"]
    if pause is None:
        return ""
    why = f": {pause['why']}" if pause["why"] else ""
    kept = f"; {session['activity']}" if session["gpus"] and session["activity"] else ""
    return f"{pause['cause']}{why} (by {pause['by']}){kept}"
