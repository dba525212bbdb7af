"""Figures that take a while, made on worker threads from a still picture of the state.

Nothing here touches a widget: a message is posted to whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from textual.dom import DOMNode

from autolab_tui.messages import CallFailed, Computed
from engine.state import SessionState, State


def still(state: State, sessions: Sequence[SessionState]) -> State:
    """A state of these sessions that stays as it is while the store goes on folding events."""
    picture = copy(state)
    picture.runs = dict(state.runs)
    picture.sessions = {}
    for session in sessions:
        kept = picture.sessions[session.id] = copy(session)
        kept.points = list(session.points)
    return picture


def compute(asker: DOMNode, name: str, what: str, make: Callable[[], Any]) -> None:
    """Make something on a thread: `Computed(name, it)`, or `CallFailed(what, why)`.

    A newer one of the same name takes the place of one that has not begun to matter.
    """

    def work() -> None:
        answer: Computed | CallFailed
        try:
            answer = Computed(name, make())
        except Exception as error:  # whatever it was, the operator is told and the app stays
            answer = CallFailed(what, str(error) or type(error).__name__)
        asker.post_message(answer)

    asker.run_worker(work, group=name, thread=True, exclusive=True, exit_on_error=False)
