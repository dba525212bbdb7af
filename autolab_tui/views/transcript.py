"""A transcript's entries as lines: who spoke, what was called, what came back, folded.

Entries are dictionaries from the engine (docs/architecture.md says of which form) that agents and
tools filled: any field may be missing or of another kind, and none is trusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut, plain, wrapped
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views.layout import between, pad
from autolab_tui.views.markdown import coloured
from engine.entries import arguments_of, calls_of

FOLDED = 4  # lines of an entry that are seen while it is folded
OPENED = 1000  # and at most when it is open
_INDENT = 3
_CHARACTERS = 200_000  # of one field that are looked at
_DEEPEST = 20  # parts within parts

Entry = Mapping[str, Any]


class Page(NamedTuple):
    """What is written on: how wide it is, and with which signs."""

    cells: int
    glyphs: Glyphs


def entry_lines(entry: Entry, opened: bool, page: Page) -> list[Line]:
    """The lines of one entry on a page."""
    kind = _text(entry.get("kind"))
    most = OPENED if opened else FOLDED
    if kind == "assistant":
        return _assistant(entry, opened, page)
    if kind == "tool":
        title, role = _result(entry)
        body = _text(entry.get("output"))
        return [_heading((title, role), "", page), *_body(body, "output", most, page)]
    if kind == "output":  # of an agent that is a program in the sandbox
        body = _text(entry.get("text"))
        heading = _heading(("agent prints", "dim"), time_of(entry), page)
        return [heading, *_body(body, "output", most, page)]
    if kind == "note":
        body = _text(entry.get("text"))
        return _body(f"note: {body}", "dim", most, page)
    most = 1 if kind == "system" and not opened else most
    named: Span = (_replaced(entry) or plain(kind) or "entry", "title")
    at = time_of(entry)
    return [_heading(named, at, page), *_body(_text(entry.get("text")), "said", most, page)]


def text_of(entry: Entry) -> str:
    """What an entry says, whole: for the clipboard, so without a terminal's control characters."""
    parts = [_text(entry.get(key)) for key in ("reasoning", "text", "output")]
    parts += [_written(call.get("arguments"), indent=1) for call in calls_of(entry)]
    lines = [plain(line) for part in parts if part for line in part.split("\n")]
    return "\n".join(lines)


def live_lines(live: Mapping[str, Any], page: Page) -> list[Line]:
    """The turn that is being streamed: the end of what it said so far."""
    lines = [_heading(("assistant", "title"), f"writing {page.glyphs.more}", page)]
    reasoning, text = _text(live.get("reasoning")), _text(live.get("text"))
    if reasoning:
        lines += _tail(reasoning, "thought", page)
    if text:
        lines += _tail(text, "said", page)
    tool = _text(live.get("tool"))
    if tool:
        lines += _tail(f"calls {plain(tool)}", "tool", page)
    return lines


def time_of(entry: Entry) -> str:
    """An entry's local time of day, or nothing."""
    try:
        return words.time_of_day(datetime.fromisoformat(str(entry.get("at"))).timestamp())
    except (ValueError, OverflowError, OSError):
        return ""


def call_summary(call: Mapping[str, Any]) -> str:
    """A tool call in one line: its name and the argument that tells most."""
    name = plain(_text(call.get("name"))) or "tool"
    arguments = arguments_of(call)
    if isinstance(arguments, str):
        return f"{name} {plain(arguments)}"
    if not isinstance(arguments, Mapping):
        return name
    for key in ("command", "path"):
        if isinstance(arguments.get(key), str):
            return f"{name} {plain(arguments[key])}"
    return f"{name} {plain(_written(arguments))}" if arguments else name


def _assistant(entry: Entry, opened: bool, page: Page) -> list[Line]:
    most = OPENED if opened else FOLDED
    lines = [_heading(("assistant", "title"), time_of(entry), page)]
    reasoning = _text(entry.get("reasoning"))
    if reasoning:
        lines += _body(reasoning, "thought", OPENED if opened else 2, page)
    text = _text(entry.get("text"))
    if text:
        lines += _body(text, "said", OPENED if opened else 12, page)
    for call in calls_of(entry):
        sign = page.glyphs.opened if opened else page.glyphs.folded
        summary = cut(call_summary(call), max(8, page.cells - _INDENT - 3))
        lines.append(
            tuple(pad([(" " * _INDENT, "text"), (f"{sign} {summary}", "tool")], page.cells))
        )
        if opened:
            lines += _body(_arguments(call), "output", most, page)
    return lines


def _arguments(call: Mapping[str, Any]) -> str:
    arguments = arguments_of(call)
    if isinstance(arguments, Mapping):
        return "\n".join(
            value if isinstance(value, str) else f"{key} = {_written(value)}"
            for key, value in arguments.items()
        )
    return "" if arguments is None else str(arguments)


def _written(value: object, indent: int | None = None) -> str:
    """A value as JSON; what is nested beyond what can be written, as much as it takes to say so."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    except RecursionError:
        return "(nested too deeply to be shown)"


def _result(entry: Entry) -> Span:
    """How a tool call ended, in words."""
    name = plain(_text(entry.get("name"))) or "tool"
    code, seconds = entry.get("code"), entry.get("seconds")
    took = f" after {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    if code is None:
        return f"{name} was cut off{took}", "warn"
    if code == 0:
        return f"{name} done{took}", "dim"
    return f"{name} ended with code {plain(str(code))}{took}", "bad"


def _replaced(entry: Entry) -> str:
    """For a summary: the entries in whose place the model reads it."""
    replaces = entry.get("replaces")
    if entry.get("kind") != "summary" or not isinstance(replaces, Sequence) or len(replaces) != 2:
        return ""
    return f"summary in place of entries {plain(str(replaces[0]))} to {plain(str(replaces[1]))}"


def _heading(title: Span, at: str, page: Page) -> Line:
    return between([(" ", "text"), title], [(at, "dim"), (" ", "text")], page.cells)


def _body(text: str, role: Role, most: int, page: Page) -> list[Line]:
    """The first `most` lines of a text, indented, and how many more there are."""
    indent: Span = (" " * _INDENT, "text")
    room = max(4, page.cells - _INDENT - 1)
    every = _spans(text[:_CHARACTERS].strip("\n"), role, room) if text else []
    lines = [tuple(pad([indent, *spans], page.cells)) for spans in every[:most]]
    if len(every) > most:
        more = f"{page.glyphs.folded} {words.plural(len(every) - most, 'more line')}"
        lines.append(tuple(pad([indent, (more, "dim")], page.cells)))
    return lines


def _tail(text: str, role: Role, page: Page) -> list[Line]:
    every = _spans(text[-4000:].strip("\n"), role, max(4, page.cells - _INDENT - 1))[-12:]
    return [tuple(pad([(" " * _INDENT, "text"), *spans], page.cells)) for spans in every]


def _spans(text: str, role: Role, cells: int) -> list[list[Span]]:
    """What a model says is coloured as Markdown; what tools print is not."""
    if role == "said":
        return coloured(text, cells, role)
    return [[(line, role)] for line in wrapped(text, cells)]


def _text(value: object, depth: int = 0) -> str:
    """A field as text; what a model sent as parts is joined."""
    if depth > _DEEPEST:
        return ""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\n".join(_text(part, depth + 1) for part in value)
    if isinstance(value, Mapping):
        return _text(value["text"], depth + 1) if "text" in value else _written(value)
    return str(value)
