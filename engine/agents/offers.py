"""The tools as a model is offered them: name, description, and a JSON schema of the arguments."""

from __future__ import annotations

from collections.abc import Sequence

from engine.harnesses import TIME_TOOL
from engine.models.types import ToolSchema

_BASH = ToolSchema(
    "bash",
    "Run a command in the session's bash shell and get its output and exit code. The shell keeps "
    "its working directory, variables and functions from call to call.",
    {
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "The command, or several lines of bash."},
            "timeout_sec": {
                "type": "number",
                "description": "Stop the command after this many seconds.",
            },
        },
        "required": ["command"],
        "additionalProperties": False,
    },
)
_EDIT = ToolSchema(
    "edit",
    "Create or replace a file with `content`, or replace the one place where `old_text` stands in "
    "it with `new_text`. Relative paths are below the working directory of the task.",
    {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "The file."},
            "content": {"type": "string", "description": "The file's whole new content."},
            "old_text": {"type": "string", "description": "Text that occurs exactly once in it."},
            "new_text": {"type": "string", "description": "What shall stand there instead."},
        },
        "required": ["path"],
        "additionalProperties": False,
    },
)
_READ = ToolSchema(
    "read",
    "Read a text file, or some lines of it. Relative paths are below the working directory of the "
    "task. The answer begins with which of its lines follow.",
    {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "The file."},
            "first_line": {"type": "integer", "description": "The first line wanted, from 1."},
            "lines": {"type": "integer", "description": "How many lines; without it, all."},
        },
        "required": ["path"],
        "additionalProperties": False,
    },
)
_TIME_LEFT = ToolSchema(
    TIME_TOOL,
    "Say how much of the session's budget is left. It costs nothing but the turn.",
    {"type": "object", "properties": {}, "additionalProperties": False},
)
_SUBMIT = ToolSchema(
    "submit",
    "Ask to end the session. When it ends, the editable files are judged as they are then.",
    {"type": "object", "properties": {}, "additionalProperties": False},
)
_SCHEMAS = {schema.name: schema for schema in (_BASH, _EDIT, _READ, _SUBMIT, _TIME_LEFT)}


def schemas(names: Sequence[str]) -> list[ToolSchema]:
    """The tools of these names, as a model is offered them."""
    return [_SCHEMAS[name] for name in names]
