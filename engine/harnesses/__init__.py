"""Harnesses: presets as data. A preset says which loop asks the model, how, and what it may see."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

DEFAULT = "minimal"


class HarnessError(ValueError):
    """A harness that does not exist or cannot be read; the message names it and the remedy."""


class Harness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One preset.

    `feedback` is what the model sees of the verifier: nothing. `system` is the system prompt;
    `{workdir}`, `{budget}` and `{editable}` in it are filled in. `nudge` is said when an answer
    holds no tool call; after `nudges` of them in a row the session is taken as ended by its agent.
    `output_chars` is how much of a command's output a model sees. `hash` stands for the preset's
    whole content.
    """

    name: str
    description: str
    loop: Literal["tools"]
    feedback: Literal["sealed"]
    tools: tuple[str, ...]
    system: str
    nudge: str
    nudges: int = 2
    command_timeout_sec: float = 300.0
    command_timeout_max_sec: float = 1800.0
    output_chars: int = 16_000
    hash: str = ""


def names() -> list[str]:
    """The presets that there are."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load(name: str) -> Harness:
    """Read a preset. Raises `HarnessError`."""
    if name not in names():
        raise HarnessError(f"there is no harness {name!r}; use one of {', '.join(names())}")
    data = (_folder() / f"{name}.toml").read_bytes()
    try:
        table = {"name": name, **tomllib.loads(data.decode())}
        harness = msgspec.convert(table, Harness)
    except (ValueError, msgspec.ValidationError) as error:
        raise HarnessError(f"the harness {name} cannot be read: {error}") from error
    return msgspec.structs.replace(harness, hash=hashlib.sha256(data).hexdigest())


def _folder() -> Path:
    return Path(__file__).parent
