"""The bench at which a session's agent works: every turn and tool call is journalled here.

Before anything leaves the engine (a request to the model, a command to the sandbox) an event is
awaited that was journalled after all else that was, so that all of it is durable by then. What need
not be known before that is only noted: it is lost with the engine only if what it speaks of is
done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from engine import reference
from engine.agents.conversation import Conversation, carried_fields
from engine.agents.launching import Exit, Launch
from engine.agents.offers import schemas
from engine.agents.standing import Standing, standing_of
from engine.agents.toolbox import Output, Toolbox, summary
from engine.clock import Clock
from engine.entries import Entry
from engine.events import (
    ActivityChanged,
    CompactedBecause,
    ContextCompacted,
    MessageTold,
    ToolFinished,
    ToolStarted,
    TurnAbandoned,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from engine.harnesses import Harness
from engine.models.retry import RetryPolicy
from engine.models.spending import request_bytes
from engine.models.types import (
    Message,
    Model,
    ModelError,
    ToolCall,
    ToolSchema,
    Turn,
)
from engine.oversight.trace import Doing
from engine.session.gate import CallInterruptedError
from engine.session.live import Live
from engine.session.meter import Meter
from engine.session.retrying import Trouble, clock_cause
from engine.session.services import Launcher, Services
from engine.session.untold import warn_of_untold
from engine.storage.transcripts import Transcript
from tasks import Task

_JUDGED_POLL = 0.1


@dataclass(frozen=True, slots=True)
class _Question:
    """What a model is asked, and what the session does meanwhile, in words."""

    messages: Sequence[Message]
    tools: Sequence[ToolSchema]
    activity: str


class Workbench:
    """See `engine.agents.bench.Bench`, which this is."""

    def __init__(
        self,
        *,
        task: Task,
        harness: Harness,
        budget: str,
        active_sec: float,
        size: str,
        services: Services,
        transcript: Transcript,
        toolbox: Toolbox,
        meter: Meter,
        model: Model | None,
        live: Live,
        clock: Clock,
        policy: RetryPolicy,
        doing: Doing,
        outside: Launcher | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.task = task
        self.harness = harness
        self.budget = budget
        self.active_sec = active_sec
        self.size = size
        self._services = services
        self._transcript = transcript
        self._toolbox = toolbox
        self._meter = meter
        self._model = model
        self._live = live
        self._clock = clock
        self._policy = policy
        self._doing = doing
        self._outside = outside
        self._sleep = sleep
        self._inherited = len(transcript.entries)
        self._conversation = Conversation()
        self._turns = sum(map(_turns_of, transcript.entries))

    async def reference(self) -> Mapping[str, bytes]:
        """The files that the finished reference changes; see `Bench.reference`."""
        return await asyncio.to_thread(reference.solved, self.task)

    @property
    def model_name(self) -> str:
        """The model's name at its provider."""
        return (self._services.facts.model or "").partition("/")[2]

    @property
    def entries(self) -> Sequence[Entry]:
        """The conversation so far."""
        return self._transcript.entries

    def standing(self) -> Standing:
        """Where the session stands now."""
        return standing_of(self._services.facts, self._clock.boot(), self._clock.now())

    async def say(self, kind: str, **fields: Any) -> None:
        """Add an entry to the conversation."""
        await self._transcript.add({"kind": kind, **fields})
        if "message" in fields:
            await self._services.record(MessageTold(message=fields["message"]))

    async def ask(self) -> None:
        """Ask the model for a turn, with retries; see `Bench.ask`."""
        tools = schemas(self.harness.offered)
        messages = self._conversation.of(self.entries)
        turn = await self._turn(_Question(messages, tools, "generating"))
        calls = [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in turn.tool_calls]
        answer: dict[str, Any] = {"tool_calls": calls, **carried_fields(turn.carried)}
        if not tools and calls:  # nobody will answer them, and an unanswered call spoils it all
            answer = {"tool_calls": [], "ignored_calls": calls}
        await self.say(
            "assistant",
            text=turn.text,
            reasoning=turn.reasoning,
            turn=self._turns,
            stop=turn.stop,
            tokens=turn.usage.tokens,
            **answer,
        )
        self._live.turn = None

    async def consult(self, messages: Sequence[Message]) -> Turn:
        """Ask the model something beside the conversation; see `Bench.consult`."""
        turn = await self._turn(_Question(messages, (), "compacting"))
        self._live.turn = None
        return turn

    async def compact(
        self, because: CompactedBecause, *, before: int, after: int, **fields: Any
    ) -> None:
        """Let a `summary` entry take the conversation's place; see `Bench.compact`."""
        number = len(self.entries)
        await self.say("summary", **fields, before=before, after=after)
        await self._services.record(
            ContextCompacted(
                entry=number,
                how=fields["how"],
                because=because,
                before=before,
                after=after,
                turns=fields["turns"],
            )
        )

    async def _turn(self, question: _Question) -> Turn:
        """One turn, with retries and journalled; it counts when it is whole."""
        trouble = Trouble(self._policy, self._services.record, self._services.gate)
        number = self._turns + 1
        while True:
            await self._services.gate.passed()
            try:
                async with self._services.gate.call():
                    turn, seconds = await self._stream(number, question)
                break
            except CallInterruptedError:
                continue
            except ModelError as error:
                wait = await trouble.wait(error)
                if wait is not None:
                    waiting = self._meter.waiting(error.cause, clock_cause(error))
                    with waiting, self._doing("wait", error.cause):
                        await self._sleep(wait)
                elif not await trouble.mended(error, number):
                    raise
        await trouble.over()
        # Usage first: if the engine dies between the two, the turn is asked, and paid, again.
        await self._services.record(
            TurnFinished(
                turn=number, usage=turn.usage, seconds=round(seconds, 3), stop_reason=turn.stop
            )
        )
        await warn_of_untold(self._services.facts, turn.usage, self._services.record)
        self._turns = number
        return turn

    async def _stream(self, number: int, question: _Question) -> tuple[Turn, float]:
        if self._model is None:
            raise ModelError("bad_request", "no model", "this session has none")
        async with AsyncExitStack() as stack:
            place = self._model.pace.place()
            if self._model.pace.free:
                await stack.enter_async_context(place)
            else:
                await self._services.record(ActivityChanged(activity="waiting for the provider"))
                with self._meter.waiting("in line for a call", "connection"):
                    await stack.enter_async_context(place)
            return await self._answered(self._model, number, question)

    async def _answered(self, model: Model, number: int, question: _Question) -> tuple[Turn, float]:
        """One answer. No call begins once the gate is shut; one that began is counted as work."""
        if self._services.gate.closed:
            raise CallInterruptedError
        with self._meter.turn(), self._doing("model turn", str(number)):
            self._services.note(TurnStarted(turn=number))
            await self._services.record(ActivityChanged(activity=question.activity))
            started = self._clock.now()
            self._live.turn = None
            asked, before = (question.messages, question.tools), self._services.facts.usage
            cost = model.committed(request_bytes(*asked), before) or 0.0
            self._live.committed += cost
            try:
                async for delta in model.ask(*asked):
                    if isinstance(delta, Turn):
                        return delta, self._clock.now() - started
                    self._live.take(delta)
            except ModelError as error:
                self._live.turn = None
                await self._services.record(
                    TurnFailed(
                        turn=number, cause=error.cause, detail=error.detail, usage=model.spent
                    )
                )
                raise
            except asyncio.CancelledError:
                self._live.turn = None
                why = "it was called off"
                self._services.note(TurnAbandoned(turn=number, why=why, usage=model.spent))
                raise
            except BaseException:
                self._live.turn = None
                raise
            finally:
                self._live.committed -= cost
        raise ModelError("broken_stream", "the stream broke off", "it ended without an answer")

    async def use(self, call: ToolCall, given: Output | None = None) -> Output:
        """Carry out a tool call of the newest answer; see `Bench.use`."""
        answer, number = self._place_of_call()
        command_id = f"{answer}-{number}"
        words = summary(call)
        await self._services.record(ToolStarted(call=call.id, tool=call.name, summary=words))
        started = self._clock.now()
        again, lost = answer < self._inherited, self._services.facts.tool_lost
        with self._doing("command", f"{command_id} {call.name}"):
            result = given or await self._toolbox.use(call, command_id, again, lost)
        seconds = round(self._clock.now() - started, 3)
        await self._transcript.add(
            {
                "kind": "tool",
                "call": call.id,
                "name": call.name,
                "output": result.text,
                "code": result.code,
                "seconds": seconds,
            }
        )
        self._services.note(
            ToolFinished(call=call.id, tool=call.name, code=result.code, seconds=seconds)
        )
        if given is None:
            await self._services.after_tool()
        return result

    async def launch(self, launch: Launch, again: bool) -> Exit:
        """Start an agent of somebody else's, or join it; see `Bench.launch`."""
        if self._outside is None:
            raise ValueError(f"the harness {self.harness.name} has no command")
        return await self._outside.run(launch, again)

    async def screen(self) -> str:
        """What the session's terminal shows."""
        return await self._toolbox.screen()

    async def rest(self, seconds: float) -> None:
        """Let time pass."""
        await self._sleep(seconds)

    async def judged(self, patience: float) -> None:
        """Wait for the session's verdicts, at most `patience` seconds."""
        deadline = self._clock.now() + patience
        while self._services.verifying() and self._clock.now() < deadline:
            await self._sleep(_JUDGED_POLL)

    def _place_of_call(self) -> tuple[int, int]:
        """(number of the newest answer, how many of its calls have a result)."""
        done = 0
        for entry in reversed(self.entries):
            if entry["kind"] == "assistant":
                return entry["n"], done
            done += entry["kind"] == "tool"
        return 0, done


def _turns_of(entry: Entry) -> int:
    """How many turns of the model went into an entry."""
    match entry["kind"]:
        case "assistant":
            return 1
        case "summary":
            return int(entry["turns"])
    return 0
