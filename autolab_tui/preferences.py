"""What the app remembers from one start to the next, in the config folder's `app.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

FILE = "app.toml"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The operator's choices; None is the default."""

    theme: str | None = None


def load(config: Path) -> Preferences:
    """The remembered choices; a file that is missing or spoilt remembers nothing."""
    try:
        data = tomllib.loads((config / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Preferences()
    theme = data.get("theme")
    return Preferences(theme if isinstance(theme, str) else None)


def remember_theme(config: Path, theme: str) -> None:
    """Keep the choice of theme; other lines of the file stay. Raises `OSError`."""
    if replace(load(config), theme=theme) == load(config):
        return
    config.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = config / FILE
    try:
        kept = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        kept = []
    kept = [line for line in kept if not re.match(r"\s*theme\s*=", line)]
    new = path.with_suffix(".toml.new")
    new.write_text("\n".join([f'theme = "{theme}"', *kept]) + "\n", encoding="utf-8")
    new.replace(path)
