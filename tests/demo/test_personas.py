"""Each persona's path, walked against a workspace that answers like the real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from autolab_tui.demo import hasty, persistent, personas, spinner
from autolab_tui.demo.material import stages
from autolab_tui.demo.measured import best_seconds, spoken
from autolab_tui.demo.turn import Call, Conversation, Turn
from engine.agents.toolbox import Bash, Edit
from tasks import load_suite

SCHEMAS = {"bash": Bash, "edit": Edit, "submit": dict}


def walk(name: str, most: int = 40) -> Iterator[tuple[Turn, list[dict[str, Any]]]]:
    """Turns of a persona, each with the messages that it saw; ends after `submit`."""
    persona = personas.find(name)
    assert persona is not None
    messages: list[dict[str, Any]] = [{"role": "user", "content": "improve it"}]
    milliseconds = 320.0
    for _ in range(most):
        turn = persona(Conversation(messages))
        assert persona(Conversation(messages)) == turn  # a repeated request gets the same answer
        yield turn, list(messages)
        if any(call.name == "submit" for call in turn.calls):
            return
        messages.append({"role": "assistant", "content": turn.text})
        for call in turn.calls:
            output = "ok"
            if "bench_median time" in str(call.arguments.get("command")):
                milliseconds /= 2
                output = (
                    f"448x448 radius 9: median {milliseconds:.3f} ms of 5\n[exit code 0, 9.9 s]"
                )
            messages.append({"role": "tool", "content": output})


def calls(name: str, most: int = 40) -> list[Call]:
    return [call for turn, _ in walk(name, most) for call in turn.calls]


@pytest.mark.parametrize("name", personas.NAMES)
def test_every_call_fits_the_schema_of_the_engines_tools(name: str) -> None:
    for call in calls(name):
        msgspec.json.decode(call.encoded, type=SCHEMAS[call.name])


@pytest.mark.parametrize("name", personas.NAMES)
def test_every_turn_says_something_and_calls_a_tool(name: str) -> None:
    for turn, _ in walk(name):
        assert turn.text.strip()
        assert turn.calls


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("persistent", persistent.TASK),
        ("hasty", hasty.TASK),
        ("spinner", spinner.TASK),
    ],
)
def test_edits_touch_only_editable_files_of_the_shipped_task(name: str, task: str) -> None:
    found = load_suite().get(task)
    paths = {str(call.arguments["path"]) for call in calls(name) if call.name == "edit"}
    assert paths
    assert all(found.editable(path) for path in paths)


def test_persistent_applies_every_stage_in_order_and_measures_after_each() -> None:
    done = calls("persistent")
    edits = [call.arguments["content"] for call in done if call.name == "edit"]
    expected = [content for stage in stages(persistent.TASK) for content in stage.files.values()]
    assert edits == expected
    for index, call in enumerate(done):
        if call.name == "edit":
            assert "bench_median time" in str(done[index + 1].arguments["command"])
    assert done[-1].name == "submit"
    assert [call.name for call in done].count("submit") == 1


def test_persistent_speaks_of_what_it_measured() -> None:
    said = [turn.text for turn, _ in walk("persistent")]
    assert "The baseline takes 160 ms." in said[2]
    assert any("2.0 times as fast as at the start" in text for text in said)
    assert "From 160 ms to" in said[-1]


def test_hasty_sets_one_modest_flag_checks_once_and_submits() -> None:
    done = calls("hasty")
    assert [call.name for call in done] == ["bash", "bash", "bash", "edit", "bash", "submit"]
    allowed = load_suite().get(hasty.TASK).autolab
    assert allowed is not None
    assert allowed.flags is not None
    assert set(hasty.FLAGS.split()) <= set(allowed.flags.allow)


def test_spinner_improves_once_and_never_ends_by_itself() -> None:
    done = calls("spinner", most=100)
    assert [call.name for call in done].count("edit") == 1
    assert "submit" not in {call.name for call in done}
    assert all(call.arguments.get("path") != "placement.txt" for call in done[3:])
    assert len(done) > 95


def test_a_request_after_the_end_gets_the_end_again() -> None:
    *_, (last, messages) = walk("persistent")
    messages += [{"role": "assistant", "content": ""}, {"role": "tool", "content": ""}] * 3
    assert persistent.play(Conversation(messages)).calls == last.calls


def test_stages_come_with_their_reason() -> None:
    for task in (persistent.TASK, spinner.TASK):
        for stage in stages(task):
            assert stage.files
            assert len(stage.reason) > 20
            assert "\n" not in stage.reason


@pytest.mark.parametrize(
    ("output", "seconds"),
    [
        ("448x448 radius 9: median 320.5 ms of 5\n", 0.3205),
        ("median 1.5 s\nmedian 20 us\n", 20e-6),
        ("check: ok\n[exit code 0, 3.2 s]", None),
        ("", None),
        ("median 0.000 ms", None),
    ],
)
def test_measurements_are_read_from_what_the_bench_prints(
    output: str, seconds: float | None
) -> None:
    assert best_seconds(output) == (None if seconds is None else pytest.approx(seconds))


def test_seconds_are_spoken_as_people_do() -> None:
    assert (spoken(1.234), spoken(0.0384), spoken(0.32)) == ("1.23 s", "38.4 ms", "320 ms")


def test_unknown_models_are_nobody() -> None:
    assert personas.find("gpt") is None
