"""What is done to sessions rather than by them: orders, messages, alerts."""

from __future__ import annotations

from typing import Literal

from engine.clock import PauseCause
from engine.events.body import Body, Limit


class SessionPaused(Body, frozen=True, kw_only=True, tag="session.paused"):
    """From now on it may not work, because of `cause` and, in words, `why`.

    A model turn in flight may finish first, unless `now`. At Unix time `until` the pause ends by
    itself. `limit` is the budget (of the session or its run, as `scope` says) whose soft limit was
    reached. With `release` its processes are asked to end, and its GPUs are given back.
    """

    cause: PauseCause
    why: str = ""
    by: str = "engine"
    now: bool = False
    until: float | None = None
    limit: str = ""
    scope: Literal["session", "run"] = "session"
    release: bool = False


class SessionResumed(Body, frozen=True, kw_only=True, tag="session.resumed"):
    """It may work again."""

    by: str
    why: str = ""


class StopAsked(Body, frozen=True, kw_only=True, tag="stop.asked"):
    """It shall end in good order and be scored."""

    by: str
    why: str = ""


class BudgetChanged(Body, frozen=True, kw_only=True, tag="budget.changed"):
    """The whole budget from now on: the session's, or that of `run` where no session is named."""

    budget: dict[str, Limit]
    by: str
    why: str = ""
    run: str = ""


class MessageLeft(Body, frozen=True, kw_only=True, tag="message.left"):
    """Something to say to the model before its next turn; an operator's makes it assisted."""

    text: str
    by: str
    origin: Literal["operator", "engine"] = "operator"


class MessageTold(Body, frozen=True, kw_only=True, tag="message.told"):
    """The message that event number `message` left stands in the conversation."""

    message: int


class Intervened(Body, frozen=True, kw_only=True, tag="session.intervened"):
    """A person took part: `what` ("restore", "attach", ...), `by` whom and `why`, in their words.

    `snapshot` is what the files were set to. What the model hears of it is a `message.left`.
    """

    what: str
    by: str
    why: str = ""
    snapshot: str | None = None


class AlertRaised(Body, frozen=True, kw_only=True, tag="alert.raised"):
    """Something needs the operator."""

    alert: str
    text: str


class AlertsAcknowledged(Body, frozen=True, kw_only=True, tag="alert.acknowledged"):
    """Somebody knows of these alerts; they stay until they are cleared, but ask no more."""

    alerts: tuple[str, ...]
    by: str


class AlertCleared(Body, frozen=True, kw_only=True, tag="alert.cleared"):
    """It no longer does."""

    alert: str
