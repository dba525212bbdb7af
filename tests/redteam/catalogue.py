"""The attacks, as files below attacks/KIND/: one file is one attack.

A file begins with a comment of `key: value` lines:

    case:   its number in the list of minimum cases, where it is one of them
    row:    its row in the table of docs/integrity.md
    expect: how its verdict must be; alternatives are separated by ";"
                honest            scored, and no higher than its honest twin
                honest held       the same, or held for a person
                nothing           scored, and worth (next to) nothing
                zero CAUSE...     a failure of one of these causes
                rejected          refused before it was looked into
                not_judged        nobody's fault, or the judge's; never a score
                suspect           held for a person
    why:    what it tries, and what stands in its way
    note:   (agents) what a finding of the verdict must say
    task:   (agents) native, where it is not about the task of data
    slow:   yes, where it takes seconds, or a sister says the same
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ATTACKS = HERE / "attacks"
KINDS = ("native", "python", "data", "flags", "agent")
_LINE = re.compile(r"^[ *#]*(case|row|expect|why|slow|note|task): (.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack; `content` is what follows the comment too: the whole file."""

    kind: str
    name: str
    path: Path
    row: int
    case: int | None
    expect: tuple[tuple[str, ...], ...]
    why: str
    slow: bool
    note: str = ""
    task: str = ""

    @property
    def content(self) -> bytes:
        """The artifact: the file, or for one of Python's what it makes."""
        if self.path.suffix != ".py" or self.kind != "data":
            return self.path.read_bytes()
        made = runpy.run_path(str(self.path))["content"]()
        assert isinstance(made, bytes)
        return made


def read(path: Path) -> Attack:
    """One attack's file."""
    head = dict(_LINE.findall(path.read_text(encoding="utf-8")[:1500]))
    return Attack(
        kind=path.parent.name,
        name=path.stem,
        path=path,
        row=int(head["row"]),
        case=int(head["case"]) if "case" in head else None,
        expect=tuple(tuple(one.split()) for one in head["expect"].split(";")),
        why=head["why"],
        slow=head.get("slow") == "yes",
        note=head.get("note", ""),
        task=head.get("task", "data"),
    )


def attacks(kind: str | None = None) -> Iterator[Attack]:
    """All attacks of a kind, or of all."""
    for folder in KINDS:
        if kind in (None, folder):
            for path in sorted((ATTACKS / folder).glob("*.*")):
                yield read(path)
