"""What a `test.sh` left in /logs/verifier, read as a stranger's: by descriptor, bounded, checked.

reward.json comes first, as in Harbor; reward.txt must then say the same.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CAP = 64 << 10
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_SAME = 1e-3  # public tasks round one of the two to four digits


class RewardError(ValueError):
    """There is a reward that cannot be used; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class Stated:
    """The reward in [0, 1] that the task's own test.sh gave, and all else that it said."""

    reward: float
    fields: Mapping[str, Any]

    def number(self, name: str) -> float | None:
        """A field that is a finite number, or None."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            found = float(value)
        except OverflowError:
            return None
        return found if math.isfinite(found) else None

    @property
    def correct(self) -> bool | None:
        """Whether the task calls the artifact correct; None when it does not say."""
        value = self.fields.get("correctness")
        return value if isinstance(value, bool) else None

    @property
    def why(self) -> str:
        """The reason that the task gave, or an empty string."""
        for name in ("reason", "error", "detail"):
            value = self.fields.get(name)
            if isinstance(value, str) and value:
                return value[:200]
        return ""


def read(logs: Path) -> Stated | None:
    """The reward below `logs`/verifier, whose processes are all gone; None where there is none.

    Raises `RewardError`.
    """
    try:
        folder = _inner(logs)
    except OSError as error:
        raise RewardError(f"/logs/verifier cannot be opened: {error.strerror}") from error
    try:
        from_json, from_text = _file(folder, "reward.json"), _file(folder, "reward.txt")
    finally:
        os.close(folder)
    return parse(from_json, from_text)


def _inner(logs: Path) -> int:
    outer = os.open(logs, _FOLDER)
    try:
        return os.open("verifier", _FOLDER, dir_fd=outer)
    finally:
        os.close(outer)


def _file(folder: int, name: str) -> bytes | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RewardError(f"{name} cannot be opened: {error.strerror}") from error
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise RewardError(f"{name} is not a regular file with one name")
        if found.st_size > CAP:
            raise RewardError(f"{name} has {found.st_size} bytes, more than {CAP}")
        return file.read(CAP)


def parse(from_json: bytes | None, from_text: bytes | None) -> Stated | None:
    """The reward in these files' contents; None for none. Raises `RewardError`."""
    if from_json is None and from_text is None:
        return None
    text = (
        None if from_text is None else _number("reward.txt", from_text.decode("utf-8", "replace"))
    )
    if from_json is None:
        return Stated(text if text is not None else 0.0, {})
    fields = _fields(from_json)
    value = fields.get("reward")
    if "reward" not in fields:
        if len(fields) != 1:
            raise RewardError('reward.json has no key "reward"')
        value = next(iter(fields.values()))
    if not isinstance(value, int | float):
        raise RewardError(f"reward.json: the reward is {_shown(value)}, not a number")
    reward = _checked("reward.json", value)
    if text is not None and abs(text - reward) > _SAME:
        raise RewardError(f"there are two rewards: reward.json says {reward}, reward.txt {text}")
    return Stated(reward, fields)


def _fields(data: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise RewardError("reward.json says something twice")
        return dict(pairs)

    def refuse(word: str) -> float:
        raise RewardError(f"reward.json holds {word}, which is not a finite number")

    try:
        found = json.loads(data, object_pairs_hook=once, parse_constant=refuse)
    except RewardError:
        raise
    except (ValueError, RecursionError) as error:
        raise RewardError(f"reward.json cannot be read: {str(error)[:120]}") from error
    if not isinstance(found, dict):
        raise RewardError("reward.json is not an object")
    return found


def _number(name: str, text: str) -> float:
    try:
        return _checked(name, float(text.strip()))
    except ValueError as error:
        if isinstance(error, RewardError):
            raise
        raise RewardError(f"{name} is {_shown(text.strip())}, not a number") from error


def _checked(name: str, value: float) -> float:
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise RewardError(f"{name}: the reward is {found}, not a finite number")
    if not 0.0 <= found <= 1.0:
        raise RewardError(f"{name}: the reward is {found}, outside of 0 to 1")
    return found


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:59] + "…"
