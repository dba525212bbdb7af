"""`autolab harness`: what there is, what it says, and in what two of them differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autolab_tui.cli import main
from engine.harnesses import names, user_folder
from tests.cli.shapes import check


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLAB_CONFIG", str(tmp_path / "config"))


def write(name: str, text: str) -> None:
    user_folder().mkdir(parents=True, exist_ok=True)
    (user_folder() / f"{name}.toml").write_text(text)


def printed(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert main(line) == 0
    return capsys.readouterr().out


def test_list_has_the_presets_and_the_operators_own(capsys: pytest.CaptureFixture[str]) -> None:
    write("mine", 'extends = "minimal"\ntime = "every-turn"\n')
    write("bad", 'extends = "minimal"\ntime = "often"\n')
    found = json.loads(printed(capsys, "harness", "list", "--json"))
    check(found)
    assert [h["name"] for h in found["harnesses"]] == [n for n in names() if n != "bad"]
    assert "time = 'often'" in found["broken"][0]["error"]
    text = printed(capsys, "harness", "list")
    assert "bad.toml: time = 'often' does not fit" in text
    row = next(line for line in text.splitlines() if line.startswith("mine"))
    assert "every-turn" in row
    assert row.endswith(str(user_folder() / "mine.toml"))


def test_show_has_every_knob_as_it_takes_effect(capsys: pytest.CaptureFixture[str]) -> None:
    write("mine", 'extends = "scored"\ndescription = "red \\u001b[31m text"\n')
    found = json.loads(printed(capsys, "harness", "show", "mine", "--json"))
    check(found)
    assert found["knobs"]["feedback"] == "score"
    text = printed(capsys, "harness", "show", "mine")
    assert found["hash"] in text
    for knob, value in found["knobs"].items():
        if knob != "system":
            assert f"\n{knob} " in text, value
    assert "{editable}" in text
    assert "\x1b" not in text


def test_show_has_the_command_of_an_agent_of_somebody_elses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(
        "mine",
        'extends = "minimal"\nloop = "command"\ntools = []\nprogram = "/opt/x"\n'
        'command = ["my-agent", "--task", "{instruction_file}"]\n',
    )
    found = json.loads(printed(capsys, "harness", "show", "mine", "--json"))
    check(found)
    assert found["knobs"]["command"] == ["my-agent", "--task", "{instruction_file}"]
    text = printed(capsys, "harness", "show", "mine")
    assert '["my-agent", "--task", "{instruction_file}"]' in text
    assert "/opt/x" in text
    assert "command" in printed(capsys, "harness", "list")
    found = json.loads(printed(capsys, "harness", "diff", "minimal", "mine", "--json"))
    assert {d["knob"] for d in found["differences"]} == {"loop", "tools", "command", "program"}


def test_diff_has_the_knobs_that_differ_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "harness", "diff", "minimal", "timeaware", "--json"))
    check(found)
    assert found["same"] is False
    assert found["differences"] == [
        {"knob": "time", "a": "start", "b": "every-turn"},
        {"knob": "stop", "a": "agent", "b": "confirm"},
    ]
    text = printed(capsys, "harness", "diff", "minimal", "persistent")
    assert "plateau" in text
    assert "feedback" not in text
    assert "+1. Find out what limits the result now." in text
    write("copy", 'extends = "minimal"\ndescription = "another name"\n')
    found = json.loads(printed(capsys, "harness", "diff", "minimal", "copy", "--json"))
    assert (found["same"], found["differences"]) == (True, [])
    assert "nothing but their names" in printed(capsys, "harness", "diff", "minimal", "copy")


@pytest.mark.parametrize("line", [("show", "grand"), ("diff", "minimal", "grand")], ids=" ".join)
def test_one_that_there_is_not_is_named(
    capsys: pytest.CaptureFixture[str], line: tuple[str, ...]
) -> None:
    assert main(("harness", *line)) == 1
    said = capsys.readouterr().err
    assert "no harness 'grand'; use one of autolab, minimal, persistent, scored, timeaware" in said
    assert len(said.splitlines()) == 1
