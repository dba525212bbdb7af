"""Asking a model of the scripted server in any of the four formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.types import (
    Api,
    Delta,
    KeySource,
    Message,
    ModelError,
    Provider,
    ToolSchema,
    Turn,
)
from engine.money import Price
from tests.support.model_server import Fault, ModelServer, Say

ASK = (Message("system", "Be brief."), Message("user", "Go."))
TOOLS = (
    ToolSchema("bash", "Run.", {"type": "object", "properties": {"command": {"type": "string"}}}),
    ToolSchema("submit", "End.", {"type": "object", "properties": {}}),
)


async def ask(
    server: ModelServer,
    api: Api,
    messages: Sequence[Message] = ASK,
    price: Price | None = None,
    **more: Any,
) -> list[Delta]:
    """What one question gives. `more` goes into the provider."""
    provider = replace(Provider("local", server.url(api), api=api), **more)
    http = HttpClient()
    try:
        model = HttpModel(http, provider, "tiny", price)
        return [delta async for delta in model.ask(messages, TOOLS)]
    finally:
        await http.close()


async def turn_of(server: ModelServer, api: Api, **more: Any) -> Turn:
    """The whole answer to one question."""
    last = (await ask(server, api, **more))[-1]
    assert isinstance(last, Turn)
    return last


async def failure(api: Api, step: Say | Fault, **more: Any) -> ModelError:
    """How one question fails."""
    with ModelServer([step]) as server, pytest.raises(ModelError) as caught:
        await ask(server, api, **more)
    return caught.value


def key_in(variable: str) -> KeySource:
    """A key from the environment."""
    return KeySource(env=variable)
