"""What a failed model call means: try again, give up, or end the session."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from engine.models.types import ModelError

_RETRY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_NO_MORE_MONEY = ("insufficient_quota", "billing", "enforced_spend_limit_reached", "credit")
_TOO_LONG = (
    "context_length_exceeded",
    "context length",
    "context window",
    "contextwindowexceeded",
    "exceed_context_size",
    "prompt is too long",
    "maximum context",
)
_REFUSED = ("content_filter", "content_policy", "safety")
_CAUSES = {
    400: "bad request",
    401: "not authorised",
    402: "no credit",
    403: "forbidden",
    404: "not found",
    408: "timeout",
    429: "rate limit",
    529: "overloaded",
}
_DETAIL_LENGTH = 400


def from_response(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """The failure that an HTTP error response stands for."""
    detail, code = _read(body)
    text = f"{code} {detail}".lower()
    cause = f"{status} {_CAUSES.get(status, 'server error' if status >= 500 else 'error')}"
    if status == 429 and any(word in text for word in _NO_MORE_MONEY):
        return ModelError("fatal", f"{status} no credit", detail)
    if status in (400, 413, 422, 500) and any(word in text for word in _TOO_LONG):
        return ModelError("context", "the conversation exceeds the model's context", detail)
    if status == 400 and any(word in text for word in _REFUSED):
        return ModelError("refusal", "the provider refused the request", detail)
    if status in _RETRY_STATUS or status >= 500:
        return ModelError("retry", cause, detail, retry_after(headers))
    return ModelError("fatal", cause, detail)


def from_stream(error: Any) -> ModelError:
    """The failure that an `error` object inside a 200 stream stands for."""
    body = json.dumps({"error": error}).encode()
    code = error.get("code") if isinstance(error, Mapping) else None
    try:
        status = int(str(code))
    except ValueError:
        status = 0
    if 400 <= status < 600:
        return from_response(status, {}, body)
    text = body.decode().lower()
    detail, _ = _read(body)
    if any(word in text for word in _TOO_LONG):
        return ModelError("context", "the conversation exceeds the model's context", detail)
    return ModelError("retry", "the stream reported an error", detail)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from `retry-after-ms` or `retry-after`, or None."""
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(lowered.get(name, ""))
        if seconds is not None:
            return seconds / scale
    try:
        moment = parsedate_to_datetime(lowered.get("retry-after", ""))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0.0 else None


def _read(body: bytes) -> tuple[str, str]:
    """(what the provider said, its code) from any of the error shapes seen in the wild."""
    text = body.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except ValueError:
        return clean(text)[:_DETAIL_LENGTH], ""
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return clean(str(error))[:_DETAIL_LENGTH], ""
    said = error.get("message") or error.get("detail") or text
    code = f"{error.get('code') or ''} {error.get('type') or ''}".strip()
    return clean(str(said))[:_DETAIL_LENGTH], code


def clean(text: str) -> str:
    """Text that UTF-8 can carry: halves of surrogate pairs become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
