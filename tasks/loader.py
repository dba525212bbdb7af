"""From a directory to a `Task`: read, parse, check."""

from __future__ import annotations

import logging
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks import consistency, files
from tasks.autolab import Autolab, Optimization
from tasks.errors import ABSENT, TaskError, printable
from tasks.harbor import SCHEMA_VERSIONS, HarborTask
from tasks.nearest import hint
from tasks.tables import known_keys, model_at, unknown_keys, written
from tasks.task import Task

_log = logging.getLogger(__name__)
_WHERE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_COMMENT = re.compile(r"\s*(?:<!--.*-->|#.*)\s*")
_Model = TypeVar("_Model", bound=BaseModel)

# What pydantic calls a problem, and what the author should do about it.
_REMEDIES = {
    "missing": "add the key",
    "string_type": "write a string in quotes",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "finite_number": "write a finite number",
    "tuple_type": "write a list in brackets",
    "dict_type": "write a table",
    "model_type": "write a table",
    "model_attributes_type": "write a table",
    "string_too_short": "say something there",
    "too_short": "add an entry",
}


def load_task(path: Path | str) -> Task:
    """Read and check the task in directory `path`.

    Raises `TaskError` naming the file, the key, the value and the remedy. Keys that are not known
    are kept, listed in `Task.unknown_keys` and logged once.
    """
    root = Path(path).absolute()
    try:
        return _load(root)
    except OSError as error:
        raise files.unreadable(root, error) from error


def _load(root: Path) -> Task:
    file = root / "task.toml"
    if not root.is_dir():
        raise TaskError(root, "is not a directory", remedy="give the directory of a task")
    table = _parse(root, file)
    config = _model(HarborTask, _without(table, "autolab", "optimization"), file)
    stated = table.get("optimization")
    optimization = None if stated is None else _model(Optimization, stated, file, "optimization")
    ours = table.get("autolab")
    autolab = None if ours is None else _model(Autolab, ours, file, "autolab")
    unknown = [*unknown_keys(config)]
    if optimization is not None:
        unknown += [*unknown_keys(optimization, "optimization.")]
    task = Task(
        path=root,
        name=config.task.name if config.task else root.resolve().name,
        domain=_domain(root, config, autolab),
        instruction=_instruction(root, config),
        config=config,
        optimization=optimization,
        autolab=autolab,
        unknown_keys=tuple(unknown),
    )
    for folder in ("environment", "tests", "solution", "steps"):
        files.tree(root, folder)  # no link may lead out of the task
    if autolab is not None:
        consistency.check(task)
    _warn(task)
    return task


def _parse(root: Path, file: Path) -> dict[str, Any]:
    try:
        text = files.read_text(root, "task.toml")
    except FileNotFoundError:
        raise TaskError(file, "is missing", remedy="add it, or give another directory") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place, problem = _syntax_error(str(error), text)
        raise TaskError(
            file, f"is not valid TOML at {place}: {problem}", remedy="correct the syntax there"
        ) from error
    except RecursionError:
        raise TaskError(file, "is nested too deeply", remedy="write flatter tables") from None


def _syntax_error(message: str, text: str) -> tuple[str, str]:
    where = _WHERE.search(message)
    problem = _WHERE.sub("", message)
    if where is not None and where[1] is not None:
        return f"line {where[1]}, column {where[2]}", problem
    lines = text.rstrip("\n").split("\n")
    return f"line {len(lines)}, column {len(lines[-1]) + 1}", problem


def _without(table: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in keys}


def _model(model: type[_Model], table: Any, file: Path, prefix: str = "") -> _Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        found = error.errors(include_url=False)
        locations = [_location(table, one["loc"]) for one in found]
        keys = list(dict.fromkeys(_dotted(prefix, location) for location in locations))
        one, location = found[0], locations[0]
        value = ABSENT if one["type"] == "missing" else one["input"]
        problem, remedy = _explain(model, one["type"], one["msg"], location)
        raise TaskError(
            file, problem, key=keys[0], value=value, remedy=remedy, more=tuple(keys[1:])
        ) from error


def _location(table: Any, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """`parts` without the names of union members, which pydantic puts between the keys."""
    kept: list[Any] = []
    here = table
    for part in parts:
        if isinstance(here, dict):
            kept.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            kept.append(part)
            here = here[part]
    return tuple(kept)


def _dotted(prefix: str, location: tuple[Any, ...]) -> str:
    text = prefix
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + written(str(part))
    return text or "the whole file"


def _explain(
    model: type[BaseModel], kind: str, message: str, location: tuple[Any, ...]
) -> tuple[str, str]:
    if kind == "extra_forbidden":
        table = model_at(model, location)
        known = known_keys(table) if table else []
        remedy = hint(str(location[-1]), known, f"known keys here: {', '.join(known)}")
        return "is not a key that AutoLab knows", remedy
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind == "missing":
        return "is missing", _REMEDIES[kind]
    return text[:1].lower() + text[1:], _REMEDIES.get(kind, "correct the value")


def _domain(root: Path, config: HarborTask, autolab: Autolab | None) -> str:
    if autolab is not None:
        return autolab.domain
    stated = config.metadata.get("domain")
    return stated if isinstance(stated, str) and stated else root.resolve().parent.name


def _instruction(root: Path, config: HarborTask) -> str:
    name = f"steps/{config.steps[0].name}/instruction.md" if config.steps else "instruction.md"
    try:
        return strip_canary(files.read_text(root, name))
    except FileNotFoundError:
        raise TaskError(
            root / name, "is missing", remedy="write there what the agent shall do"
        ) from None


def strip_canary(text: str) -> str:
    """`text` without its leading canary comment lines and the blank lines after them."""
    lines = text.splitlines(keepends=True)
    at = 0
    while at < len(lines) and "canary" in lines[at].lower() and _COMMENT.fullmatch(lines[at]):
        at += 1
    if at == 0:
        return text
    while at < len(lines) and not lines[at].strip():
        at += 1
    return "".join(lines[at:])


def _warn(task: Task) -> None:
    file = printable(str(task.path / "task.toml"))
    if task.config.schema_version not in SCHEMA_VERSIONS:
        version = printable(task.config.schema_version)
        _log.warning("%s: schema version %s is not one of those known", file, version)
    for key in task.unknown_keys:
        _log.warning("%s: the key %s is not known and is kept as it is", file, printable(key))
