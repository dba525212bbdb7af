"""What an agent works with. A loop sees a `Bench` and nothing else of its session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine.agents.launching import Exit, Launch
from engine.agents.standing import Standing
from engine.agents.toolbox import Output
from engine.entries import Entry
from engine.events import CompactedBecause
from engine.harnesses import Harness
from engine.models.types import Message, ToolCall, Turn
from engine.runs.outcomes import Ending
from tasks import Task


class Bench(Protocol):
    """One session, as its agent sees it.

    `entries` is the conversation so far, oldest first, and all that an agent may remember: when the
    engine is restarted the agent is started again with the same entries. `budget` says in words
    what the session may use, `active_sec` how much time that is.
    """

    task: Task
    harness: Harness
    budget: str
    active_sec: float
    size: str

    async def reference(self) -> Mapping[str, bytes]:
        """The files that the finished reference changes, by their path below the workspace.

        Raises `ValueError` where there is none, or it cannot be had.
        """
        ...

    @property
    def model_name(self) -> str:
        """The model's name at its provider, "" without a model."""
        ...

    @property
    def entries(self) -> Sequence[Entry]:
        """The conversation so far."""
        ...

    def standing(self) -> Standing:
        """What is used of the budget, and the verdicts so far."""
        ...

    async def say(self, kind: str, **fields: Any) -> None:
        """Add an entry to the conversation."""
        ...

    async def ask(self) -> None:
        """Ask the model for a turn; its answer is a new `assistant` entry.

        Raises `ModelError` when there is no answer to be had.
        """
        ...

    async def consult(self, messages: Sequence[Message]) -> Turn:
        """Ask the model something beside the conversation, without tools: a turn like any other.

        Nothing of it is an entry. Raises `ModelError`.
        """
        ...

    async def compact(
        self, because: CompactedBecause, *, before: int, after: int, **fields: Any
    ) -> None:
        """Add the `summary` entry that takes the place of what was said since the task."""
        ...

    async def use(self, call: ToolCall, given: Output | None = None) -> Output:
        """Carry out a tool call of the newest `assistant` entry; its result is a `tool` entry.

        With `given` the result is known already, and the sandbox is left alone.
        """
        ...

    async def screen(self) -> str:
        """What the session's terminal shows. Raises `FileTroubleError`."""
        ...

    async def launch(self, launch: Launch, again: bool) -> Exit:
        """Start an agent of somebody else's, with the model's API at its side; wait for its end.

        With `again` it was started before: the one that runs is joined, or found lost. What it
        prints and what the model answers it become entries. Raises `ArgumentTooLongError`.
        """
        ...

    async def rest(self, seconds: float) -> None:
        """Let time pass; it is charged as work."""
        ...

    async def judged(self, patience: float) -> None:
        """Wait until no snapshot of the session waits for its verdict, or `patience` is over."""
        ...


class Agent(Protocol):
    """Who works in a session."""

    async def work(self, bench: Bench) -> Ending:
        """Work until done; the engine cancels it when a budget ends or the operator says so."""
        ...
