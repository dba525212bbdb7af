"""What a harness is: every knob with its values, and the hash that identifies it."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

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
_OUTSIDE = ("command", "program")  # knobs of loop = "command" alone


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
