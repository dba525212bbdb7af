"""Which sessions a command means: ids, run ids, or `model:…`, `task:…`, `harness:…`, `state:…`."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from engine.state import SessionState, State
from tasks.nearest import hint, nearest

_FIELDS = ("model", "task", "harness", "state")


class NothingSelectedError(LookupError):
    """A glob that matches no session; the message names it and says what there is."""


def select(state: State, globs: Sequence[str]) -> list[str]:
    """The ids of the sessions that are not over and that any of the globs matches.

    Raises `NothingSelectedError` for a glob that matches no session at all, over or not.
    """
    return [session for session in matching(state, globs) if not state.sessions[session].over]


def matching(state: State, globs: Sequence[str]) -> list[str]:
    """The ids of the sessions that any of the globs matches, over or not.

    Raises `NothingSelectedError` for a glob that matches none.
    """
    chosen: dict[str, None] = {}
    for glob in globs:
        found = [s for s in state.sessions.values() if _matches(s, glob)]
        if not found:
            raise NothingSelectedError(f"no session matches {glob!r}; {_meant(state, glob)}")
        chosen.update({s.id: None for s in found})
    return list(chosen)


def _meant(state: State, glob: str) -> str:
    field, colon, pattern = glob.partition(":")
    if colon and field in _FIELDS:
        there = {getattr(each, field) or each.agent for each in state.sessions.values()}
        shown = ", ".join(name[:80] for name in sorted(there)[:8]) or "none"
        meant = nearest(pattern, there)
        return f"did you mean '{field}:{meant}'?" if meant else f"{field} is one of {shown}"
    runs = ", ".join(list(state.runs)[-5:]) or "none yet"
    return hint(
        glob,
        [*state.runs, *state.sessions],
        f"give a session id, a run id (the newest: {runs}), "
        "or model:GLOB, task:GLOB, harness:GLOB, state:GLOB",
    )


def _matches(session: SessionState, glob: str) -> bool:
    field, colon, pattern = glob.partition(":")
    if colon and field in _FIELDS:
        value = getattr(session, field) or session.agent
        short = value.rsplit("/", 1)[-1]
        return fnmatchcase(value, pattern) or fnmatchcase(short, pattern)
    return fnmatchcase(session.id, glob) or fnmatchcase(session.run, glob)
