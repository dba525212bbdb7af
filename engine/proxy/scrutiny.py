"""What of a program's request goes on to the provider.

The body is the program's and goes on as it is, but for these: the model is the session's, a stream
says what it used, and the operator's own settings are laid over it. Whatever would make the
provider itself act outside of the sandbox (search the web, fetch an address, run code) or ask
another model is refused, since the sandbox has no network for a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from engine.models.types import Api
from engine.models.wire import dict_of, dicts, merged

_MOST_BRACKETS = 1_000_000  # of a body: what is small on the wire and large in memory,
_MOST_IN_ONE = 100_000  # and of one message, which is looked at in one go
_DEEPEST = 100
_CONVERSATION = (
    *("messages", "input", "contents"),
    *("system", "instructions", "system_instruction", "systemInstruction"),
)
# Keys at the top of a body by which servers and translators ask other models, go elsewhere, or
# work on when the answer is over (and uncounted).
_FORBIDDEN = frozenset(
    (
        *("api_base", "api_key", "background", "base_url", "conversation", "fallbacks"),
        *("mcp_servers", "models", "plugins", "prompt", "route", "user_config"),
        *("web_search_options", "extra_body", "extra_headers"),
    )
)
# What costs another price than the one that is counted; what is listed costs that or less.
_USUAL: Mapping[str, tuple[str, ...]] = {
    "service_tier": ("auto", "default", "flex", "standard", "standard_only"),
    "speed": ("standard",),
}
# Tools that the program carries out by itself; every other kind is the provider's.
_OWN_TOOLS: Mapping[Api, frozenset[str]] = {
    "chat": frozenset(("function", "custom")),
    "responses": frozenset(("function", "custom", "local_shell", "apply_patch")),
    "anthropic": frozenset(("", "custom", "bash", "text_editor", "computer", "memory")),
    "gemini": frozenset(("functionDeclarations", "function_declarations")),
}
# Where a part of a message names an address that the provider would fetch.
_ADDRESSES = (
    *("url", "uri", "image_url", "file_url", "fileUri", "file_uri"),
    *("video_url", "audio_url"),
)
# What a part carries for the program and its model alone.
_OPAQUE = frozenset(("input", "arguments", "args", "response", "annotations", "citations"))


class ForbiddenError(ValueError):
    """A request that does not go on; the message names the part and the remedy."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A body as it goes on. `told` is whether only we want to hear what a stream used."""

    content: bytes
    streamed: bool
    told: bool = False


def passed(
    api: Api, content: bytes, name: str, over: Mapping[str, Any], *, streamed: bool, counts: bool
) -> Passed:
    """A program's body as it goes on to the provider. Raises `ForbiddenError`.

    `over` is laid over it, `streamed` is what the path says (only Gemini's does), and with `counts`
    it asks for a count of tokens instead of an answer.
    """
    _bounded(content, "the body", _MOST_BRACKETS)
    body = _object(content)
    for key in body:
        if key in _FORBIDDEN or (api != "gemini" and key.lower() != key):
            raise ForbiddenError(f"{key[:80]!r} cannot be asked for in a sandbox; leave it out")
    for key, usual in _USUAL.items():
        if key in body and (value := _read(body[key], key)) not in (None, *usual):
            raise ForbiddenError(
                f"{key} = {str(value)[:80]!r} has a price of its own; leave it out"
            )
    _look_at_tools(api, body)
    for key in _CONVERSATION:
        if key in body:
            for message in _items(body[key], key):
                _look_at_parts(_read(message, key), key)
    told = False
    if api != "gemini":
        body["model"] = _raw(name)
        streamed = not counts and _flag(body, "stream")
    if api == "chat" and streamed:
        options = dict_of(_read(body.get("stream_options", _raw(None)), "stream_options"))
        told = options.get("include_usage") is not True
        body["stream_options"] = _raw({**options, "include_usage": True})
    if not counts:
        _lay(body, over)
    return Passed(msgspec.json.encode(body), streamed, told)


def _object(content: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ForbiddenError(f"the body is no JSON object: {error}") from error


def _bounded(data: bytes | msgspec.Raw, what: str, most: int) -> None:
    content = bytes(data)
    if content.count(b"{") + content.count(b"[") > most:
        raise ForbiddenError(f"{what} has more than {most} brackets; send less of it")


def _items(raw: msgspec.Raw, key: str) -> list[msgspec.Raw]:
    """The messages of a conversation, none of them read yet; one text is a single one."""
    if not bytes(raw).lstrip().startswith(b"["):
        return [raw]
    try:
        return msgspec.json.decode(raw, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ForbiddenError(f"{key!r} of the body cannot be read: {error}") from error


def _read(raw: msgspec.Raw, key: str) -> Any:
    _bounded(raw, f"one part of {key!r}", _MOST_IN_ONE)
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ForbiddenError(f"{key!r} of the body cannot be read: {error}") from error


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _flag(body: Mapping[str, msgspec.Raw], key: str) -> bool:
    """A flag that no server may read otherwise than we do."""
    value = _read(body.get(key, _raw(None)), key)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ForbiddenError(f"{key!r} of the body is {str(value)[:80]!r}; it must be true or false")


def _lay(body: dict[str, msgspec.Raw], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and key in body:
            there = _read(body[key], key)
            value = merged(there, value) if isinstance(there, dict) else value  # noqa: PLW2901
        body[key] = _raw(value)


def _look_at_tools(api: Api, body: Mapping[str, msgspec.Raw]) -> None:
    for kind in _kinds_of_tools(api, body):
        if kind not in _OWN_TOOLS[api]:
            raise ForbiddenError(
                f"the tool {kind[:80]!r} is carried out by the provider, outside of the sandbox; "
                "switch it off in the agent's settings"
            )


def _kinds_of_tools(api: Api, body: Mapping[str, msgspec.Raw]) -> Iterator[str]:
    tools = _read(body.get("tools", _raw(None)), "tools")
    if tools is None:
        return
    if not isinstance(tools, list) or len(dicts(tools)) < len(tools):
        raise ForbiddenError("'tools' of the body is no list of objects")
    for tool in tools:
        match api:
            case "gemini":
                yield from tool
            case "anthropic":
                # "bash_20250124": the date is the version, and what comes before it the tool.
                yield str(tool.get("type") or "").rstrip("0123456789").rstrip("_")
            case _:
                yield str(tool.get("type"))


def _look_at_parts(value: Any, key: str, depth: int = 0) -> None:
    """Refuse a part of the conversation that the provider would have to fetch."""
    if depth > _DEEPEST:
        raise ForbiddenError(f"{key!r} of the body is nested more than {_DEEPEST} deep")
    if isinstance(value, list):
        for item in value:
            _look_at_parts(item, key, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in _ADDRESSES and isinstance(item, str) and not item.startswith("data:"):
                raise ForbiddenError(
                    f"{name!r} in {key!r} names an address ({item[:80]!r}) that the provider would "
                    "fetch; send the content itself"
                )
            if name not in _OPAQUE:
                _look_at_parts(item, key, depth + 1)
