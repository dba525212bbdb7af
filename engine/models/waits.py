"""How long a provider asks to wait: in a header, in the error's details, or only in words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[hms])")
_SAID = re.compile(r"(?:retry|try again) in ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)", re.IGNORECASE)


def wait_of(headers: Mapping[str, str], data: Any, text: str) -> float | None:
    """Seconds that the provider asks to wait, or None. Headers go first, then details, then words.

    `data` is the error's body as JSON, `text` its message.
    """
    found = retry_after(headers)
    if found is None:
        found = _retry_delay(data)
    if found is None and (said := _SAID.search(text)):
        found = duration(said[1])
    return found


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


def duration(text: str) -> float | None:
    """Seconds of a duration such as "45.8s", "6m0s" or "250ms"; None for anything else."""
    parts = _PART.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        return None
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return seconds if math.isfinite(seconds) else None


def _retry_delay(data: Any) -> float | None:
    """What Google says in `error.details[].retryDelay`."""
    if isinstance(data, list) and data:
        data = data[0]
    error = data.get("error") if isinstance(data, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else []:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and (found := duration(delay)) is not None:
            return found
    return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0.0 else None
