"""`autolab run -f run.toml`: the options of a run, kept in a file.

The keys are the options without their dashes. What the line gives wins over the file, option by
option. Every complaint names the file, the line and the key.
"""

from __future__ import annotations

import argparse
import difflib
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from autolab_tui.cli.failures import UsageError
from autolab_tui.cli.values import budgets

_MOST_BYTES = 1 << 20


class _Option(NamedTuple):
    """How a value of the file becomes what argparse would have made of the line."""

    read: Callable[[Any], Any]
    expected: str


def fill(args: argparse.Namespace) -> None:
    """Give `args` what `args.file` says and the line does not. Raises `UsageError`."""
    path: Path = args.file
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = len(text.splitlines())
        said = str(error).replace("at end of document", f"at line {last}, the last")
        raise UsageError(f"{path} is no TOML: {said}") from None
    for key, value in data.items():
        name = key.replace("-", "_")
        option = _OPTIONS.get(name)
        where = f"{path}, line {_line(text, key)}"
        if option is None:
            near = difflib.get_close_matches(key, [k.replace("_", "-") for k in _OPTIONS], n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its keys are {_known()}"
            raise UsageError(f"{where}: {key!r} is unknown; {hint}")
        try:
            read = option.read(value)
        except ValueError as error:
            raise UsageError(f"{where}: {key}: {error}") from None
        except TypeError:
            raise UsageError(
                f"{where}: {key} = {_shown(key, value)} does not fit; write {option.expected}"
            ) from None
        if getattr(args, name) in (None, [], False):
            setattr(args, name, read)
    if args.watch and args.detach:
        raise UsageError(f"{path}: watch and detach cannot both be; keep one of them")
    if isinstance(args.suite, Path) and not args.suite.is_absolute() and "suite" in data:
        args.suite = path.absolute().parent / args.suite


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give the run's file") from None
    if len(raw) > _MOST_BYTES:
        raise UsageError(f"{path} is larger than {_MOST_BYTES} bytes; give the run's file")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 (byte {error.start}); write it as text") from None


def _line(text: str, key: str) -> int:
    """The first line that gives a key of the top level; 1 where it cannot be told."""
    given = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((n for n, line in enumerate(text.splitlines(), 1) if given.match(line)), 1)


def _shown(key: str, value: Any) -> str:
    """The value, unless a key might have been written where it does not belong."""
    return "..." if key.startswith("provider") else repr(value)[:80]


def _known() -> str:
    return ", ".join(name.replace("_", "-") for name in _OPTIONS)


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _words(value: Any) -> list[str]:
    return [_word(item) for item in (value if isinstance(value, list) else [value])]


def _one_of(*words: str) -> _Option:
    def read(value: Any) -> str:
        if value not in words:
            raise TypeError
        return str(value)

    return _Option(read, " or ".join(f'"{word}"' for word in words))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise TypeError
    return value


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _amounts(value: Any) -> list[str]:
    """A budget as on the line, or as a table of amounts."""
    if isinstance(value, dict):
        for amount in value.values():
            if isinstance(amount, bool) or not isinstance(amount, str | int | float):
                raise TypeError
        value = [f"{key}={amount}" for key, amount in value.items()]
    pairs = _words(value)
    budgets(pairs)
    return pairs


def _models(value: Any) -> list[str]:
    for model in (models := _words(value)):
        if "/" not in model.strip("/"):
            raise ValueError(f"{model!r} is not PROVIDER/NAME; write openai/{model}")
    return models


def _named(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return _words(value)
    return [f"{name}={_word(text)}" for name, text in value.items()]


def _path(value: Any) -> Path:
    return Path(_word(value)).expanduser()


_LIST = _Option(_words, 'a text or a list of texts, such as ["median*"]')
_BUDGET = _Option(_amounts, 'a table such as {active = "2h", cost = 5}, or "active=2h,cost=5"')
_OPTIONS = {
    "suite": _Option(_path, "a folder as text"),
    "task": _LIST,
    "model": _Option(_models, 'a text or a list of texts, such as ["openai/gpt-5.6"]'),
    "agent": _LIST,
    "harness": _LIST,
    "attempts": _Option(_count, "a whole number from 1 on"),
    "size": _one_of("quick", "full"),
    "anchors": _one_of("task", "calibrated"),
    "budget": _BUDGET,
    "soft": _BUDGET,
    "run_budget": _BUDGET,
    "run_soft": _BUDGET,
    "clock": _one_of("active", "wall"),
    "concurrency": _Option(_count, "a whole number from 1 on"),
    "provider": _Option(_named, 'a table such as {local = "http://127.0.0.1:8000/v1"}'),
    "provider_key_env": _Option(
        _named, 'a table such as {openai = "OPENAI_API_KEY"}; never the key itself'
    ),
    "watch": _Option(_switch, "true or false"),
    "detach": _Option(_switch, "true or false"),
}
