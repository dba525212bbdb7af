"""What a failed model call means, for every API, in one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.models.storable import clean
from engine.models.types import Failure, ModelError
from engine.models.waits import wait_of

_IN_STREAM = 0  # the status of an error that came inside a good answer and states none
_DETAIL_LENGTH = 400


@dataclass(frozen=True, slots=True)
class _Rule:
    """One row: it fits when the status is listed (or none is) and a word occurs (or none is).

    `codes` are looked for in what the provider gives as codes, types and statuses, `phrases` in
    the message for people; both in lower case.
    """

    failure: Failure
    cause: str
    statuses: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()

    def fits(self, status: int, code: str, text: str) -> bool:
        if self.statuses and status not in self.statuses:
            return False
        if not self.codes and not self.phrases:
            return True
        return any(c in code for c in self.codes) or any(p in text for p in self.phrases)


# The first row that fits counts. What must not be tried again comes before the rows that look at
# the status alone: providers say "no money left" and "slow down" with the same 429.
_RULES = (
    _Rule("quota", "no credit", (402,)),
    _Rule(
        "quota",
        "no credit",
        (400, 403, 412, 429, _IN_STREAM),
        (
            "insufficient_quota",
            "exceeded_current_quota",
            "usage_limit_exceeded",
            "spend_limit",
            "credit_balance",
            "billing_error",
            "billing_hard_limit",
            "billing_not",
            "billing_disabled",
            "insufficient_balance",
            "not_billable",
            "arrearage",
            "perday",
        ),
        (
            "insufficient balance",
            "insufficient credits",
            "credit balance is too low",
            "reached your specified api usage limits",
            "spend limit",
            "spending limit",
            "key limit exceeded",
        ),
    ),
    _Rule(
        "context",
        "the conversation exceeds the model's context",
        (400, 422, 500, _IN_STREAM),
        ("context_length_exceeded", "contextwindowexceeded", "exceed_context_size"),
        (
            "context length",
            "context_length",
            "context window",
            "contextwindowexceeded",
            "prompt is too long",
            "maximum context",
            "range of input length",
            "input token count",
            "exceeds the maximum number of tokens",
            "context limit",
            "context size",
            "input is too long",
            "maximum prompt length",
            "reduce the length of the messages",
        ),
    ),
    # Too many bytes, or more tokens at once than the account may ever send: less of it helps.
    _Rule("context", "the request is too large", (413,)),
    _Rule(
        "context",
        "the request is too large",
        (429, _IN_STREAM),
        (),
        ("request too large", "must be reduced in order to run"),
    ),
    _Rule(
        "content_filter",
        "the provider's filter stopped the request",
        (400, 403, 422, 451, _IN_STREAM),
        (
            "content_filter",
            "content_policy",
            "cyber_policy",
            "bio_policy",
            "misalignment_policy",
            "moderation",
            "safety",
            "prohibited_content",
            "data_inspection_failed",
        ),
        (
            "content policy",
            "content filter",
            "content exists risk",
            "flagged by moderation",
            "violating our usage policy",
        ),
    ),
    _Rule("auth", "key refused", (400,), ("api_key_invalid",), ("api key not valid",)),
    _Rule("auth", "not authorised", (401,)),
    _Rule("auth", "forbidden", (403,)),
    _Rule("bad_request", "not found", (404,)),
    _Rule("rate_limit", "rate limit", (429,)),
    _Rule("overload", "overloaded", (503, 529)),
    _Rule("network", "timeout", (408, 504)),
    _Rule("server", "conflict", (409, 425)),
    _Rule("bad_request", "bad request", tuple(range(300, 500))),
    _Rule("server", "server error", tuple(range(500, 600))),
    # From here on: inside a stream, where only words are left.
    _Rule(
        "auth",
        "not authorised",
        (),
        ("authentication_error", "permission_error", "invalid_api_key"),
    ),
    _Rule(
        "rate_limit", "rate limit", (), ("rate_limit", "resource_exhausted", "too_many_requests")
    ),
    _Rule("overload", "overloaded", (), ("overloaded", "unavailable", "slow_down")),
    _Rule(
        "bad_request",
        "bad request",
        (),
        (
            "invalid_request",
            "invalid_prompt",
            "not_found",
            "data_residency_mismatch",
        ),
    ),
    _Rule("server", "the stream reported an error"),
)


def from_response(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """The failure that an HTTP error response stands for."""
    text = body.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = text
    return _classify(status, headers, data)


def from_stream(error: Any) -> ModelError:
    """The failure that an `error` object inside a 200 stream stands for."""
    code = error.get("code") if isinstance(error, Mapping) else None
    try:
        status = int(str(code))
    except ValueError:
        status = _IN_STREAM
    return _classify(status if 400 <= status < 600 else _IN_STREAM, {}, {"error": error})


def _classify(status: int, headers: Mapping[str, str], data: Any) -> ModelError:
    detail, code = _read(data)
    words = code.lower(), detail.lower()
    rule = next((r for r in _RULES if r.fits(status, *words)), _RULES[-1])
    cause = f"{status} {rule.cause}" if status and rule.failure != "context" else rule.cause
    if rule.failure == "rate_limit" and headers.get("x-should-retry", "").lower() == "false":
        return ModelError("quota", f"{cause} for good", detail[:_DETAIL_LENGTH])
    wait = wait_of(headers, data, detail)
    return ModelError(rule.failure, cause, detail[:_DETAIL_LENGTH], wait)


def _read(data: Any) -> tuple[str, str]:
    """(what the provider said, its codes) from any of the error shapes seen in the wild."""
    if isinstance(data, list) and data:
        data = data[0]  # Google wraps errors of a stream in a list
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return clean(str(error)), clean(str(error))
    said = str(error.get("message") or error.get("detail") or json.dumps(data))
    metadata = error.get("metadata")  # where OpenRouter puts what its own provider said
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
        said = f"{said}: {metadata['raw']}"
    codes = [str(error.get(key) or "") for key in ("code", "type", "status")]
    codes += _deep_codes(error.get("details"))
    return clean(said), clean(" ".join(codes))


def _deep_codes(details: Any) -> list[str]:
    """The codes that Anthropic and Google put below `details`."""
    if isinstance(details, dict):
        return [str(details.get("error_code") or ""), str(details.get("reason") or "")]
    found = []
    for detail in details if isinstance(details, list) else []:
        if not isinstance(detail, dict):
            continue
        found.append(str(detail.get("reason") or ""))
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else []:
            if isinstance(violation, dict):
                found.append(str(violation.get("quotaId") or ""))
    return found
