"""Reading requests and writing answers: bounded, checked, and refused in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

_LONGEST_WORD = 1000


class BadRequestError(ValueError):
    """A request that does not fit; the message names the part, its value and the remedy."""


async def object_of(request: Request) -> dict[str, Any]:
    """The JSON object that the body is. Raises `BadRequestError`, as all of these do."""
    try:
        data = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadRequestError("the body must be a JSON object")
    return data


def word(body: Mapping[str, Any], name: str) -> str:
    """A text of the body, or ""."""
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        raise BadRequestError(f"{name} must be text of at most {_LONGEST_WORD} characters")
    return value


def dry(request: Request) -> bool:
    """Whether nothing shall be changed."""
    return flag(request, "dry_run")


def flag(request: Request, name: str) -> bool:
    """Whether a query parameter is set."""
    return request.query_params.get(name, "0") not in ("", "0", "false")


def number(request: Request, name: str, default: int) -> int:
    """A whole number of the query."""
    return whole(request.query_params.get(name, str(default)), name)


def whole(text: str, name: str) -> int:
    """`text` as a number, 0 or more."""
    if not text.isascii() or not text.isdigit():
        raise BadRequestError(f"{name} = {text!r} must be a whole number, 0 or more")
    return int(text)


def as_json(value: Any, status: int = 200) -> Response:
    """An answer of any record."""
    return as_is(msgspec.json.encode(value), status)


def as_is(data: bytes, status: int = 200) -> Response:
    """An answer that is JSON already."""
    return Response(data, status, media_type="application/json")
