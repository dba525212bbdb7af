"""Who comes to a session's door, what is wanted, and what is refused before anybody is asked."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter

from engine.journal import JournalError
from engine.models.http_model import HttpModel
from engine.proxy.calls import Calls, RefusedError
from engine.proxy.dialects import Problem, Route, error_of, models_of, route_of
from engine.proxy.exchange import Exchange, ExchangeError, LeftError
from engine.proxy.forwarding import Asked, headers_of
from engine.proxy.scrutiny import ForbiddenError, Passed, passed
from verifier.sandbox.keeper.client import KeeperError

_log = logging.getLogger(__name__)
MOST_BODY = 16 << 20
MOST_AT_ONCE = 8
_MOST_QUESTION = 4096  # bytes of the body of a question that needs none
_REFUSAL_SECONDS = 0.5  # before a refusal is sent: whoever repeats it is no work for the engine
_SCRUTINY_SHARE = 9.0  # seconds of rest for one of looking at bodies


class Reception:
    """Receives the requests of one session's program, of which `calls` makes what it can."""

    def __init__(self, model: HttpModel, calls: Calls) -> None:
        self._model = model
        self._api = model.provider.api
        self._calls = calls
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._scrutiny = asyncio.Lock()

    async def receive(self, exchange: Exchange) -> None:
        """Answer one request, whatever it is. Raises what ends the session, and nothing else."""
        try:
            await self._receive(exchange)
        except LeftError:
            pass
        except ExchangeError as error:
            await self._refuse(exchange, "large" if error.status == 413 else "bad", str(error))
        except ForbiddenError as error:
            await self._refuse(exchange, "bad", str(error))
        except RefusedError as error:
            await self._refuse(exchange, error.problem, str(error))
        except (JournalError, KeeperError):
            raise
        except Exception:
            _log.exception("a request of the agent failed")

    async def _receive(self, exchange: Exchange) -> None:
        head = await exchange.head()
        method, target = head.method.decode("ascii"), head.target.decode("ascii", "replace")
        route = route_of(method, target)
        if route is None:
            raise RefusedError(
                "unknown",
                f"there is no {method} {target[:200]} here, only the calls of a model's API (of "
                "Gemini's streams those with alt=sse)",
            )
        if route.wanted == "models":
            await exchange.body(_MOST_QUESTION)
            exchange.answer_json(200, models_of(self._api, self._model.name, target))
            return
        if route.api != self._api:
            raise RefusedError(
                "bad",
                f"the session's model speaks {self._api!r}, and this is a request of "
                f"{route.api!r}; set the agent to that API",
            )
        async with self._at_once:
            body = await self._looked_at(route, await exchange.body(MOST_BODY))
            await self._calls.make(exchange, Asked(route, body, headers_of(head)))

    async def _looked_at(self, route: Route, content: bytes) -> Passed:
        """The body as it goes on. On a thread, one at a time, and for a tenth of the time at most:
        a body that is all brackets takes half a second to look at."""
        over, counts = self._model.provider.body, route.wanted == "count"

        def look() -> Passed | ForbiddenError:
            try:
                return passed(
                    self._api,
                    content,
                    self._model.name,
                    over,
                    streamed=route.streamed,
                    counts=counts,
                )
            except ForbiddenError as error:
                return error

        async with self._scrutiny:
            began = perf_counter()
            found = await asyncio.to_thread(look)
            await asyncio.sleep(_SCRUTINY_SHARE * (perf_counter() - began))
        if isinstance(found, ForbiddenError):
            raise found
        return found

    async def _refuse(self, exchange: Exchange, problem: Problem, text: str) -> None:
        await self._calls.note(f"a model call was refused: {text}")
        await asyncio.sleep(_REFUSAL_SECONDS)
        exchange.answer_json(*error_of(self._api, problem, text))
