"""The model calls of a program in a sandbox: paced, tried again, counted, journalled.

A call counts as a turn of its session, with the same events as in the loops around a model. What
fails before its answer has begun is tried again here, with the same patience, while the sandbox
stands still; what fails later is the program's to repeat. An answer is read to its end even when
the program has hung up, since its tokens are spent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from engine.clock import Clock
from engine.events import ActivityChanged, TurnAbandoned, TurnFailed, TurnFinished, TurnStarted
from engine.models.http_model import HttpModel
from engine.models.retry import RetryPolicy
from engine.models.types import Delta, ModelError, Turn
from engine.oversight.trace import Doing
from engine.proxy.dialects import Problem, error_of
from engine.proxy.exchange import Exchange
from engine.proxy.forwarding import Asked, Forwarding
from engine.proxy.still import Still
from engine.runs import budgets
from engine.session.gate import CallInterruptedError
from engine.session.live import Live
from engine.session.meter import Meter
from engine.session.retrying import Trouble, clock_cause
from engine.session.services import Services
from engine.session.untold import warn_of_untold

_LOOK_SECONDS = 1.0  # between two looks at the files on account of a call
_LONG_WAIT = 20.0  # seconds after which a program may have given up while it stood still,
_HANG_UP_SECONDS = 0.5  # and how long it has to say so
_MOST_NOTES = 50


class RefusedError(Exception):
    """A request that the engine answers with an error of its own."""

    def __init__(self, problem: Problem, text: str) -> None:
        super().__init__(text)
        self.problem: Problem = problem


class Calls:
    """All calls of one session's program. `say` adds an entry to the session's transcript;
    `asking` is called when an answer is asked for.

    `failed` is how the newest call failed, None when it went well.
    """

    def __init__(
        self,
        *,
        model: HttpModel,
        services: Services,
        say: Callable[..., Awaitable[None]],
        live: Live,
        meter: Meter,
        clock: Clock,
        policy: RetryPolicy,
        doing: Doing,
        still: Still,
        turns: int,
        asking: Callable[[], None],
    ) -> None:
        self._model = model
        self._services = services
        self._say = say
        self._live = live
        self._meter = meter
        self._clock = clock
        self._policy = policy
        self._doing = doing
        self._still = still
        self._asking = asking
        self._number = turns
        self._made = services.facts.usage.turns
        self._idle = asyncio.Event()
        self._idle.set()
        self._began: dict[int, float] = {}  # when the turns under way were asked for
        self._shown: int | None = None  # the call whose answer is seen as it comes
        self._looked = float("-inf")
        self._noted: set[str] = set()
        self.failed: ModelError | None = None

    @property
    def under_way(self) -> int:
        """How many answers are on their way."""
        return len(self._began)

    async def finished(self) -> None:
        """Wait until no answer is on its way."""
        await self._idle.wait()

    async def note(self, text: str) -> None:
        """Say something in the transcript, once."""
        if text not in self._noted and len(self._noted) < _MOST_NOTES:
            self._noted.add(text)
            await self._say("note", text=text)

    async def make(self, exchange: Exchange, asked: Asked) -> None:
        """One call, tried again for as long as that makes sense and somebody waits for it.

        Raises `RefusedError` when the budget is used.
        """
        if not asked.counts:
            self._number += 1
            self._asking()
            await self._look_at_files()
        number = self._number
        trouble = Trouble(self._policy, self._services.record, self._services.gate)
        while await self._awaited(exchange):
            self._check_budget()
            attempt = Forwarding(
                self._model,
                exchange,
                asked,
                watch=lambda delta: self._watch(number, delta),
                count=lambda turn: self._count(number, turn),
            )
            try:
                async with self._services.gate.call(), self._place():
                    await (attempt.run() if asked.counts else self._turn(attempt, number))
            except CallInterruptedError:
                if exchange.begun:
                    return  # cut off; the program repeats it when it works again
            except ModelError as error:
                if not await self._goes_on(exchange, error, trouble, number):
                    await self._failed(attempt, error, number)
                    return
            else:
                self.failed = self.failed if asked.counts else None
                await trouble.over()
                return

    async def _look_at_files(self) -> None:
        """A program that asks again has done what it was told: its files may have changed."""
        if self._clock.now() - self._looked >= _LOOK_SECONDS:
            self._looked = self._clock.now()
            await self._services.after_tool()

    async def _awaited(self, exchange: Exchange) -> bool:
        """Wait while the session is paused; whether anybody still wants the answer then."""
        gate = self._services.gate
        if gate.closed:
            await gate.passed()
            await asyncio.sleep(_HANG_UP_SECONDS)
        return not exchange.left

    def _check_budget(self) -> None:
        """Raises `RefusedError` once a limit is reached; turns under way count as taken."""
        facts = self._services.facts
        used = budgets.used(facts, self._clock.boot(), self._clock.now())
        reached = budgets.reached(facts.budget, used)
        if reached is not None:
            raise RefusedError("budget", f"the session is over: {reached}")
        limit = facts.budget.get("turns")
        turns = self._made + self.under_way
        if limit is not None and limit.hard is not None and turns >= limit.hard:
            raise RefusedError("budget", f"the session may take {limit.hard:g} turns only")

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A place for one call at the provider's account."""
        pace = self._model.pace
        async with AsyncExitStack() as stack:
            if pace.free:
                await stack.enter_async_context(pace.place())
            else:
                await self._services.record(ActivityChanged(activity="waiting for the provider"))
                with self._still.waiting("in line for a call", "connection"):
                    await stack.enter_async_context(pace.place())
            stack.enter_context(self._still.under_way())
            yield

    async def _turn(self, attempt: Forwarding, number: int) -> None:
        """An attempt that is a turn. None begins once the gate is shut."""
        if self._services.gate.closed:
            raise CallInterruptedError
        self._began[number] = self._clock.now()
        self._idle.clear()
        if self._shown is None:
            self._shown, self._live.turn = number, None
        size, before = len(attempt.asked.body.content), self._services.facts.usage
        cost = self._model.committed(size, before) or 0.0
        self._live.committed += cost
        try:
            with self._meter.turn(), self._doing("model turn", str(number)):
                await self._services.record(TurnStarted(turn=number))
                await self._services.record(ActivityChanged(activity="generating"))
                await attempt.run()
        except asyncio.CancelledError as error:
            used = attempt.spent(error)
            self._services.note(TurnAbandoned(turn=number, why="it was called off", usage=used))
            raise
        except ModelError as error:
            used, detail = attempt.spent(error), error.detail
            failed = TurnFailed(turn=number, cause=error.cause, detail=detail, usage=used)
            await self._services.record(failed)
            raise
        finally:
            self._live.committed -= cost
            del self._began[number]
            if self._shown == number:
                self._shown = self._live.turn = None
            if not self._began:
                self._idle.set()

    def _watch(self, number: int, delta: Delta) -> None:
        if self._shown == number:
            self._live.take(delta)

    async def _count(self, number: int, turn: Turn) -> None:
        """Journal an answer."""
        self._made += 1
        seconds = round(self._clock.now() - self._began[number], 3)
        await self._services.record(
            TurnFinished(turn=number, usage=turn.usage, seconds=seconds, stop_reason=turn.stop)
        )
        await warn_of_untold(self._services.facts, turn.usage, self._services.record)
        calls = [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in turn.tool_calls]
        await self._say(
            "assistant",
            text=turn.text,
            reasoning=turn.reasoning,
            tool_calls=calls,
            turn=number,
            stop=turn.stop,
            tokens=turn.usage.tokens,
        )
        if self.under_way == 1:
            await self._services.record(ActivityChanged(activity="agent working"))

    async def _goes_on(
        self, exchange: Exchange, error: ModelError, trouble: Trouble, number: int
    ) -> bool:
        """Wait for what will mend a failure; False when the program has to hear of it."""
        if exchange.begun or exchange.left:
            return False
        wait = await trouble.wait(error)
        if wait is not None:
            waiting = self._still.waiting(error.cause, clock_cause(error))
            with waiting, self._doing("wait", error.cause):
                await asyncio.sleep(wait)
        elif not await trouble.mended(error, number):
            return False
        await asyncio.sleep(_HANG_UP_SECONDS if wait is None or wait >= _LONG_WAIT else 0)
        return True

    async def _failed(self, attempt: Forwarding, error: ModelError, number: int) -> None:
        """Pass a failure on to the program."""
        await self.note(f"a model call failed, and the agent was told: {error}")
        if not attempt.fail():
            text = f"the model cannot be reached: {error.cause}"
            attempt.exchange.answer_json(*error_of(self._model.provider.api, "provider", text))
        if not attempt.asked.counts:
            self.failed = error
