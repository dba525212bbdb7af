"""What the app remembers from one start to the next, in the config folder's `app.toml`."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

FILE = "app.toml"


class Preferences(msgspec.Struct, frozen=True):
    """The operator's choices; None and "" are the defaults.

    `screen` is a name of `screens.tops.TOPS`, `session` the id of the session that was open on it;
    `sort`, `group` and `words` are the fleet's.
    """

    theme: str | None = None
    screen: str = ""
    session: str = ""
    sort: str = ""
    group: str = ""
    words: str = ""


_NAMES = Preferences.__struct_fields__


def load(config: Path) -> Preferences:
    """The remembered choices; a file that is missing or spoilt remembers nothing."""
    try:
        data = tomllib.loads((config / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Preferences()
    return Preferences(**{k: v for k, v in data.items() if k in _NAMES and isinstance(v, str)})


def remember(config: Path, **choices: Any) -> None:
    """Keep these choices; other lines of the file stay. Raises `OSError`."""
    before = load(config)
    after = msgspec.structs.replace(before, **choices)
    if after == before:
        return
    config.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = config / FILE
    try:
        kept = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        kept = []
    ours = re.compile(rf"\s*({'|'.join(_NAMES)})\s*=")
    kept = [line for line in kept if not ours.match(line)]
    # A JSON string without escapes beyond TOML's own is a TOML basic string.
    said = [
        f"{k} = {json.dumps(v, ensure_ascii=False)}"
        for k, v in msgspec.structs.asdict(after).items()
        if v
    ]
    new = path.with_suffix(".toml.new")
    new.write_text("\n".join([*said, *kept]) + "\n", encoding="utf-8")
    new.replace(path)
