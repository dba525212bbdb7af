"""The orders in which the fleet's sessions can stand, and which column stands for which."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from autolab_tui.store import Moment
from autolab_tui.views import sessions as say
from engine.state import SessionState

Key = tuple[float | int | str, ...]

SORTS = (
    *("needs you", "reward", "budget", "task", "model", "newest"),
    *("spent", "used", "improved", "activity", "verdict"),
)
LEAST_NEED = 3  # `need` up to here asks for the operator
TURNED = "-"  # before the name of an order that is turned round, where it is remembered

# What a column of the fleet is sorted by.
OF_COLUMN = {
    "state": "needs you",
    "id": "newest",
    "task": "task",
    "who": "model",
    "final": "reward",
    "best": "reward",
    "spark": "reward",
    "bar": "budget",
    "time": "used",
    "spent": "spent",
    "improved": "improved",
    "now": "activity",
    "what": "activity",
    "verdict": "verdict",
}
MARKED = {sort: column for column, sort in OF_COLUMN.items()} | {
    "reward": "best",
    "activity": "now",
}


def action(sort: str) -> str:
    """The name in the registry of the action that sorts so."""
    return f"fleet.sort_by.{sort.replace(' ', '_')}"


def need(session: SessionState) -> int:
    """How much a session needs the operator; 0 is most."""
    if session.asking and not session.over:
        return 0
    if session.state == "failed":
        return 1
    if session.state == "paused":
        # Whom an operator or their schedule paused waits for nobody's notice.
        meant = session.pause is not None and session.pause.cause in ("operator", "schedule")
        return 5 if meant else 2
    last = say.last_point(session)
    if not session.over and last is not None and last.failed_gate is not None:
        return 3
    if session.over:
        return 7
    return 6 if session.state == "queued" else 4


def key(sort: str, moment: Moment) -> Callable[[SessionState], Key]:
    """What `sorted` sorts by; what is equal keeps the order in which it was created."""
    first = _FIRST.get(sort, _by_need)

    def whole(session: SessionState) -> Key:
        return (*first(session, moment), session.created, session.task, session.id)

    return whole


def _by_need(session: SessionState, moment: Moment) -> Key:
    del moment
    return (need(session),)


def _by_reward(session: SessionState, moment: Moment) -> Key:
    del moment
    best = session.final_reward if session.over else session.best_reward
    return (1.0 if best is None else -best,)


def _by_task(session: SessionState, moment: Moment) -> Key:
    del moment
    return (session.task, session.model or session.agent, session.attempt)


def _by_model(session: SessionState, moment: Moment) -> Key:
    del moment
    return (session.model or session.agent, session.task, session.attempt)


def _by_improvement(session: SessionState, moment: Moment) -> Key:
    """The newest improvement first; what never improved is last."""
    ago = say.since_improvement(session, moment)
    return (inf if ago is None else ago,)


def _by_activity(session: SessionState, moment: Moment) -> Key:
    """What has done one thing for longest first."""
    age = say.activity(session, moment)[1]
    return (1.0 if age is None else -age,)


def _by_verdict(session: SessionState, moment: Moment) -> Key:
    """The newest verdict first."""
    del moment
    point = say.last_point(session)
    return (1.0 if point is None else -point.at,)


_FIRST: dict[str, Callable[[SessionState, Moment], Key]] = {
    "needs you": _by_need,
    "reward": _by_reward,
    "budget": lambda session, moment: (-(say.use(session, moment).share or 0.0),),
    "task": _by_task,
    "model": _by_model,
    "newest": lambda session, _: (-session.created,),
    "spent": lambda session, _: (-(session.usage.cost or 0.0), -session.usage.tokens),
    "used": lambda session, moment: (-say.use(session, moment).active,),
    "improved": _by_improvement,
    "activity": _by_activity,
    "verdict": _by_verdict,
}
