"""What an operator orders: pause, resume, stop, another budget, a word to the model.

An order is an event. It is checked against the state as the API's loop sees it and journalled from
there, so that it is answered while the sessions' loop is busy, holds once it is answered, and is
there after a crash. The sessions act on it when they hear of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from engine.clock import PauseCause
from engine.events import (
    AlertsAcknowledged,
    AnyBody,
    BudgetChanged,
    Limit,
    MessageLeft,
    SessionPaused,
    SessionResumed,
    StopAsked,
    VerdictReleased,
    VerificationAsked,
)
from engine.journal import Journal
from engine.runs import budgets
from engine.runs.selecting import NothingSelectedError, select
from engine.state import SessionState, State

_PATIENCE = 5.0  # seconds for the journal to take an order
_LONGEST_MESSAGE = 32_000
_PAUSABLE = ("queued", "preparing", "running", "paused")


class OrderRefusedError(ValueError):
    """An order that makes no sense; the message names it and the remedy."""


class NotRecordedError(RuntimeError):
    """The journal could not take the order in time; the message says what was wrong."""


class _Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every order says: whom it is for, who gives it, and why."""

    globs: tuple[str, ...]
    by: str = "operator"
    why: str = ""


class Pause(_Order, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Let no session work; `now` gives up model turns in flight; `until` (Unix time) ends it;
    `release` ends its processes, so that their memory and their GPUs are free."""

    now: bool = False
    until: float | None = None
    release: bool = False


class Resume(_Order, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Let them work again."""


class Stop(_Order, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """End them in good order."""


class Verify(_Order, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Judge what their files are now, before other checkpoints."""


class Extend(_Order, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Change budgets: see `engine.runs.budgets.changed`. `run`: of the runs, not of sessions."""

    changes: dict[str, dict[str, str]]
    run: bool = False


class Tell(_Order, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Say something to their models before the next turn."""

    text: str


class Acknowledge(_Order, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Say that their alerts are known; `alerts` are ids, none are all that ask."""

    alerts: tuple[str, ...] = ()


class Release(_Order, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Let suspect verdicts count; `globs` are the verdicts' own ids."""


AnyOrder = Pause | Resume | Stop | Verify | Extend | Tell | Acknowledge | Release


class Orders:
    """Takes orders on the loop whose `state` it reads."""

    def __init__(self, journal: Journal, state: Callable[[], State]) -> None:
        self._journal = journal
        self._state = state

    async def give(self, order: AnyOrder, dry_run: bool) -> list[str]:
        """The sessions (or runs, or verdicts) that the order is for, once it is durable.

        Raises `NothingSelectedError`, `OrderRefusedError` and `NotRecordedError`.
        """
        state = self._state()
        match order:
            case Extend(run=True):
                bodies = _for_runs(state, order)
            case Release():
                bodies = _for_verdicts(state, order)
            case _:
                bodies = _for_sessions(state, order)
        if not dry_run:
            await self._record(bodies)
        return [body.verdict if isinstance(body, VerdictReleased) else who for who, body in bodies]

    async def _record(self, bodies: Sequence[tuple[str, AnyBody]]) -> None:
        if self._journal.trouble:
            raise NotRecordedError(self._journal.trouble)
        waiting = [
            asyncio.wrap_future(
                self._journal.append(
                    body, None if isinstance(body, BudgetChanged) and body.run else who
                )
            )
            for who, body in bodies
        ]
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.gather(*waiting)
        except TimeoutError:
            raise NotRecordedError(
                self._journal.trouble
                or f"the journal has not taken the order in {_PATIENCE:.0f} s; look again later"
            ) from None


def _for_sessions(state: State, order: AnyOrder) -> list[tuple[str, AnyBody]]:
    chosen = [state.sessions[name] for name in select(state, order.globs)]
    return [(session.id, body) for session in chosen if (body := _body(session, order)) is not None]


def _body(  # noqa: PLR0911 - one return for each order reads best as a list
    session: SessionState, order: AnyOrder
) -> AnyBody | None:
    """The event that the order is for this session; None where it changes nothing."""
    match order:
        case Pause():
            return _pause(session, order)
        case Resume(by=by, why=why) if session.pause is not None:
            return SessionResumed(by=by, why=why)
        case Stop(by=by, why=why) if not session.stopping:
            return StopAsked(by=by, why=why)
        case Verify(by=by, why=why) if _can_verify(session):
            return VerificationAsked(by=by, why=why)
        case Extend() if session.state != "verifying":
            return _extend(session, order)
        case Tell(text=text, by=by) if session.state != "verifying":
            return _message(session, text, by)
        case Acknowledge() if session.asking:
            return _acknowledge(session, order)
    return None


def _can_verify(session: SessionState) -> bool:
    """Whether it has files of its own that no order waits for already."""
    at_work = session.state in _PAUSABLE and session.begun and not session.stopping
    return at_work and not session.verify_asked


def _acknowledge(session: SessionState, order: Acknowledge) -> AlertsAcknowledged | None:
    known = tuple(a.id for a in session.asking if not order.alerts or a.id in order.alerts)
    return AlertsAcknowledged(alerts=known, by=order.by) if known else None


def _pause(session: SessionState, order: Pause) -> SessionPaused | None:
    before = session.pause
    if session.state not in _PAUSABLE or session.stopping:
        return None
    if before is not None:
        more = (order.now and not before.now) or (order.release and not before.release)
        if not more:
            return None
    cause: PauseCause = "operator" if order.until is None else "schedule"
    return SessionPaused(
        cause=cause,
        why=order.why,
        by=order.by,
        now=order.now,
        until=order.until,
        release=order.release,
    )


def _extend(session: SessionState, order: Extend) -> BudgetChanged:
    try:
        budget = budgets.changed(session.budget, order.changes)
    except ValueError as error:
        raise OrderRefusedError(f"session {session.id}: {error}") from error
    _check_priced(budget, session)
    return BudgetChanged(budget=budget, by=order.by, why=order.why)


def _check_priced(budget: Mapping[str, Limit], session: SessionState) -> None:
    if "cost" in budget and session.model is not None and session.price is None:
        raise OrderRefusedError(
            f"session {session.id}: a cost limit needs a price, and that of {session.model} was "
            "not known when the session was created; limit tokens instead"
        )


def _message(session: SessionState, text: str, by: str) -> MessageLeft:
    if session.model is None:
        raise OrderRefusedError(f"session {session.id} has no model that could be told anything")
    if not text.strip():
        raise OrderRefusedError("the message is empty; say something in it")
    if len(text) > _LONGEST_MESSAGE:
        raise OrderRefusedError(
            f"the message has {len(text)} characters, above the {_LONGEST_MESSAGE} that fit"
        )
    return MessageLeft(text=text, by=by)


def _for_verdicts(state: State, order: Release) -> list[tuple[str, AnyBody]]:
    known = {p.verdict: (s, p) for s in state.sessions.values() for p in s.points}
    bodies: list[tuple[str, AnyBody]] = []
    for name in dict.fromkeys(order.globs):
        if name not in known:
            held = [v for v, (_, p) in known.items() if p.status == "suspect"]
            raise NothingSelectedError(
                f"there is no verdict {name!r}; held for a person: {', '.join(held) or 'none'}"
            )
        session, point = known[name]
        if point.status == "suspect":
            released = VerdictReleased(verdict=name, by=order.by, why=order.why)
            bodies.append((session.id, released))
        elif not point.released:
            raise OrderRefusedError(
                f"verdict {name} is {point.status}, and only a suspect one is held for a person"
            )
    return bodies


def _for_runs(state: State, order: Extend) -> list[tuple[str, AnyBody]]:
    bodies: list[tuple[str, AnyBody]] = []
    for name in order.globs:
        run = state.runs.get(name)
        if run is None:
            known = ", ".join(list(state.runs)[-5:]) or "none yet"
            raise NothingSelectedError(f"there is no run {name!r}; the newest: {known}")
        try:
            budget = budgets.changed(run.budget, order.changes, session=False)
        except ValueError as error:
            raise OrderRefusedError(f"run {name}: {error}") from error
        for session in run.sessions:
            _check_priced(budget, state.sessions[session])
        bodies.append((name, BudgetChanged(budget=budget, by=order.by, why=order.why, run=name)))
    return bodies


_KINDS: Mapping[str, type[AnyOrder]] = {
    "pause": Pause,
    "resume": Resume,
    "stop": Stop,
    "verify": Verify,
    "extend": Extend,
    "message": Tell,
    "acknowledge": Acknowledge,
    "release": Release,
}


def read_order(name: str, data: Mapping[str, object]) -> AnyOrder:
    """The order `name` that a caller sent; `ORDERS` names them all.

    Raises `OrderRefusedError`.
    """
    kind = _KINDS[name]
    try:
        order = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        keys = ", ".join(kind.__struct_fields__)
        raise OrderRefusedError(f"the order does not fit: {error}; its keys are {keys}") from error
    if not order.globs:
        raise OrderRefusedError("globs is empty; name a session, a run, or model:GLOB and the like")
    return order


ORDERS = tuple(_KINDS)
