"""The knobs of `loop = "command"`: an agent of somebody else's, started from a template."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from engine.harnesses.harness import Harness

COMMAND_SLOTS = (
    *("instruction_file", "instruction", "model", "base_url"),
    *("budget", "budget_sec", "workdir", "program"),
)
_TASK = {"instruction", "instruction_file"}
_BUDGET = {"budget", "budget_sec"}


def complaints(harness: Harness) -> Iterator[str]:
    """What is wrong with the knobs of such a harness: key, value and remedy. None for others."""
    if harness.loop != "command":
        return
    # Nobody can speak to the agent while it runs.
    if harness.feedback != "sealed":
        yield f'feedback = "{harness.feedback}" cannot be told to a command; use "sealed"'
    if harness.time not in ("none", "start"):
        yield f'time = "{harness.time}" cannot be told to a command; use "start" or "none"'
    if not harness.command or not harness.command[0].strip():
        yield "command = [] names no program; give it and its arguments as a list"
    if any("\0" in word for word in harness.command):
        yield "command has a zero byte in it; drop it"
    named = [slot for word in harness.command for slot in slots(word)]
    for name in named:
        if name not in COMMAND_SLOTS:
            known = ", ".join("{" + slot + "}" for slot in COMMAND_SLOTS)
            yield f"command has {{{name}}}; only {known} are filled in"
    if not _TASK & set(named):
        yield "command tells the agent no task; give it {instruction_file} or {instruction}"
    if harness.time == "none" and _BUDGET & set(named):
        yield 'command tells the budget, which time = "none" does not; use time = "start"'
    yield from _program(harness.program, "program" in named)


def _program(program: str, named: bool) -> Iterator[str]:
    parts = program.split("/")
    if program and (parts[0] or not parts[-1] or "." in parts or ".." in parts or "\0" in program):
        yield f"program = {program!r} must be the absolute path of a folder, such as /opt/my-agent"
    if named and not program:
        yield 'command has {program}, and program is ""; give the folder that it stands for'


def slots(text: str) -> list[str]:
    """The words in braces, `{like_this}`; other braces, and `${this}` of a shell, are text."""
    words = [
        part.partition("}")[0]
        for before, part in itertools.pairwise(text.split("{"))
        if "}" in part and not before.endswith("$")
    ]
    return [word for word in words if word.isidentifier()]
