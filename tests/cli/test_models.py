"""`autolab models`: where models are reached, and one call that proves one."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from autolab_tui.cli import main
from engine.models.types import Api
from engine.paths import config_dir
from tests.cli.shapes import check
from tests.support.model_server import APIS, Fault, ModelServer, Say

CALL = Say(reasoning="Easy.", calls=(("c1", "report", {"word": "ready"}),))
KEY = "sk-canary-1f2e"


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLAB_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("LAB_KEY", KEY)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def write(text: str) -> None:
    config_dir().mkdir(parents=True, exist_ok=True)
    (config_dir() / "autolab.toml").write_text(text)


def lab(server: ModelServer, api: Api, more: str = "") -> None:
    write(
        f'[providers.lab]\nbase_url = "{server.url(api)}"\napi = "{api}"\nkey_env = "LAB_KEY"\n'
        f"{more}\n[providers.lab.prices.tiny]\ninput = 1.0\noutput = 10.0\n"
    )


def test_list_says_where_keys_are_looked_for(capsys: pytest.CaptureFixture[str]) -> None:
    write(
        '[providers.lab]\nbase_url = "http://lab/v1"\nkey_env = "LAB_KEY"\n'
        "[providers.lab.prices.tiny]\ninput = 1.0\noutput = 10.0\n"
        '[providers.vault]\nbase_url = "http://v/v1"\nkey_command = ["no-such-command"]\n'
        '[providers.open]\nbase_url = "http://o/v1"\n'
    )
    assert main(["models", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    check(found)
    rows = {row["name"]: row for row in found["providers"]}
    assert (rows["lab"]["key"], rows["lab"]["key_found"]) == ("variable LAB_KEY", True)
    assert rows["lab"]["models"] == [
        {
            "name": "tiny",
            "price": {
                **{"input": 1.0, "output": 10.0, "cached": None, "cache_write": None},
                **{"tiers": [], "hours": [], "source": "settings", "model": ""},
            },
        }
    ]
    assert rows["vault"]["key"] == "command no-such-command"
    assert rows["vault"]["key_found"] is None
    assert rows["open"]["key"] is None
    assert rows["anthropic"]["key_found"] is False
    assert main(["models", "list"]) == 0
    text = capsys.readouterr().out
    assert "lab/tiny" in text
    assert KEY not in text + json.dumps(found)


def test_list_of_one_provider_has_every_listed_price(capsys: pytest.CaptureFixture[str]) -> None:
    write(
        '[providers.openai]\nbase_url = "https://api.openai.com/v1"\n'
        '[providers.openai.prices."gpt-5.6-sol"]\ninput = 7\noutput = 70\n'
        '[providers.openai.models."gpt-99"]\nmax_output_tokens = 5\n'
    )
    assert main(["models", "list", "openai", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    check(found)
    (row,) = found["providers"]
    prices = {m["name"]: m["price"] for m in row["models"]}
    assert (prices["gpt-5.6-sol"]["input"], prices["gpt-5.6-sol"]["source"]) == (7.0, "settings")
    assert prices["gpt-5.4"]["source"].startswith("genai-prices ")
    assert prices["gpt-5.4"]["model"] == "openai/gpt-5.4"
    assert prices["gpt-99"] is None
    assert main(["models", "list", "openai"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("openai/gpt-99 ") and "unknown" in line for line in lines)
    assert any(
        line.startswith("openai/gpt-5.4 ") and "other above 272000 tokens" in line for line in lines
    )


def test_list_of_a_provider_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "nobody"]) == 2
    assert "no provider 'nobody'; known are anthropic, deepseek" in capsys.readouterr().err


@pytest.mark.parametrize("api", APIS)
def test_check_proves_key_streaming_and_tool_calls(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = {"x-ratelimit-remaining-requests": "59", "anthropic-ratelimit-tokens-limit": "8000"}
    with ModelServer([Fault(say=CALL, headers=limits)] * 2) as server:
        lab(server, api)
        assert main(["models", "check", "lab/tiny", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert main(["models", "check", "lab/tiny"]) == 0
        text = capsys.readouterr().out
        assert any(KEY in value for value in server.headers[0].values())
        assert len(server.requests) == 2
    check(found)
    assert found["ok"] is True
    assert found["problem"] is None
    assert (found["streamed"], found["tool_call"], found["reasoning"]) == (True, True, True)
    assert found["usage"]["cost"] == pytest.approx((100 * 1.0 + 10 * 10.0) / 1e6)
    assert found["limits"] == limits
    assert (found["price"]["source"], found["price_unknown"]) == ("settings", None)
    assert "0.000200 US dollars (settings)" in text
    assert "x-ratelimit-remaining-requests 59" in text
    assert KEY not in text + json.dumps(found)


@pytest.mark.parametrize(
    ("step", "failure", "said"),
    [
        (Fault(status=401, body=f'{{"error": {{"message": "{KEY}?"}}}}'), "auth", "[key]?"),
        (
            Fault(status=429, body='{"error": {"code": "insufficient_quota", "message": "x"}}'),
            "quota",
            "no credit",
        ),
        (Say(text="I would rather not."), None, "did not call the tool as asked: it said"),
        (Say(calls=(("c1", "dance", {}),)), None, "it called dance"),
    ],
)
def test_check_says_what_is_wrong(
    step: Say | Fault, failure: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ModelServer([step] * 2) as server:
        lab(server, "chat")
        assert main(["models", "check", "lab/tiny", "--json"]) == 3
        found = json.loads(capsys.readouterr().out)
        assert main(["models", "check", "lab/tiny"]) == 3
        assert "wrong: " in capsys.readouterr().out
    check(found)
    assert (found["ok"], found["failure"], found["tool_call"]) == (False, failure, False)
    assert said in found["problem"]
    assert KEY not in json.dumps(found)


def test_check_of_a_provider_given_on_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    with ModelServer([CALL]) as server:
        line = ("--provider", f"here={server.url('chat')}", "--provider-key-env", "here=LAB_KEY")
        assert main(["models", "check", "here/tiny", *line]) == 0
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert "ok: key, streaming, tool calls" in capsys.readouterr().out


def test_check_of_a_model_without_a_price_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    cut = Fault(say=Say(text="word " * 40), cut=0.5)
    with ModelServer([CALL, CALL, cut]) as server:
        line = ["models", "check", "here/tiny", "--provider", f"here={server.url('chat')}"]
        assert main(line) == 0
        text = capsys.readouterr().out
        assert main([*line, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert main([*line, "--json"]) == 3  # broken off: paid for, and nobody knows how much
        broken = json.loads(capsys.readouterr().out)
    assert "100 tokens sent, 10 got, cost unknown" in text
    assert "price unknown: genai-prices " in text
    assert "does not know the address" in found["price_unknown"]
    assert (found["price"], found["usage"]["cost"], found["usage"]["unpriced"]) == (None, None, 1)
    assert (broken["usage"]["turns"], broken["usage"]["unpriced"]) == (0, 1)


def test_a_missing_key_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "check", "anthropic/x"]) == 3
    assert "ANTHROPIC_API_KEY holds no key" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (("nobody/x",), 2, "there is no provider 'nobody'"),
        (("x",), 2, "is not PROVIDER/NAME"),
    ],
)
def test_a_wrong_line_is_told_so(
    line: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "check", *line]) == code
    assert said in capsys.readouterr().err


def test_broken_settings_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    write("colour = 1\n")
    assert main(["models", "list"]) == 1
    assert "setting colour = 1" in capsys.readouterr().err


# --- a provider that nobody has heard of, from its settings alone ---------------------------------


@pytest.mark.parametrize("place", ["env", "file", "command"])
def test_a_new_provider_needs_settings_and_no_code(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command as one types it, in a process of its own, and who can see the key meanwhile."""
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    source = {
        "env": 'key_env = "LAB_KEY"',
        "file": f'key_file = "{file}"',
        "command": f'key_command = ["cat", "{file}"]',
    }[place]
    if place != "env":
        monkeypatch.delenv("LAB_KEY")
    lines: list[str] = []

    def script(*_: object) -> Say:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # the process has ended
                lines.append(file.read_bytes().decode(errors="replace"))
        return CALL

    with ModelServer(script) as server:
        write(
            f'[providers.newcomer]\nbase_url = "{server.url("chat")}"\n{source}\n'
            'body = { temperature = 0.3 }\nheaders = { "X-Team" = "lab" }\n'
            "[providers.newcomer.prices.tiny]\ninput = 2.0\noutput = 20.0\n"
        )
        listed = typed("models", "list", "--json")
        checked = typed("models", "check", "newcomer/tiny", "--json")
        assert len(server.requests) == 1
        asked, headers = server.requests[0], server.headers[0]
    rows = {row["name"]: row for row in json.loads(listed.stdout)["providers"]}
    assert rows["newcomer"]["api"] == "chat"
    assert rows["newcomer"]["key_found"] is (None if place == "command" else True)
    assert rows["newcomer"]["models"][0]["price"]["source"] == "settings"
    found = json.loads(checked.stdout)
    check(found)
    assert (found["ok"], found["tool_call"], found["streamed"]) == (True, True, True)
    assert found["usage"]["cost"] == pytest.approx((100 * 2.0 + 10 * 20.0) / 1e6)
    assert (asked["model"], asked["temperature"]) == ("tiny", 0.3)
    assert (headers["authorization"], headers["x-team"]) == (f"Bearer {KEY}", "lab")
    assert any("newcomer/tiny" in line for line in lines)
    assert KEY not in "".join(lines)
    for done in (listed, checked):
        assert KEY not in done.stdout + done.stderr


def typed(*line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autolab_tui", *line],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
