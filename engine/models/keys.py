"""Keys of providers: read when a call needs one, kept in memory only, never written or shown."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from engine.models.types import Carried, KeySource, ModelError, ToolCall, Turn

HIDDEN = "[key]"  # what stands where a key stood
_COMMAND_SECONDS = 30.0
_FRESH_SECONDS = 300.0  # a key from a file or a command is looked up again after this
_SECRET_LENGTH = 8  # "none", "test" or "EMPTY", as servers without keys are given, are no secrets


class KeyMissingError(ValueError):
    """A key that cannot be had; the message says where it was looked for and what to do."""


class CurrentKey:
    """A provider's key as it is now."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._key: str | None = None
        self._read: float | None = None

    async def get(self) -> str | None:
        """The key, None where none is needed. Raises `ModelError` where it cannot be had."""
        if self._read is None or monotonic() - self._read > _FRESH_SECONDS:
            try:
                self._key = await asyncio.to_thread(read_key, self._source)
            except KeyMissingError as error:
                raise ModelError("auth", "no key", str(error)) from None
            self._read = monotonic()
        return self._key

    def doubt(self) -> None:
        """The provider refused it: look it up again before the next call, it may be mended."""
        self._read = None


def read_key(source: KeySource) -> str | None:
    """The key, or None when the provider needs none. Raises `KeyMissingError`.

    A file or a command's output counts without white space around it. May run a command, so it
    belongs on a thread.
    """
    if source.env is not None:
        return _sound(os.environ.get(source.env), f"the environment variable {source.env}")
    if source.file is not None:
        path = Path(source.file).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise KeyMissingError(f"the key file {path} cannot be read: {why}") from None
        return _sound(text, f"the key file {path}")
    if source.command:
        return _sound(_output(source.command), f"the key command {source.command[0]}")
    return None


def secret_of(key: str | None) -> str | None:
    """What must not be stored or shown; None for a key so short that it can be no secret.

    A placeholder such as "test" would otherwise be cut out of every answer that has the word.
    """
    return key if key is not None and len(key) >= _SECRET_LENGTH else None


def hiding(turn: Turn, secret: str) -> Turn:
    """The turn without the key: one that came in pieces shows only when they are put together."""

    def hide(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(secret, HIDDEN)
        if isinstance(value, list):
            return [hide(item) for item in value]
        if isinstance(value, dict):
            return {hide(key): hide(item) for key, item in value.items()}
        return value

    carried = turn.carried
    return replace(
        turn,
        text=hide(turn.text),
        reasoning=hide(turn.reasoning),
        tool_calls=tuple(
            ToolCall(hide(c.id), hide(c.name), hide(c.arguments)) for c in turn.tool_calls
        ),
        carried=carried and Carried(carried.api, tuple(hide(i) for i in carried.items)),
    )


def _output(command: tuple[str, ...]) -> str:
    # What the command prints may be the key or a part of it: none of it goes into a message.
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise KeyMissingError(
            f"the key command {command[0]} took more than {_COMMAND_SECONDS:.0f} s"
        ) from None
    except OSError as error:
        raise KeyMissingError(f"the key command {command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise KeyMissingError(f"the key command {command[0]} ended with code {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def _sound(text: str | None, where: str) -> str:
    key = (text or "").strip()
    if not key:
        raise KeyMissingError(f"{where} holds no key")
    if not key.isascii() or not key.isprintable():
        raise KeyMissingError(f"what {where} holds is no key: it has characters that none has")
    return key
