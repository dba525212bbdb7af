"""What is said to a model when its conversation is compacted. Part of a harness's wording."""

from __future__ import annotations

from pathlib import Path

from engine.models.types import Message

_SYSTEM = (
    "You are in the middle of a long session of work, and its conversation no longer fits. Before "
    "it is cut you write down what you need to go on."
)
_CHARS_PER_WORD = 6


def notes_request(task: str, notes: str, record: str, more: bool, chars: int) -> list[Message]:
    """Ask for notes of at most `chars` characters on a record, or on a part of one.

    `notes` are those on what came before the record; `more` says that another part follows.
    """
    asked = Path(__file__).with_name("notes_request.md").read_text("utf-8").strip()
    asked = asked.replace("{words}", str(max(1, chars // _CHARS_PER_WORD)))
    parts = [f"The task, as you were given it:\n\n<task>\n{task.strip()}\n</task>"]
    if notes:
        parts.append(
            "Your notes on what came before. Whatever of them still holds belongs into the new "
            f"ones:\n\n<notes>\n{notes}\n</notes>"
        )
    whole = "The next part of the record" if more else "The record"
    parts.append(f"{whole} of your session:\n\n<record>\n{record}\n</record>")
    parts.append(asked)
    return [Message("system", _SYSTEM), Message("user", "\n\n".join(parts))]


def from_notes(notes: str, told: str, steps: str) -> str:
    """What takes the conversation's place: notes, what was told, the newest steps."""
    return (
        "[context] Your conversation had become too long. These are your own notes on it; nothing "
        f"else has changed.\n\n<notes>\n{notes}\n</notes>{_kept(told)}\n\nYour newest steps, as "
        f"they were:\n\n<record>\n{steps}\n</record>\n\nGo on from there."
    )


def from_record(record: str) -> str:
    """What takes the conversation's place when nothing but old output was left out of it."""
    return (
        "[context] Your conversation had become too long. This is its record, with the output of "
        f"older steps left out; nothing else has changed.\n\n<record>\n{record}\n</record>\n\nGo "
        "on from there."
    )


def from_steps(told: str, steps: str) -> str:
    """What takes the conversation's place when no notes on it could be had."""
    return (
        "[context] Your conversation had become too long, and there are no notes on its older "
        f"part; look at your files before you change them.{_kept(told)}\n\nYour newest steps, as "
        f"they were:\n\n<record>\n{steps}\n</record>\n\nGo on from there."
    )


def _kept(told: str) -> str:
    return f"\n\nWhat you were told meanwhile, word for word:\n\n{told}" if told else ""
