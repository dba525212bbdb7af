"""What commands print holds nothing that a terminal obeys, whoever wrote it."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from autolab_tui.cli import failures, lines, logs, output
from autolab_tui.glyphs import UNICODE
from autolab_tui.views.transcript import Page, entry_lines, text_of
from engine.analysis.comparison import ComparisonError, compare
from engine.events import AlertRaised, Event
from engine.offline.atif import trajectory
from tests.app.journal import Journal

OBEYED = "a\x1b[31m\x1b]0;t\x07b\x9b2Jc\x85\x7f\u202ed\u2066\u2028\U000e0041\udc80\r\t\x00"
DEEP = '{"a":' * 5000


def obeyed(text: str) -> set[str]:
    kinds = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return {c for c in text if c != "\n" and unicodedata.category(c) in kinds}


def test_json_says_the_same_without_what_a_terminal_obeys() -> None:
    value = {"text": OBEYED, OBEYED: [1, "漢字 é"]}
    printed = output.as_json(value)
    assert obeyed(printed) == set()
    assert json.loads(printed) == value
    assert "漢字 é" in printed


def test_a_failure_says_its_line_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise failures.CommandError(f"no model {OBEYED}\nis known")

    assert failures.guarded(command) == 1
    said = capsys.readouterr().err
    assert obeyed(said) == set()
    assert said.startswith("autolab: no model a")
    assert said.count("\n") == 1


ENTRIES: list[dict[str, Any]] = [
    {"n": 0, "kind": OBEYED, "text": OBEYED},
    {"n": 1, "kind": "assistant", "reasoning": OBEYED, "text": OBEYED, "tool_calls": [
        {"id": "c", "name": OBEYED, "arguments": json.dumps({OBEYED: OBEYED})},
        {"id": "d", "name": "x", "arguments": DEEP}, OBEYED, {}]},
    {"n": 2, "kind": "tool", "name": OBEYED, "code": OBEYED, "seconds": OBEYED, "output": OBEYED},
    {"n": 3, "kind": "tool"},
    {"n": 4, "kind": "assistant", "tool_calls": OBEYED},
    {"n": 5, "kind": "summary", "how": OBEYED, "replaces": [OBEYED, 2], "before": 1, "after": 2,
     "text": OBEYED},
]  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["n"]))
def test_whatever_stands_in_a_transcript_is_text(entry: dict[str, Any]) -> None:
    printed = "\n".join(logs.lines_of(entry))
    assert obeyed(printed) == set()
    shown = entry_lines(entry, True, Page(80, UNICODE))
    assert obeyed("".join(text for line in shown for text, _ in line)) == set()
    assert obeyed(text_of(entry)) == set()


def test_a_text_beyond_all_measure_is_cut_and_says_so() -> None:
    text = "\n" * 1_000_001 + "x" * 41
    *_, last = logs.lines_of({"n": 1, "kind": "tool", "output": text})
    assert last == "... 42 more characters; --json shows them"
    assert text in json.loads(output.as_json({"a": text}))["a"]


@pytest.mark.parametrize("many", [1, 3000])
def test_few_and_many_kinds_of_obeyed_characters_are_written_alike(many: int) -> None:
    kinds = [*OBEYED, *map(chr, range(0xD800, 0xE000))][:many]
    value = ["".join(kinds), "\u202e" * 1000 + "a"]
    printed = output.as_json(value)
    assert obeyed(printed) == set()
    assert [text.encode("utf-16", "surrogatepass") for text in json.loads(printed)] == [
        text.encode("utf-16", "surrogatepass") for text in value
    ]


def test_a_transcript_of_anything_can_be_exported() -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1")
    entries = [{"at": "2025-11-24T16:00:00.000Z", **entry} for entry in ENTRIES]
    made = trajectory(journal.state().sessions["s-1"], entries, {}, "0")
    assert made is not None
    assert [call["function_name"] for call in made["steps"][1]["tool_calls"]][1:] == ["x", "None"]


def test_events_and_complaints_name_things_harmlessly() -> None:
    event = Event("e", 1, 0.0, "b", 0.0, OBEYED, AlertRaised(alert="x", text=OBEYED))
    assert obeyed(lines.line(event) or "") == set()
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1", model="m" * 5000)
    with pytest.raises(ComparisonError) as caught:
        compare(journal.state(), list(journal.state().sessions.values()), "a", "b")
    assert len(str(caught.value)) < 400
