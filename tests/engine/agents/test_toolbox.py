"""The tools: whatever a model asks for gets an answer that it can act on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agents.conversation import conversation
from engine.agents.offers import schemas
from engine.agents.stopping import answers_without_calls
from engine.agents.toolbox import (
    CommandOutput,
    FileTroubleError,
    Output,
    Toolbox,
    printed,
    summary,
)
from engine.agents.tools import unanswered
from engine.models.types import ToolCall


class Desk:
    """Hands over a dictionary of files; commands are echoed."""

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.ran: list[tuple[str, str, float]] = []

    async def run(self, command_id: str, script: str, seconds: float) -> CommandOutput:
        self.ran.append((command_id, script, seconds))
        return CommandOutput(script.encode(), 3, 1.25, "the shell was started anew")

    async def press(self, name: str, keystrokes: str, seconds: float) -> None:
        self.ran.append((name, keystrokes, seconds))

    async def screen(self) -> bytes:
        return b"\xff $"

    async def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileTroubleError(f"cannot read {path}: No such file or directory")
        return self.files[path]

    async def write(self, path: str, data: bytes) -> None:
        self.files[path] = data


async def use(desk: Desk, name: str, arguments: Any, again: bool = False) -> Output:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return await Toolbox(desk, 60.0, 100.0, 40).use(ToolCall("c", name, text), "1-0", again)


async def test_bash_says_how_it_ended() -> None:
    desk = Desk()
    result = await use(desk, "bash", {"command": "make"})
    assert result == Output("make\n[exit code 3, 1.2 s; the shell was started anew]", 3)
    await use(desk, "bash", {"command": "make", "timeout_sec": 5000})
    await use(desk, "bash", {"command": "make", "timeout_sec": -1})
    assert [ran[2] for ran in desk.ran] == [60.0, 100.0, 1.0]


async def test_keys_wait_as_long_as_they_may() -> None:
    desk = Desk()
    for duration in (None, 5, 5000, -1):
        pressed = await use(desk, "keys", {"keystrokes": "ls\n", "duration": duration})
        assert pressed.code == 0
    assert [ran[2] for ran in desk.ran] == [60.0, 5.0, 100.0, 0.0]
    assert await Toolbox(desk, 1, 1, 40).screen() == "\ufffd $"


async def test_edit_creates_and_replaces() -> None:
    desk = Desk()
    assert (await use(desk, "edit", {"path": "a.c", "content": "one two one"})).code == 0
    changed = await use(desk, "edit", {"path": "a.c", "old_text": "two", "new_text": "2"})
    assert (changed.code, desk.files["a.c"]) == (0, b"one 2 one")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": "a.c"}, "give content, or both"),
        ({"path": "a.c", "content": "x", "old_text": "y"}, "not both"),
        ({"path": "a.c", "old_text": "", "new_text": "y"}, "old_text is empty"),
        ({"path": "a.c", "old_text": "y", "new_text": "z"}, "does not occur in a.c"),
        ({"path": "a.c", "old_text": "one", "new_text": "z"}, "occurs 2 times in a.c"),
        ({"path": "b.c", "old_text": "one", "new_text": "z"}, "cannot read b.c: No such file"),
        ({"path": 5}, "the arguments of edit do not fit"),
        ({"path": "a.c", "text": "x"}, "unknown field `text`"),
        ("{", "not a JSON object"),
        ("[]", "do not fit"),
    ],
)
async def test_an_edit_that_makes_no_sense_is_explained(arguments: Any, said: str) -> None:
    desk = Desk(**{"a.c": b"one two one"})
    result = await use(desk, "edit", arguments)
    assert said in result.text
    assert result.code
    assert desk.files == {"a.c": b"one two one"}


async def test_an_edit_that_was_done_before_a_restart_is_not_done_twice() -> None:
    asked = {"path": "a", "old_text": "slow", "new_text": "fast"}
    assert (await use(Desk(a=b"fast"), "edit", asked, again=True)).code == 0
    assert (await use(Desk(a=b"fast"), "edit", asked)).code == 1


TEXT = b"".join(b"line %d\n" % n for n in range(1, 8))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": "a"}, "[a: lines 1 to 5 of 7; go on with first_line = 6]\nline 1\n"),
        ({"path": "a", "first_line": 6}, "[a: lines 6 to 7 of 7]\nline 6\nline 7\n"),
        ({"path": "a", "first_line": 2, "lines": 1}, "[a: lines 2 to 2 of 7]\nline 2\n"),
        ({"path": "a", "first_line": 7, "lines": 99}, "[a: lines 7 to 7 of 7]\nline 7\n"),
        ({"path": "empty"}, "[empty: no line of 0]\n"),
        ({"path": "latin"}, "[latin: lines 1 to 1 of 1]\ncaf\ufffd"),
        ({"path": "wide"}, "lines 1 to 1 of 2; go on with first_line = 2]\n" + "w" * 20 + "\n[..."),
    ],
)
async def test_read_shows_as_many_whole_lines_as_fit(arguments: Any, said: str) -> None:
    files = {"a": TEXT, "empty": b"", "latin": b"caf\xe9", "wide": b"w" * 99 + b"\nx\n"}
    result = await use(Desk(**files), "read", arguments)
    assert result.code == 0
    assert said in result.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": "a", "first_line": 8}, "a has 7 lines only"),
        ({"path": "a", "first_line": 0}, "count from 1"),
        ({"path": "a", "lines": 0}, "count from 1"),
        ({"path": "b"}, "cannot read b: No such file"),
        ({"path": "binary"}, "no text file (3 bytes)"),
        ({"path": "a", "line": 3}, "unknown field `line`"),
    ],
)
async def test_a_read_that_makes_no_sense_is_explained(arguments: Any, said: str) -> None:
    result = await use(Desk(a=TEXT, binary=b"a\0b"), "read", arguments)
    assert said in result.text
    assert result.code


@given(st.text(max_size=200), st.integers(1, 5))
async def test_reading_on_and_on_gives_the_whole_file(text: str, lines: int) -> None:
    data = "\n".join(line[:30] for line in text.replace("\0", "").split("\n")).encode()
    seen, first = "", 1
    while data:
        asked = {"path": "a", "first_line": first, "lines": lines}
        result = await use(Desk(a=data), "read", asked)
        assert result.code == 0
        head, _, shown = result.text.partition("\n")
        seen += shown
        last, _, count = head.removesuffix("]").partition(" to ")[2].split(";")[0].partition(" of ")
        if int(last) == int(count):
            assert seen == data.decode()
            break
        first = int(last) + 1


async def test_a_tool_that_there_is_not() -> None:
    unknown = await use(Desk(), "python", {})
    assert "no tool 'python'; the tools are bash, edit, read" in unknown.text


@given(st.text(max_size=20), st.text(max_size=60))
async def test_no_call_is_an_exception(name: str, arguments: str) -> None:
    result = await use(Desk(), name, arguments)
    assert result.text
    for tool in ("bash", "edit", "read"):
        assert (await use(Desk(), tool, arguments)).text
    assert summary(ToolCall("c", name, arguments)) is not None


def test_long_output_keeps_head_and_tail_and_counts_the_rest() -> None:
    shown = printed(b"a" * 50 + b"b" * 50, 20)
    assert shown == "a" * 10 + "\n[... 80 characters left out ...]\n" + "b" * 10
    assert printed(b"\xff ok", 20) == "\ufffd ok"


def test_a_call_in_one_line() -> None:
    assert summary(ToolCall("c", "bash", '{"command": "make\\n  bench"}')) == "make bench"
    assert summary(ToolCall("c", "edit", '{"path": "solve.c", "content": "..."}')) == "solve.c"
    assert summary(ToolCall("c", "bash", "[")) == ""


@pytest.mark.parametrize("arguments", ["[" * 100_000, '{"command": ' * 100_000])
async def test_arguments_nested_beyond_reading_are_an_answer(arguments: str) -> None:
    assert summary(ToolCall("c", "bash", arguments)) == ""
    for tool in ("bash", "edit", "read"):
        assert (await use(Desk(), tool, arguments)).code == 2


def test_schemas_are_objects_with_properties() -> None:
    for schema in schemas(["bash", "edit", "read", "submit", "time_left"]):
        assert schema.parameters["type"] == "object"
        assert set(schema.parameters.get("required", [])) <= set(schema.parameters["properties"])


def answer(*ids: str) -> dict[str, Any]:
    calls = [{"id": i, "name": "bash", "arguments": "{}"} for i in ids]
    return {"kind": "assistant", "text": "t", "reasoning": "", "tool_calls": calls}


def result(call: str) -> dict[str, Any]:
    return {"kind": "tool", "call": call, "output": "o"}


def test_what_is_still_to_be_done_is_read_from_the_conversation() -> None:
    user, note = {"kind": "user", "text": "u"}, {"kind": "note", "text": "n"}
    assert unanswered([user]) == []
    assert [c.id for c in unanswered([user, answer("a", "b")])] == ["a", "b"]
    assert [c.id for c in unanswered([user, answer("a", "b"), result("a"), note])] == ["b"]
    assert unanswered([user, answer("a"), result("a")]) == []
    assert unanswered([answer("a"), user]) == []
    assert answers_without_calls([user, answer("a"), result("a"), answer(), user, answer()]) == 2
    roles = [m.role for m in conversation([user, note, answer("a"), result("a")])]
    assert roles == ["user", "assistant", "tool"]
