"""Keys of providers: read when a call needs one, kept in memory only, never written or shown."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from engine.models.types import KeySource

_COMMAND_SECONDS = 30.0


class KeyMissingError(ValueError):
    """A key that cannot be had; the message says where it was looked for and what to do."""


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
