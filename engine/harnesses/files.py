"""Harnesses as TOML files: those shipped here, and the operator's in `harnesses/` of the
configuration folder. A file may build on another (`extends`) and then states only what differs.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.harnesses.harness import KNOBS, Harness
from engine.harnesses.problems import problem
from engine.paths import config_dir
from tasks.nearest import hint

FOLDER = "harnesses"
_PROMPTS = "prompts"
_PARENT = "extends"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_SIZE_LIMIT = 256 * 1024
# Knobs that mean something only beside some values of another: (knob, the other, its values, and
# what the knob is beside all others).
_MATES: tuple[tuple[str, str, tuple[str, ...], Any], ...] = (
    ("feedback_minutes", "feedback", ("score-every",), 0),
    ("plateau", "stop", ("budget",), 0),
    ("context_tokens", "context", ("summary", "drop-tool-output"), 0),
    ("command", "loop", ("command",), []),
    ("program", "loop", ("command",), ""),
)


class HarnessError(ValueError):
    """A harness that does not exist or cannot be read; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A harness file that cannot be used, and why."""

    path: Path
    error: str


def shipped_folder() -> Path:
    """Where the presets lie."""
    return Path(__file__).parent


def user_folder() -> Path:
    """Where the operator's own harnesses lie; the folder need not exist."""
    return config_dir() / FOLDER


def sources() -> dict[str, Path]:
    """The file of every harness by name, sound or not; presets win over files of the same name."""
    found = {path.stem: path for path in sorted(user_folder().glob("*.toml"))}
    return found | {path.stem: path for path in sorted(shipped_folder().glob("*.toml"))}


def names() -> list[str]:
    """The harnesses that there are."""
    return sorted(sources())


def load(name: str) -> Harness:
    """Read a harness. Raises `HarnessError`."""
    table = _merged(name, ())
    system = _prompt(name, table["prompt"]) if isinstance(table.get("prompt"), str) else ""
    path = sources()[name]
    try:
        harness = msgspec.convert({**table, "name": name, "system": system}, Harness)
    except msgspec.ValidationError as error:
        raise HarnessError(f"{path}: {_explained(str(error), table)}") from error
    wrong = problem(harness)
    if wrong is not None:
        raise HarnessError(f"{path}: {wrong}")
    return harness


def everything() -> tuple[dict[str, Harness], list[Broken]]:
    """Every harness that can be used, by name, and the files that cannot."""
    sound: dict[str, Harness] = {}
    broken: list[Broken] = []
    for name, path in sorted(sources().items()):
        try:
            sound[name] = load(name)
        except HarnessError as error:
            broken.append(Broken(path, str(error)))
    for path in sorted(user_folder().glob("*.toml")):
        if (shipped_folder() / path.name).exists():
            broken.append(Broken(path, f"{path}: {path.stem} is a preset's name; rename the file"))
    return sound, broken


def _merged(name: str, heirs: tuple[str, ...]) -> dict[str, Any]:
    """The knobs of a harness over those of what it extends."""
    if name in heirs:
        raise HarnessError(f"harness {name!r} extends itself: {' -> '.join((*heirs, name))}")
    path = sources().get(name) if _NAME.fullmatch(name) else None
    if path is None:
        wanted = f", which {heirs[-1]!r} extends" if heirs else ""
        known = hint(name, names(), f"use one of {', '.join(names())}")
        raise HarnessError(f"there is no harness {name!r}{wanted}; {known}")
    own = _table(path)
    parent = own.pop(_PARENT, None)
    if parent is None:
        inherited: dict[str, Any] = {}
    elif isinstance(parent, str):
        inherited = _merged(parent, (*heirs, name))
    else:
        raise HarnessError(f"{path}: {_PARENT} = {parent!r} must be the name of a harness")
    merged = inherited | own
    for knob, mate, values, idle in _MATES:
        if merged.get(mate) not in values:
            if own.get(knob):
                only = " or ".join(f'"{value}"' for value in values)
                raise HarnessError(
                    f"{path}: {knob} = {own[knob]!r} means something with {mate} = {only} only, "
                    f"and {mate} is {merged.get(mate)!r}; drop one of the two"
                )
            merged[knob] = idle
    merged.setdefault("program", "")
    missing = [knob for knob in KNOBS if knob not in merged]
    if missing:
        raise HarnessError(
            f"{path}: {', '.join(missing)} is missing; state it, or build on another harness "
            f'with {_PARENT} = "minimal"'
        )
    return merged


def _table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise HarnessError(f"{path} is no TOML: {error}; mend it") from error
    known = (*KNOBS, _PARENT)
    for key, value in table.items():
        if key not in known:
            remedy = hint(key, known, f"the knobs are {', '.join(known)}")
            raise HarnessError(f"{path}: there is no knob {key} (= {value!r}); {remedy}")
    return table


def _prompt(harness: str, name: str) -> str:
    """The text of a prompt variant."""
    folders = (user_folder() / _PROMPTS, shipped_folder() / _PROMPTS)
    there = {path.stem: path for folder in folders for path in sorted(folder.glob("*.md"))}
    if name not in there:
        raise HarnessError(
            f"harness {harness!r} asks for the prompt {name!r}; there are {', '.join(there)}; "
            f"write {folders[0] / f'{Path(name).name}.md'} to have another"
        )
    return _text(there[name])


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > _SIZE_LIMIT:
            raise HarnessError(f"{path} has {len(data)} bytes, above {_SIZE_LIMIT}; shorten it")
        return data.decode()
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from error


def _explained(said: str, table: dict[str, Any]) -> str:
    """A complaint of the decoder, with the value that it is about."""
    reason, _, where = said.partition(" - at ")
    key = where.strip("`").removeprefix("$.").partition("[")[0]
    if key not in table:
        return said
    values = _choices(key)
    hint = f"; it can be {values}" if values else ""
    return f"{key} = {table[key]!r} does not fit: {reason}{hint}"


def _choices(key: str) -> str:
    kind = msgspec.inspect.type_info(Harness)
    if not isinstance(kind, msgspec.inspect.StructType):
        return ""
    for field in kind.fields:
        if field.name == key:
            inner = field.type
            if isinstance(inner, msgspec.inspect.VarTupleType):
                inner = inner.item_type
            if isinstance(inner, msgspec.inspect.LiteralType):
                return ", ".join(map(str, inner.values))
    return ""
