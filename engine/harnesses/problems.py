"""What can be wrong with the values of a harness."""

from __future__ import annotations

import math

from engine.harnesses.harness import SLOTS, Harness, Tool
from engine.harnesses.outside import complaints, slots

_WORKING: tuple[Tool, ...] = ("bash", "edit")
_LEAST_CHARS, _MOST_CHARS = 500, 1_000_000
_LEAST_TOKENS = 4_000  # of a conversation; the prompt and the tools alone take about a thousand
MOST_ATTEMPTS = 1_000


def problem(harness: Harness) -> str | None:
    """What is wrong with the values of a harness: key, value and remedy; None when all is well."""
    for check in (_wrong_number, _wrong_count, _wrong_together, _wrong_tools, _wrong_command):
        found = check(harness)
        if found:
            return found
    for key in ("description", "nudge", "system"):
        if not str(getattr(harness, key)).strip():
            where = f"the prompt {harness.prompt!r}" if key == "system" else key
            return f"{where} is empty; say something in it"
    for name in slots(harness.system):
        if name not in SLOTS:
            known = ", ".join("{" + slot + "}" for slot in SLOTS)
            return f"the prompt {harness.prompt!r} has {{{name}}}; only {known} are filled in"
    return None


def _wrong_number(harness: Harness) -> str | None:
    above = ("command_timeout_sec", "command_timeout_max_sec")
    for key in (*above, "feedback_minutes", "plateau"):
        value = getattr(harness, key)
        if not math.isfinite(value) or value < 0 or (key in above and value == 0):
            least = "above 0" if key in above else "0 or more"
            return f"{key} = {value} must be a number {least}"
    if harness.plateau > 1:
        return f"plateau = {harness.plateau:g} is a share of the budget, from 0 (never) to 1"
    return None


def _wrong_count(harness: Harness) -> str | None:
    if harness.nudges < 0:
        return f"nudges = {harness.nudges} must be 0 or more"
    if not _LEAST_CHARS <= harness.output_chars <= _MOST_CHARS:
        return f"output_chars = {harness.output_chars} must be {_LEAST_CHARS} to {_MOST_CHARS}"
    if harness.context_tokens != 0 and harness.context_tokens < _LEAST_TOKENS:
        return (
            f"context_tokens = {harness.context_tokens} must be 0 (only when the conversation no "
            f"longer fits) or {_LEAST_TOKENS} and more"
        )
    if not 1 <= harness.attempts <= MOST_ATTEMPTS:
        return f"attempts = {harness.attempts} must be 1 to {MOST_ATTEMPTS}"
    return None


def _wrong_together(harness: Harness) -> str | None:
    if harness.command_timeout_sec > harness.command_timeout_max_sec:
        return (
            f"command_timeout_sec = {harness.command_timeout_sec:g} is above "
            f"command_timeout_max_sec = {harness.command_timeout_max_sec:g}; lower it"
        )
    if harness.feedback == "score-every" and harness.feedback_minutes == 0:
        return 'feedback = "score-every" needs feedback_minutes above 0'
    return None


def _wrong_tools(harness: Harness) -> str | None:
    tools = list(harness.tools)
    if harness.loop != "tools":
        if tools:
            has = {"terminal": "keystrokes only", "command": "its own tools"}[harness.loop]
            return f'tools = {tools} must be [] with loop = "{harness.loop}", which has {has}'
        if harness.loop == "terminal" and harness.time == "on-request":
            return 'time = "on-request" is a tool, and loop = "terminal" has none; use another time'
        return None
    if len(set(tools)) != len(tools):
        return f"tools = {tools} names a tool twice; name each once"
    if not set(tools) & set(_WORKING):
        return f"tools = {tools} can change no file; add {' or '.join(_WORKING)}"
    return None


def _wrong_command(harness: Harness) -> str | None:
    return next(complaints(harness), None)
