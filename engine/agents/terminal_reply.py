"""What a model in the terminal loop answers: JSON with keystrokes, in terminus-2's protocol."""

from __future__ import annotations

import json
import math

import msgspec

_MOST_TRIES = 50  # at braces that may begin the object


class Command(msgspec.Struct, frozen=True):
    """Keystrokes and how many seconds to wait after them (None: as long as usual)."""

    keystrokes: str
    duration: float | None = None


class Reply(msgspec.Struct, frozen=True):
    """One answer of the model. Fields that the protocol does not have are let be."""

    analysis: str
    plan: str
    commands: tuple[Command, ...]
    task_complete: bool = False


class ReplyError(ValueError):
    """An answer that is no `Reply`; the message says why, for the model."""


def read_reply(answer: str) -> Reply:
    """The reply in an answer; text around the JSON object is let be. Raises `ReplyError`."""
    decoder = json.JSONDecoder(strict=False)  # models write newlines inside strings
    problem, at = "", answer.find("{")
    for _ in range(_MOST_TRIES):
        if at < 0:
            break
        try:
            found, end = decoder.raw_decode(answer, at)
            return _sound(msgspec.convert(found, Reply, strict=False))
        except msgspec.ValidationError as error:
            problem = problem or f"the JSON object does not fit: {error}"
        except (ValueError, RecursionError) as error:
            problem, end = problem or f"the JSON object is broken: {error}", at + 1
        at = answer.find("{", end)
    raise ReplyError(problem or "there is no JSON object in it")


def _sound(reply: Reply) -> Reply:
    """Without halves of characters and times that are no numbers, which JSON lets through."""
    commands = tuple(
        Command(
            command.keystrokes.encode("utf-8", "replace").decode(),
            command.duration if math.isfinite(command.duration or 0.0) else None,
        )
        for command in reply.commands
    )
    return msgspec.structs.replace(reply, commands=commands)
