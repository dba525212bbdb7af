"""A Dockerfile as a list of instructions: continuation lines, here-documents, variables.

Pure text work; what the instructions mean for us is decided in `verifier.foreign.recipe`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

_HEREDOC = re.compile(r"<<-?\s*(?:\"(\w+)\"|'(\w+)'|(\w+))")
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::([-+])([^{}]*))?\})")
_TAKES_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})


class DockerfileError(ValueError):
    """A line that cannot be followed: its number (from 1) and why."""

    def __init__(self, line: int, why: str) -> None:
        self.line = line
        self.why = why
        super().__init__(f"environment/Dockerfile line {line}: {why}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: where it begins, its word in capitals, and the rest of it.

    Continued lines are joined; the lines of here-documents follow the first one.
    """

    line: int
    word: str
    text: str

    @property
    def shown(self) -> str:
        """The instruction on one short line, for messages."""
        text = " ".join(f"{self.word} {self.text}".split())
        return text if len(text) <= 90 else text[:89] + "…"

    def array(self) -> list[str] | None:
        """The words of the JSON form (`["a", "b"]`), or None for the plain form."""
        if not self.text.startswith("["):
            return None
        try:
            found = json.loads(self.text)
        except ValueError:
            return None
        return [str(word) for word in found] if isinstance(found, list) else None


def parse(text: str) -> list[Instruction]:
    """Every instruction, in order. Raises `DockerfileError` for a here-document without end."""
    lines = text.splitlines()
    found: list[Instruction] = []
    at = 0
    while at < len(lines):
        start = at
        if _empty(lines[at]):
            at += 1
            continue
        joined = ""
        while at < len(lines):
            line = lines[at]
            at += 1
            if joined and line.lstrip().startswith("#"):
                continue
            stripped = line.rstrip()
            if not stripped.endswith("\\"):
                joined += line
                break
            joined += stripped[:-1]
        word, _, rest = joined.strip().partition(" ")
        body, at = _heredocs(word.upper(), rest, lines, at, start + 1)
        found.append(Instruction(start + 1, word.upper(), body))
    return found


def _empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _heredocs(word: str, rest: str, lines: list[str], at: int, number: int) -> tuple[str, int]:
    rest = rest.strip()
    if word not in _TAKES_HEREDOCS:
        return rest, at
    for match in _HEREDOC.finditer(rest):
        end = next(name for name in match.groups() if name)
        body: list[str] = []
        while True:
            if at >= len(lines):
                raise DockerfileError(number, f"the here-document {end} has no end")
            body.append(lines[at])
            at += 1
            if body[-1].strip() == end:
                break
        rest = "\n".join([rest, *body])
    return rest, at


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """`text` with `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}` filled in."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "\\$":
            return "$"
        found = variables.get(match[1] or match[2], "")
        if match[3] == "-":
            return found or match[4]
        if match[3] == "+":
            return match[4] if found else ""
        return found

    return _VARIABLE.sub(value, text)


def pairs(instruction: Instruction) -> list[tuple[str, str]]:
    """What an ENV, ARG or LABEL sets: `A=1 B="2 3"`, or the old form `A 1`."""
    try:
        words = shlex.split(instruction.text)
    except ValueError as error:
        raise DockerfileError(instruction.line, f"{instruction.shown}: {error}") from error
    if words and "=" not in words[0] and instruction.word == "ENV":
        return [(words[0], " ".join(words[1:]))]
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]
