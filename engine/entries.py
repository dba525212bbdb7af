"""What stands in a conversation's entries, whoever wrote them. Pure.

An entry is a plain dictionary, `{"n", "at", "kind", ...}`; agents and tools fill it, so any field
may be missing or of another kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Entry = dict[str, Any]


def calls_of(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tool calls of an answer; what stands there and is none is left out."""
    found = entry.get("tool_calls")
    return [call for call in found if isinstance(call, Mapping)] if isinstance(found, list) else []


def arguments_of(call: Mapping[str, Any]) -> object:
    """What a tool was called with: an object, or what stands there where it cannot be read as one.

    A model writes them as JSON text, and may write anything.
    """
    found = call.get("arguments")
    if not isinstance(found, str):
        return found
    try:
        read = json.loads(found)
    except (ValueError, RecursionError):
        return found
    return read if isinstance(read, dict) else found
