"""What differs between two snapshots, as lines."""

from __future__ import annotations

from collections.abc import Sequence

from autolab_tui import words
from autolab_tui.local import Difference
from autolab_tui.plain import plain, wrapped
from autolab_tui.roles import Line, Role


def lines(found: Difference, cells: int) -> list[Line]:
    """Every file that differs with its hunks; what was written is made harmless first."""
    made: list[Line] = []
    for file in found.files:
        counts = "" if file.binary else f"  +{file.added} -{file.removed}"
        made.append(((f" {plain(file.path)}", "title"), (f"  {file.change}{counts}", "dim")))
        if file.binary:
            made.append(((" no text", "dim"),))
        for line in file.lines:
            role = _role(line)
            made += [((f" {part}", role),) for part in wrapped(plain(line), cells - 2) or [""]]
        if file.left_out:
            more = words.plural(file.left_out, "line")
            made.append(((f" and {more} more: autolab snapshot export has them", "warn"),))
        made.append(((" ", "text"),))
    return made or [((" no difference", "dim"),)]


def _role(line: str) -> Role:
    if line.startswith("@@"):
        return "accent"
    return "good" if line.startswith("+") else "bad" if line.startswith("-") else "output"


def title(found: Difference, names: Sequence[tuple[str, str]]) -> str:
    """`baseline -> 3fa21c9b07aa`: known snapshots by their names."""
    known = dict(names)

    def called(snapshot: str) -> str:
        return known.get(snapshot, snapshot[:12])

    return f"{called(found.old)} to {called(found.new)}"
