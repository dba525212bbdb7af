"""A model behind HTTP, whatever its wire format: keys, streaming, time limits, money."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Any

from engine.events import Usage
from engine.models.anthropic import AnthropicWire
from engine.models.chat import ChatWire
from engine.models.errors import from_stream
from engine.models.gemini import GeminiWire
from engine.models.http import HttpClient, Response
from engine.models.keys import CurrentKey, secret_of
from engine.models.pace import Pace
from engine.models.responses import ResponsesWire
from engine.models.spending import committed, most_output, of_failed, priced, request_bytes
from engine.models.sse import ServerEvent, SseParser
from engine.models.storable import clean, storable
from engine.models.types import (
    Api,
    Carried,
    Delta,
    Message,
    ModelError,
    Provider,
    ToolCall,
    ToolSchema,
    Turn,
)
from engine.models.wire import Answer, Ask, Wire, merged
from engine.money import Price

MAX_ANSWER_BYTES = 256 << 20
_HIDDEN = "[key]"
_SAID = 200
_START = 4096

_WIRES: Mapping[Api, Callable[[], Wire]] = {
    "chat": ChatWire,
    "responses": ResponsesWire,
    "anthropic": AnthropicWire,
    "gemini": GeminiWire,
}


@dataclass(slots=True)
class _Call:
    """One call as it stands: made `at` (Unix time); a good status came; a delta; the end."""

    answer: Answer
    at: float
    answered: bool = False
    heard: bool = False
    ended: bool = False

    def spent(self, error: BaseException, price: Price | None) -> Usage:
        """What it used, although it failed so or was left."""
        failed = error if isinstance(error, ModelError) else None
        broken = failed is None or failed.failure in ("network", "broken_stream")
        silent = failed is None or failed.unanswered
        begun = (self.heard or broken) if self.answered else silent
        whole = self.answer.done or (self.ended and not broken)
        return of_failed(self.answer.usage(), price, self.at, whole=whole, begun=begun)


class HttpModel:
    """One model of one provider. Not for concurrent use: a session has its own."""

    def __init__(
        self,
        http: HttpClient,
        provider: Provider,
        name: str,
        price: Price | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self.http = http
        self.provider = provider
        self.name = name
        self.wire = _WIRES[provider.api]()
        self.key = CurrentKey(provider.key)
        self._price = price
        self.spent = Usage()
        self.headers: Mapping[str, str] = {}  # of the newest good answer; limits are told there

    async def ask(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Delta]:
        """Stream one answer; the last item is the whole `Turn`. Raises `ModelError`."""
        self.spent = Usage()
        key = await self.key.get()
        call = _Call(self.wire.answer(), time())
        try:
            async with aclosing(self._stream(call, messages, tools, key)) as deltas:
                async for delta in deltas:
                    call.heard = True
                    yield delta
            call.ended = True
            turn = _whole(call.answer, secret_of(key))
        except BaseException as error:
            self.spent = call.spent(error, self._price)
            if isinstance(error, ModelError) and error.failure == "auth":
                self.key.doubt()
            raise
        yield replace(turn, usage=priced(turn.usage, self._price, call.at))

    def committed(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], before: Usage
    ) -> float | None:
        """US dollars that asking this will probably cost, after `before`; None without a price."""
        if self._price is None:
            return None
        size = request_bytes(messages, tools)
        return committed(self._price, size, most_output(self.provider), before, time())

    async def _stream(
        self,
        call: _Call,
        messages: Sequence[Message],
        tools: Sequence[ToolSchema],
        key: str | None,
    ) -> AsyncGenerator[Delta, None]:
        provider = self.provider
        request = self.wire.request(Ask(provider, self.name, key, messages, tools))
        body = merged(request.body, provider.body)
        secret = secret_of(key)
        async with self.http.stream(
            provider, request.path, body, request.headers, secret
        ) as response:
            call.answered = True
            self.headers = response.headers
            async with aclosing(self._deltas(response, call.answer, secret)) as deltas:
                async for delta in deltas:
                    yield delta

    async def _deltas(
        self, response: Response, answer: Answer, secret: str | None
    ) -> AsyncGenerator[Delta, None]:
        parser, start, size, events = SseParser(), b"", 0, 0
        heard = monotonic()
        async for piece in response.pieces:
            size += len(piece)
            if not events and len(start) < _START:
                start += piece[:_START]
            try:
                for event in parser.feed(piece):
                    events += 1
                    for delta in answer.take(_without(event, secret)):
                        heard = monotonic()
                        yield delta
            except ValueError as error:
                raise ModelError("broken_stream", "unreadable stream", clean(str(error))) from error
            if answer.done:
                return
            if monotonic() - heard > self.provider.stall_seconds:
                raise ModelError(
                    "broken_stream",
                    "the stream stalled",
                    f"nothing but signs of life for {self.provider.stall_seconds:g} s",
                )
            if size > MAX_ANSWER_BYTES:
                raise ModelError(
                    "broken_stream", "endless answer", f"it is above {MAX_ANSWER_BYTES} bytes"
                )
        if not events:
            raise _no_stream(response, start, secret)

    def priced(self, turn: Turn) -> Turn:
        """The turn with what it cost, where that is known."""
        return replace(turn, usage=priced(turn.usage, self._price, time()))


def _whole(answer: Answer, secret: str | None) -> Turn:
    try:
        turn = answer.turn()
        carried = turn.carried
        if carried is not None:
            carried = Carried(carried.api, tuple(storable(i) for i in carried.items))
    except ValueError as error:
        raise ModelError("broken_stream", "unreadable stream", clean(str(error))) from error
    turn = replace(turn, carried=carried)
    return turn if secret is None else _hiding(turn, secret)


def _hiding(turn: Turn, secret: str) -> Turn:
    """The turn without the key: one that came in pieces shows only when they are put together."""

    def hide(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(secret, _HIDDEN)
        if isinstance(value, list):
            return [hide(item) for item in value]
        if isinstance(value, dict):
            return {hide(key): hide(item) for key, item in value.items()}
        return value

    carried = turn.carried
    return replace(
        turn,
        text=hide(turn.text),
        reasoning=hide(turn.reasoning),
        tool_calls=tuple(
            ToolCall(hide(c.id), hide(c.name), hide(c.arguments)) for c in turn.tool_calls
        ),
        carried=carried and Carried(carried.api, tuple(hide(i) for i in carried.items)),
    )


def _without(event: ServerEvent, secret: str | None) -> ServerEvent:
    """The event as it may be shown: a server that repeats the key does not get it journalled."""
    if secret and secret in event.data:
        return ServerEvent(event.event, event.data.replace(secret, _HIDDEN))
    return event


def _no_stream(response: Response, start: bytes, secret: str | None) -> ModelError:
    """An answer with status 200 in which there was no event at all."""
    text = start.decode("utf-8", "replace").strip()
    if secret:
        text = text.replace(secret, _HIDDEN)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, list) and data:
        data = data[0]
    if isinstance(data, dict) and data.get("error"):
        return from_stream(data["error"])
    if not text:
        return ModelError("broken_stream", "the stream broke off", "no event came")
    kind = response.headers.get("content-type", "of no stated type")
    detail = f"the answer is {kind}, not an event stream: {text[:_SAID]!r}"
    return ModelError("server", "no event stream", clean(detail))
