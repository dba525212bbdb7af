"""What the personas know: the staged reference of a shipped task, and why each stage is faster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from tasks import load_suite


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the editable files that it changes, as text, and its author's reason."""

    name: str
    files: Mapping[str, str]
    reason: str


@cache
def stages(task: str) -> tuple[Stage, ...]:
    """The stages of the shipped task of that name, in order.

    Raises `tasks.TaskError` when the installation lacks it.
    """
    return tuple(
        Stage(
            step.name,
            {name: content.decode() for name, content in step.files.items()},
            _reason((step.path / "README.md").read_text(encoding="utf-8")),
        )
        for step in load_suite().get(task).steps()
    )


def _reason(readme: str) -> str:
    """The first paragraph under the heading, on one line."""
    paragraphs = [part.strip() for part in readme.split("\n\n")]
    prose = [part for part in paragraphs if part and not part.startswith("#")]
    return " ".join(prose[0].split()) if prose else ""
