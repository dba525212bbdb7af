"""What a harness is: every knob with its values, checked, and the hash that identifies it."""

from __future__ import annotations

import hashlib
import math
from typing import Any, Literal

import msgspec

from engine.harnesses.outside import complaints, slots

Loop = Literal["tools", "terminal", "command"]
Feedback = Literal["sealed", "gates", "score", "score-every"]
Time = Literal["none", "start", "every-turn", "on-request"]
Stop = Literal["agent", "confirm", "budget"]
Context = Literal["summary", "drop-tool-output", "none"]
Tool = Literal["bash", "edit", "read", "submit"]

TIME_TOOL = "time_left"  # offered by `time = "on-request"`, never listed among the tools
WORDING = 2  # of the sentences that go with the knobs (engine/agents); raised when they change
SLOTS = ("workdir", "editable")  # what a prompt's text may leave to be filled in
# Say nothing of what a model gets to see in a session.
_NAMELESS = ("name", "description", "prompt", "attempts")
_WORKING: tuple[Tool, ...] = ("bash", "edit")
_OUTSIDE = ("command", "program")  # knobs of loop = "command" alone
_LEAST_CHARS, _MOST_CHARS = 500, 1_000_000
_LEAST_TOKENS = 4_000  # of a conversation; the prompt and the tools alone take about a thousand
MOST_ATTEMPTS = 1_000


class Harness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is put to work. docs/harnesses.md has each knob and what is known of it.

    `loop`: who asks the model and carries out what it wants. `prompt`: the variant of the system
    prompt; `system` is its text. `feedback`: what the model sees of the verdicts while it works
    (`score-every`: at most once in `feedback_minutes` of working time). `time`: when it is told of
    its budget. `reference`: whether it is told what the task's reference solution reaches. `stop`:
    who decides that it is over (`budget`: not before the budget ends, or the share `plateau` of it
    has passed without improvement; 0 is never). `tools`: what it is offered. `output_chars`: how
    much of one tool's output it sees. `command_timeout_*`: a command's time limit by default and
    at most; for keystrokes what is waited after them. `nudge` is said to an answer that calls no
    tool (or is not in the terminal's protocol); after `nudges` answers in a row that did no work
    the session is taken as ended by its agent. `context`: what gives way when the conversation
    no longer fits, or has `context_tokens` (0: only when it no longer fits). `attempts`: how many
    sessions a run makes of each task and model, unless it says so itself. `command` is the program
    that is the agent, with its arguments, in which `COMMAND_SLOTS` are filled in; `program` a
    folder of the host that it sees.
    """

    name: str
    description: str
    loop: Loop
    prompt: str
    system: str
    feedback: Feedback
    feedback_minutes: float
    time: Time
    reference: bool
    stop: Stop
    plateau: float
    tools: tuple[Tool, ...]
    output_chars: int
    command_timeout_sec: float
    command_timeout_max_sec: float
    nudge: str
    nudges: int
    context: Context
    context_tokens: int
    attempts: int
    command: tuple[str, ...] = ()
    program: str = ""

    @property
    def offered(self) -> tuple[str, ...]:
        """The tools that the model is offered, by name."""
        return (*self.tools, TIME_TOOL) if self.time == "on-request" else self.tools

    @property
    def hash(self) -> str:
        """SHA-256 over all that changes what a model sees or may do; the name is not part of it."""
        unheard = _NAMELESS if self.loop == "command" else (*_NAMELESS, *_OUTSIDE)
        told = {key: value for key, value in knobs(self).items() if key not in unheard}
        told["wording"] = WORDING
        return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


KNOBS = tuple(name for name in Harness.__struct_fields__ if name not in ("name", "system"))


def knobs(harness: Harness) -> dict[str, Any]:
    """Every field with its value, in order of declaration, as plain data."""
    plain: dict[str, Any] = msgspec.to_builtins(harness)
    return plain


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
