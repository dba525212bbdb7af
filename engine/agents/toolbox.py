"""What the tools that work in the sandbox take, and what they do.

Whatever a model asks for is data. A call that makes no sense gets an answer that the model can act
on; it never ends the session.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from engine.models.types import ToolCall

WORKDIR = "/app"
KEYS = "keys"  # what a model in a terminal does; never offered as a tool
EDIT_LIMIT = 4 << 20
_BINARY_PROBE = 8192


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool call gave: the text that the model sees and the exit code (None: cut off)."""

    text: str
    code: int | None = 0
    submitted: bool = False


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What a command printed and how it ended. `note` says in words if it was cut short."""

    output: bytes
    code: int | None
    seconds: float
    note: str = ""


class FileTroubleError(Exception):
    """A file in the sandbox cannot be read or written; the message is for the model."""


class Hands(Protocol):
    """What tools act through: one session's sandbox."""

    async def run(self, command_id: str, script: str, seconds: float) -> CommandOutput:
        """Run a script in the session's shell for at most `seconds`.

        The same id again joins the same command.
        """
        ...

    async def result(self, command_id: str) -> CommandOutput | None:
        """How a command of an earlier sandbox ended or was cut short; None for one unknown."""
        ...

    async def press(self, name: str, keystrokes: str, seconds: float) -> None:
        """Press keys in the session's terminal and let it work for `seconds`.

        The same name again presses nothing. Raises `FileTroubleError`.
        """
        ...

    async def screen(self) -> bytes:
        """What the terminal shows, with what scrolled away. Raises `FileTroubleError`."""
        ...

    async def read(self, path: str) -> bytes:
        """A file's content. Raises `FileTroubleError`."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Create or replace a file. Raises `FileTroubleError`."""
        ...


class Keys(msgspec.Struct, frozen=True):
    """Keystrokes and how long to wait after them (seconds; None: as long as usual)."""

    keystrokes: str
    duration: float | None = None


class Bash(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `bash`."""

    command: str
    timeout_sec: float | None = None


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `edit`: either `content`, or `old_text` and `new_text`."""

    path: str
    content: str | None = None
    old_text: str | None = None
    new_text: str | None = None


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `read`: a file, the first line wanted (from 1) and how many lines."""

    path: str
    first_line: int = 1
    lines: int | None = None


def summary(call: ToolCall) -> str:
    """One line that tells an operator what the call does."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(arguments, dict):
        return ""
    telling = {"bash": "command", KEYS: "keystrokes"}.get(call.name, "path")
    shown = arguments.get(telling)
    line = " ".join(str(shown or "").split())
    return line if len(line) <= 120 else line[:119] + "…"


class Toolbox:
    """Carries out tool calls through a session's hands."""

    def __init__(self, hands: Hands, timeout: float, timeout_max: float, output_chars: int) -> None:
        self._hands = hands
        self._timeout = timeout
        self._timeout_max = timeout_max
        self._output_chars = output_chars

    async def use(
        self, call: ToolCall, command_id: str, again: bool = False, lost: bool = False
    ) -> Output:
        """Carry out one call.

        `again` says that it may have happened before (after a restart); `lost`, that it had begun
        in a sandbox that is gone, so that a command must not simply be run a second time.
        """
        try:
            return await self._carry_out(call, command_id, again, lost)
        except msgspec.ValidationError as error:
            return Output(f"the arguments of {call.name} do not fit: {error}", 2)
        except ValueError as error:
            return Output(f"the arguments of {call.name} are not a JSON object: {error}", 2)

    async def _carry_out(self, call: ToolCall, command_id: str, again: bool, lost: bool) -> Output:
        match call.name:
            case "bash":
                return await self._bash(_read(call, Bash), command_id, lost)
            case "keys" if lost:
                return Output("the terminal was lost while these keys were pressed", 1)
            case "keys":
                return await self._keys(_read(call, Keys), command_id)
            case "edit":
                return await self._edit(_read(call, Edit), again)
            case "read":
                return await self._read(_read(call, Read))
        return no_such_tool(call.name, ("bash", "edit", "read"))

    async def _bash(self, asked: Bash, command_id: str, lost: bool) -> Output:
        timeout = asked.timeout_sec if asked.timeout_sec is not None else self._timeout
        timeout = min(max(1.0, timeout), self._timeout_max)
        result = await self._hands.result(command_id) if lost else None
        if result is None:
            result = await self._hands.run(command_id, asked.command, timeout)
        text = printed(result.output, self._output_chars)
        ending = "cut off" if result.code is None else f"exit code {result.code}"
        notes = f"; {result.note}" if result.note else ""
        gap = "" if not text or text.endswith("\n") else "\n"
        return Output(f"{text}{gap}[{ending}, {result.seconds:.1f} s{notes}]", result.code)

    async def _read(self, asked: Read) -> Output:
        if asked.first_line < 1 or (asked.lines is not None and asked.lines < 1):
            return Output("first_line and lines count from 1", 2)
        try:
            data = await self._hands.read(asked.path)
        except FileTroubleError as error:
            return Output(str(error), 1)
        if b"\0" in data[:_BINARY_PROBE]:
            return Output(f"{asked.path} is no text file ({len(data)} bytes)", 1)
        # Lines as editors and grep count them: other separators than \n are text.
        lines = list(io.StringIO(data.decode("utf-8", "replace"), newline="\n"))
        start = asked.first_line - 1
        if start >= len(lines) > 0:
            return Output(f"{asked.path} has {len(lines)} lines only", 1)
        end = len(lines) if asked.lines is None else min(len(lines), start + asked.lines)
        shown, used = start, 0
        while shown < end and used + len(lines[shown]) <= self._output_chars:
            used += len(lines[shown])
            shown += 1
        if shown == start and start < end:  # one line that is longer than all that may be shown
            text, shown = printed(lines[start].encode(), self._output_chars), start + 1
        else:
            text = "".join(lines[start:shown])
        rest = "" if shown >= end else f"; go on with first_line = {shown + 1}"
        which = f"lines {start + 1} to {shown}" if lines else "no line"
        return Output(f"[{asked.path}: {which} of {len(lines)}{rest}]\n{text}")

    async def screen(self) -> str:
        """What the session's terminal shows. Raises `FileTroubleError`."""
        return (await self._hands.screen()).decode("utf-8", "replace")

    async def _keys(self, asked: Keys, command_id: str) -> Output:
        duration = self._timeout if asked.duration is None else asked.duration
        duration = min(max(0.0, duration), self._timeout_max)
        try:
            await self._hands.press(command_id, asked.keystrokes, duration)
        except FileTroubleError as error:
            return Output(str(error), 1)
        return Output(f"pressed, then waited {duration:g} s")

    async def _edit(self, asked: Edit, again: bool) -> Output:
        try:
            if asked.content is not None:
                if asked.old_text is not None or asked.new_text is not None:
                    return Output("give either content, or old_text and new_text, not both", 2)
                return await self._replace(asked.path, asked.content)
            if asked.old_text is None or asked.new_text is None:
                return Output("give content, or both old_text and new_text", 2)
            if not asked.old_text:
                return Output("old_text is empty; give content to create or replace a file", 2)
            return await self._exchange(asked.path, asked.old_text, asked.new_text, again)
        except FileTroubleError as error:
            return Output(str(error), 1)

    async def _replace(self, path: str, content: str) -> Output:
        data = content.encode("utf-8", "replace")
        if len(data) > EDIT_LIMIT:
            return Output(f"{path}: {len(data)} bytes are more than an edit may write", 1)
        await self._hands.write(path, data)
        return Output(f"wrote {path} ({len(data)} bytes)")

    async def _exchange(self, path: str, old: str, new: str, again: bool) -> Output:
        before = await self._hands.read(path)
        wanted, given = old.encode("utf-8", "replace"), new.encode("utf-8", "replace")
        found = before.count(wanted)
        if found != 1:
            if again and found == 0 and given and before.count(given) == 1:
                return Output(f"edited {path}")  # it was done before the engine was restarted
            where = "does not occur" if found == 0 else f"occurs {found} times"
            more = "read the file again" if found == 0 else "give more of the lines around it"
            return Output(f"old_text {where} in {path}, and must occur exactly once; {more}", 1)
        await self._hands.write(path, before.replace(wanted, given))
        return Output(f"edited {path}")


def no_such_tool(name: str, known: Sequence[str]) -> Output:
    """The answer to a call of a tool that is not there."""
    return Output(f"there is no tool {name!r}; the tools are {', '.join(known)}", 2)


def printed(output: bytes, limit: int) -> str:
    """Command output as text, with its middle left out above `limit` characters."""
    return excerpt(output.decode("utf-8", "replace"), limit)


def excerpt(text: str, limit: int) -> str:
    """A text with its middle left out above `limit` characters."""
    if len(text) <= limit:
        return text
    half = max(0, limit) // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n[... {left_out} characters left out ...]\n{text[len(text) - half :]}"


def _read(call: ToolCall, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(call.arguments or "{}", type=kind, strict=False)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
