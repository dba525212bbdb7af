"""`autolab config show`: every setting with where it came from, and never a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autolab_tui.cli import main
from engine.settings import Settings
from tests.cli.shapes import check

KEY = "sk-canary-77aa"
FILE = f"""\
concurrency = 3
[providers.lab]
base_url = "http://lab/v1?key={KEY}"
key_command = ["print-key", "{KEY}"]
headers = {{ "X-Team" = "{KEY}" }}
body = {{ extra = {{ credential = "{KEY}" }} }}
[providers.lab.prices.big]
input = 3.0
output = 15.0
[providers.other]
base_url = "http://other/v1"
key_env = "OTHER_KEY"
[notify]
urls = ["ntfy://{KEY}/topic"]
"""


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "autolab.toml").write_text(FILE)
    monkeypatch.setenv("AUTOLAB_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("AUTOLAB_OUTCOMES__NOISE", "0.05")
    monkeypatch.setenv("autolab_snapshot_seconds", "30")
    monkeypatch.setenv("OTHER_KEY", KEY)


def shown(capsys: pytest.CaptureFixture[str], *line: str) -> dict[str, tuple[Any, str, str]]:
    assert main(["config", "show", "--json", *line]) == 0
    printed = json.loads(capsys.readouterr().out)
    check(printed)
    return {s["key"]: (s["value"], s["source"], s["place"]) for s in printed["settings"]}


def test_each_setting_says_where_it_came_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(tmp_path / "config" / "autolab.toml")
    found = shown(capsys, "--state", str(tmp_path / "state"))
    assert found["state"] == (str(tmp_path / "state"), "line", "--state")
    assert found["config"] == (str(tmp_path / "config"), "environment", "AUTOLAB_CONFIG")
    assert found["concurrency"] == (3, "file", file)
    assert found["outcomes.noise"] == (0.05, "environment", "AUTOLAB_OUTCOMES__NOISE")
    assert found["snapshot_seconds"] == (30.0, "environment", "autolab_snapshot_seconds")
    assert found["outcomes.early"] == (0.5, "default", "")
    assert found["providers.lab.prices.big.input"] == (3.0, "file", file)
    assert found["providers.lab.api"] == ("chat", "default", "")
    assert found["providers.other.key_env"] == ("OTHER_KEY", "file", file)
    assert {key.split(".")[0] for key in found} == {"state", "config", *Settings.model_fields}


def test_no_key_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys)
    assert found["providers.lab.key_command"][0] == ["print-key", "(hidden)"]
    assert found["providers.lab.base_url"][0] == "http://lab/v1"
    assert found["notify.urls"][0] == ["(hidden)"]
    assert KEY not in json.dumps(found)
    assert main(["config", "show"]) == 0
    text = capsys.readouterr().out
    assert KEY not in text
    assert "OTHER_KEY" in text


def test_broken_settings_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config" / "autolab.toml").write_text("concurrency = 0\n")
    assert main(["config", "show"]) == 1
    assert "concurrency" in capsys.readouterr().err
