"""The conversation as the messages that a model is asked with, folded from a session's entries.

A `summary` entry takes the place of all that was said between the task and it. Nothing of a turn
before it is sent as a turn any more: an API that signs its thinking binds the signature to what
stood before, so a turn is either sent where it stood or told in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.entries import Entry
from engine.models.types import Carried, Message, ToolCall


class Conversation:
    """The messages of a growing list of entries; each entry is looked at once."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._head: list[Message] = []  # the system's words and the task
        self._taken = 0
        self._asked: set[str] = set()  # a result that no call asked for (keystrokes) is no message

    def of(self, entries: Sequence[Entry]) -> list[Message]:
        """The messages, given all entries: those of the last time and what came after them."""
        for entry in entries[self._taken :]:
            self._take(entry)
        self._taken = len(entries)
        return list(self._messages)

    def _take(self, entry: Entry) -> None:
        match entry["kind"]:
            case "system":
                self._messages.append(Message("system", entry["text"]))
            case "user":
                self._hear(entry["text"])
            case "summary":
                self._messages = list(self._head)
                self._asked = set()
                self._hear(entry["text"])
            case "assistant":
                self._answer(entry)
            case "tool" if entry["call"] in self._asked:
                self._messages.append(Message("tool", entry["output"], call=entry["call"]))

    def _hear(self, text: str) -> None:
        if self._messages and self._messages[-1].role == "user":
            # Some servers take no two messages in a row from the same side.
            self._messages[-1] = Message("user", f"{self._messages[-1].text}\n\n{text}")
        else:
            self._messages.append(Message("user", text))
        self._head = self._head or list(self._messages)

    def _answer(self, entry: Entry) -> None:
        calls = tuple(ToolCall(c["id"], c["name"], c["arguments"]) for c in entry["tool_calls"])
        self._asked = {call.id for call in calls}
        text, carried = entry["text"], entry.get("carried")
        if not text.strip() and not calls and entry.get("stop") != "pause":
            # Cut off while it thought, or empty. No API takes thinking back that nothing follows,
            # and some refuse an answer without content.
            return
        self._messages.append(
            Message(
                "assistant",
                text,
                entry["reasoning"],
                calls,
                carried=Carried(carried["api"], tuple(carried["items"])) if carried else None,
            )
        )


def conversation(entries: Sequence[Entry]) -> list[Message]:
    """The entries as messages for a model; the engine's own notes are left out."""
    return Conversation().of(entries)


def weight(messages: Sequence[Message]) -> int:
    """How many characters messages have, with what an API wants back of them."""
    return sum(
        len(m.text)
        + len(m.reasoning)
        + sum(len(c.name) + len(c.arguments) for c in m.tool_calls)
        + (len(msgspec.json.encode(m.carried.items)) if m.carried else 0)
        for m in messages
    )


def carried_fields(carried: Carried | None) -> dict[str, Any]:
    """The field of an `assistant` entry that `Conversation` reads it from; none for nothing."""
    if carried is None:
        return {}
    return {"carried": {"api": carried.api, "items": carried.items}}
