"""What is wrong with a task, said so that its author can mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ABSENT: Any = object()  # stands for "there is no value", since None is a value
_SHOWN = 100


def printable(text: str) -> str:
    """`text` without what a terminal would act on: a suite may come from anybody."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def show(value: object) -> str:
    """A value as it could stand in TOML, shortened, on one line."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    text = printable(text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class TaskError(ValueError):
    """A task, or a suite, that cannot be used.

    `file` is where to look, `key` the dotted TOML key (or None), `value` what stands there
    (`ABSENT` when nothing does), `problem` what is wrong with it and `remedy` what to do. `more`
    are the keys of further problems in the same file. `str()` says it all on one line.
    """

    def __init__(
        self,
        file: Path,
        problem: str,
        *,
        key: str | None = None,
        value: Any = ABSENT,
        remedy: str,
        more: tuple[str, ...] = (),
    ) -> None:
        self.file = file
        self.key = key
        self.value = value
        self.problem = problem
        self.remedy = remedy
        self.more = more
        super().__init__(self._text())

    def _text(self) -> str:
        what = printable(self.key) if self.key is not None else ""
        if self.value is not ABSENT:
            what = f"{what} = {show(self.value)}" if what else show(self.value)
        parts = [printable(str(self.file)), what, f"{printable(self.problem)}; {self.remedy}"]
        text = ": ".join(part for part in parts if part)
        if self.more:
            text += f" (also wrong: {', '.join(printable(key) for key in self.more)})"
        return text
