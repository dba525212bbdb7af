"""`autolab config show`: every setting that takes effect, and where it came from."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autolab_tui.cli.failures import DONE, CommandError
from autolab_tui.cli.output import emit, plain, table
from autolab_tui.cli.parser import Commands, command, group

_PREFIX = "AUTOLAB_"
_HIDDEN = "(hidden)"
_SECRET_WORDS = ("key", "token", "secret", "password", "auth", "credential")
_PLACES_OF_KEYS = ("key_env", "key_file")  # names of places, which hold no key themselves
_DETAILS = """\
Environment before file before default, as this command sees them; an engine that runs has read its
settings when it started. Values that might hold a key (headers, bodies, addresses of news, the
words of a key_command) are not printed.

examples:
  autolab config show
  autolab config show --json | jq '.settings[] | select(.source != "default")'"""


class Setting(NamedTuple):
    """One value; `source` is `environment`, `file`, `line` or `default`, `place` says which."""

    key: str
    value: Any
    source: str
    place: str


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "config", "the settings that take effect")
    command(verbs, "show", show, summary="each setting and where it came from", details=_DETAILS)


def show(args: argparse.Namespace) -> int:
    """Print the settings."""
    found = [*folders(args.state), *settings()]
    if args.json:
        emit("config", {"settings": [setting._asdict() for setting in found]})
        return DONE
    cells = ((s.key, _in_words(s.value), plain(s.place or s.source, 60)) for s in found)
    print(table(("setting", "value", "from"), cells))
    return DONE


def folders(given: Path | None) -> Iterator[Setting]:
    """Where things are kept, and who said so."""
    from engine.paths import CONFIG_VARIABLE, STATE_VARIABLE, config_dir, state_dir

    if given:
        yield Setting("state", str(state_dir(given)), "line", "--state")
    else:
        yield Setting("state", str(state_dir()), *_said(STATE_VARIABLE, "XDG_STATE_HOME"))
    yield Setting("config", str(config_dir()), *_said(CONFIG_VARIABLE, "XDG_CONFIG_HOME"))


def settings() -> Iterator[Setting]:
    """Every leaf of the settings, in their own order. Raises `CommandError`."""
    from engine.paths import config_dir
    from engine.settings import CONFIG_FILE, SettingsError, load_settings

    file = config_dir() / CONFIG_FILE
    try:
        loaded = load_settings()
        given = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except SettingsError as error:
        raise CommandError(str(error)) from None
    variables = {name.upper(): name for name in os.environ}
    for path, value in _leaves(loaded.model_dump(mode="json"), ()):
        variable = _variable(path, variables)
        if variable is not None:
            source, place = "environment", variable
        elif _in(given, path):
            source, place = "file", str(file)
        else:
            source, place = "default", ""
        yield Setting(".".join(path), _shown(path, value), source, place)


def _said(*variables: str) -> tuple[str, str]:
    set_ = next((name for name in variables if os.environ.get(name)), None)
    return ("default", "") if set_ is None else ("environment", set_)


def _leaves(table: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name), value


def _variable(path: tuple[str, ...], variables: Mapping[str, str]) -> str | None:
    """The variable that gives a setting, or a table around it."""
    for length in range(len(path), 0, -1):
        name = _PREFIX + "__".join(path[:length]).upper()
        if name in variables:
            return variables[name]
    return None


def _in(given: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    at: Any = given
    for name in path:
        if not isinstance(at, Mapping) or name not in at:
            return False
        at = at[name]
    return True


def _shown(path: tuple[str, ...], value: Any) -> Any:
    """The value, or that there is one."""
    if not value or isinstance(value, bool | int | float):
        return value
    name = path[-1].lower()
    if name == "key_command":
        return [value[0], *([_HIDDEN] if len(value) > 1 else [])]
    if name == "base_url":
        return str(value).partition("?")[0]
    inner = {"headers", "body", "urls"} & {part.lower() for part in path}
    secret = any(word in name for word in _SECRET_WORDS) and name not in _PLACES_OF_KEYS
    if inner or secret:
        return [_HIDDEN] * len(value) if isinstance(value, list) else _HIDDEN
    return value


def _in_words(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return ", ".join(map(str, value)) if value else "-"
    return str(value) or "-"
