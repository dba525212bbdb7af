"""One request on its way to the provider, and the answer on its way back."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic, time

import h11

from engine.events import Usage
from engine.models.errors import from_response
from engine.models.http import Response
from engine.models.http_model import HttpModel
from engine.models.keys import HIDDEN, hiding, secret_of
from engine.models.spending import Course
from engine.models.types import Delta, ModelError, Turn
from engine.models.wire import Ask
from engine.proxy.dialects import Route
from engine.proxy.exchange import Exchange
from engine.proxy.reading import Piece, Reading
from engine.proxy.scrutiny import Passed

_OK = 200
# What the program may say in headers, and what it hears in those of the answer.
_ASKED = ("anthropic-version", "anthropic-beta", "openai-beta")
_HEARD = (
    *("content-type", "retry-after", "retry-after-ms"),
    *("x-should-retry", "request-id", "x-request-id"),
)
_LIMITS = ("x-ratelimit-", "anthropic-ratelimit-")
_PLAIN = re.compile(r"[\x20-\x7e]{1,1000}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may go on: what it wants, its body, and its headers that go along."""

    route: Route
    body: Passed
    headers: Mapping[str, str]

    @property
    def counts(self) -> bool:
        """Whether it asks for a count of tokens instead of an answer."""
        return self.route.wanted == "count"


@dataclass(frozen=True, slots=True)
class _Said:
    """What the provider answered to a call that failed."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(slots=True)
class Forwarding:
    """One attempt at a request.

    `watch` is called with what comes of the answer, `count` with the whole one before the program
    hears that it is whole.
    """

    model: HttpModel
    exchange: Exchange
    asked: Asked
    watch: Callable[[Delta], None]
    count: Callable[[Turn], Awaitable[None]]
    _said: _Said | None = field(default=None, init=False)
    _course: Course = field(init=False)
    _counted: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._course = Course(self.model.wire.answer(), time())

    def spent(self, error: BaseException) -> Usage:
        """What the call used, although it failed so or was left; nothing that was counted."""
        return Usage() if self._counted else self._course.spent(error, self.model.price)

    async def run(self) -> None:
        """Ask the provider, and pass its answer on. Raises `ModelError`."""
        model, asked = self.model, self.asked
        key = await model.key.get()
        secret = secret_of(key)
        path, headers = _address(model, key, asked)
        silence = None if asked.body.streamed else model.provider.stall_seconds
        async with model.http.post(
            model.provider, path, asked.body.content, headers, silence
        ) as response:
            heard = _heard(response, secret)
            if response.status != _OK:
                content = _without(await response.some(), secret)
                error = from_response(response.status, response.headers, content)
                if error.failure == "auth":
                    model.key.doubt()  # and its words may quote a part of the key
                else:
                    self._said = _Said(response.status, heard, content)
                raise error
            self._course.answered = True
            if asked.counts:
                self.exchange.answer(_OK, heard, _without(await response.some(), secret))
            else:
                await self._pass_on(response, heard, secret)

    def fail(self) -> bool:
        """Give a failure to the program in the provider's words; False where it had none."""
        exchange, said = self.exchange, self._said
        if exchange.begun:
            # What has come is no whole answer; an error that the stream told of ends it properly.
            if said is not None:
                exchange.send(said.content)
                exchange.end()
        elif said is not None:
            exchange.answer(said.status, said.headers, said.content)
        return exchange.begun

    async def _pass_on(self, response: Response, heard: dict[str, str], secret: str | None) -> None:
        model, body = self.model, self.asked.body
        streamed = _is_stream(response, self.asked)
        api, course = model.provider.api, self._course
        reading = Reading(api, course.answer, secret, streamed=streamed, told=body.told)
        held = b""  # what tells the program that the answer is whole
        async with aclosing(self._pieces(response, reading)) as pieces:
            async for piece in pieces:
                if piece.error is not None:
                    self._said = _Said(_OK, heard, piece.data)
                    raise piece.error
                if reading.done or not streamed:
                    held += piece.data
                elif piece.data:
                    self.exchange.pass_on(_OK, heard, piece.data)
                for delta in piece.deltas:
                    course.heard = True
                    self.watch(delta)
        course.ended = True
        turn = reading.turn()
        if secret is not None:
            turn = hiding(turn, secret)
        turn = self.model.priced(turn, course.at)
        self._counted = True
        await self.count(turn)
        self.exchange.pass_on(_OK, heard, held)
        self.exchange.end()

    async def _pieces(self, response: Response, reading: Reading) -> AsyncGenerator[Piece, None]:
        stall = self.model.provider.stall_seconds
        heard = monotonic()
        async for data in response.pieces:
            for piece in reading.feed(data):
                if piece.deltas:
                    heard = monotonic()
                yield piece
            if reading.done:
                break
            if monotonic() - heard > stall:
                detail = f"nothing but signs of life for {stall:g} s"
                raise ModelError("broken_stream", "the stream stalled", detail)
        for piece in reading.rest():
            yield piece


def headers_of(head: h11.Request) -> dict[str, str]:
    """The headers of a request that go along."""
    found: dict[str, str] = {}
    for name, value in head.headers:
        text = value.decode("latin-1")
        if name.decode("ascii") in _ASKED and _PLAIN.fullmatch(text):
            found[name.decode("ascii")] = text
    return found


def _address(model: HttpModel, key: str | None, asked: Asked) -> tuple[str, dict[str, str]]:
    """(path below the provider's address, headers with the key) as the adapter has them."""
    request = model.wire.request(Ask(model.provider, model.name, key, (), ()))
    path = request.path
    if model.provider.api == "gemini" and (asked.counts or not asked.body.streamed):
        verb = "countTokens" if asked.counts else "generateContent"
        path = f"{path.partition(':streamGenerateContent')[0]}:{verb}"
    elif asked.counts:
        path = f"{path}/count_tokens"
    accept = "text/event-stream" if asked.body.streamed else "application/json"
    return path, {"Accept": accept, **request.headers, **asked.headers}


def _heard(response: Response, secret: str | None) -> dict[str, str]:
    """The headers of an answer that go along."""
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        lower = name.lower()
        if (lower in _HEARD or lower.startswith(_LIMITS)) and _PLAIN.fullmatch(value):
            found[lower] = value.replace(secret, HIDDEN) if secret else value
    return found


def _is_stream(response: Response, asked: Asked) -> bool:
    """Whether the answer is a stream; servers do not always do as they are asked."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return {"text/event-stream": True, "application/json": False}.get(kind, asked.body.streamed)


def _without(content: bytes, secret: str | None) -> bytes:
    return content.replace(secret.encode(), HIDDEN.encode()) if secret else content
