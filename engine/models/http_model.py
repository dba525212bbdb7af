"""A model behind HTTP, whatever its wire format: keys, streaming, time limits, money."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from time import monotonic, time

from engine.events import Usage
from engine.models.anthropic import AnthropicWire
from engine.models.chat import ChatWire
from engine.models.errors import from_stream
from engine.models.gemini import GeminiWire
from engine.models.http import HttpClient, Response
from engine.models.keys import HIDDEN, CurrentKey, hiding, secret_of
from engine.models.pace import Pace
from engine.models.responses import ResponsesWire
from engine.models.spending import Course, committed, most_output, priced
from engine.models.sse import ServerEvent, SseParser
from engine.models.storable import clean, storable
from engine.models.types import (
    Api,
    Carried,
    Delta,
    Message,
    ModelError,
    Provider,
    ToolSchema,
    Turn,
)
from engine.models.wire import Answer, Ask, Wire, merged
from engine.money import Price

MAX_ANSWER_BYTES = 256 << 20
_SAID = 200
_START = 4096

_WIRES: Mapping[Api, Callable[[], Wire]] = {
    "chat": ChatWire,
    "responses": ResponsesWire,
    "anthropic": AnthropicWire,
    "gemini": GeminiWire,
}


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
        self.price = price
        self.spent = Usage()
        self.headers: Mapping[str, str] = {}  # of the newest good answer; limits are told there

    async def ask(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Delta]:
        """Stream one answer; the last item is the whole `Turn`. Raises `ModelError`."""
        self.spent = Usage()
        key = await self.key.get()
        call = Course(self.wire.answer(), time())
        try:
            async with aclosing(self._stream(call, messages, tools, key)) as deltas:
                async for delta in deltas:
                    call.heard = True
                    yield delta
            call.ended = True
            turn = _whole(call.answer, secret_of(key))
        except BaseException as error:
            self.spent = call.spent(error, self.price)
            if isinstance(error, ModelError) and error.failure == "auth":
                self.key.doubt()
            raise
        yield self.priced(turn, call.at)

    def priced(self, turn: Turn, at: float) -> Turn:
        """The turn with what it cost, asked for at a Unix time, where that is known."""
        return replace(turn, usage=priced(turn.usage, self.price, at))

    def committed(self, sent_bytes: int, before: Usage) -> float | None:
        """US dollars that a request of this size will probably cost; None without a price."""
        if self.price is None:
            return None
        return committed(self.price, sent_bytes, most_output(self.provider), before, time())

    async def _stream(
        self,
        call: Course,
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


def _whole(answer: Answer, secret: str | None) -> Turn:
    try:
        turn = answer.turn()
        carried = turn.carried
        if carried is not None:
            carried = Carried(carried.api, tuple(storable(i) for i in carried.items))
    except ValueError as error:
        raise ModelError("broken_stream", "unreadable stream", clean(str(error))) from error
    turn = replace(turn, carried=carried)
    return turn if secret is None else hiding(turn, secret)


def _without(event: ServerEvent, secret: str | None) -> ServerEvent:
    """The event as it may be shown: a server that repeats the key does not get it journalled."""
    if secret and secret in event.data:
        return ServerEvent(event.event, event.data.replace(secret, HIDDEN))
    return event


def _no_stream(response: Response, start: bytes, secret: str | None) -> ModelError:
    """An answer with status 200 in which there was no event at all."""
    text = start.decode("utf-8", "replace").strip()
    if secret:
        text = text.replace(secret, HIDDEN)
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
