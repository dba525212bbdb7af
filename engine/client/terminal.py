"""A session's terminal as the engine streams it to whoever attached."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.client.streams import LineStream

Ask = Callable[[str, str, None, dict[str, Any] | bytes], bytes]


@dataclass(frozen=True, slots=True)
class Shown:
    """Bytes that an agent's terminal shows. They are an agent's: nothing in them is harmless."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Still:
    """The session stands still, and why; or, with an empty text, it goes on."""

    why: str


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing more will come, and why."""

    why: str


class TerminalStream(LineStream, Iterator["Shown | Still | Over"]):
    """What is shown, as it comes; an iterator that ends after `Over`, see `LineStream`."""

    def __init__(self, path: Path, session: str, body: Mapping[str, Any], ask: Ask) -> None:
        self._ask = ask
        super().__init__(path, "POST", f"/sessions/{quote(session, safe='')}/terminal", body)
        self._number = int(json.loads(self.line())["terminal"])
        self._over = False

    def __next__(self) -> Shown | Still | Over:
        while not self._over:
            told = json.loads(self.line())
            if "data" in told:
                return Shown(base64.b64decode(told["data"]))
            if "still" in told:
                return Still(str(told["still"]))
            if "over" in told:
                self._over = True
                return Over(str(told["over"]))
        raise StopIteration

    def type(self, keys: bytes) -> None:
        """Type; may be called from any thread. Raises `EngineRefusedError`."""
        self._ask("POST", f"/terminals/{self._number}/keys", None, keys)

    def resize(self, columns: int, rows: int) -> None:
        """Another size of the terminal that shows it; from any thread."""
        self.pan(columns, rows, "", 0)

    def pan(self, columns: int, rows: int, direction: str, by: int) -> None:
        """Show another part of the agent's window (`L`, `R`, `U`, `D`; `c` follows the cursor)."""
        body = {"columns": columns, "rows": rows, "pan": direction, "by": by}
        self._ask("POST", f"/terminals/{self._number}/view", None, body)
