"""What a wrong command line gets, and what help says."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from autolab_tui.cli import main
from autolab_tui.cli.failures import UsageError, guarded
from autolab_tui.cli.nouns import build
from autolab_tui.cli.run import spec_of


def usage(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    """The one line that a wrong command line gets."""
    try:
        code = main(line)
    except SystemExit as error:
        code = error.code
    assert code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (("stat",), ("'stat'", "'status'")),
        (("tasks", "lsit"), ("'lsit'", "'list'")),
        (("tasks",), ("VERB",)),
        (("run",), ("--model", "--agent")),
        (("run", "--agent", "nop", "--size", "huge"), ("'huge'", "quick")),
        (("run", "--agent", "nop", "--budget", "time=3"), ("time=3", "active")),
        (
            ("run", "--agent", "nop", "--budget", "active=1h", "--soft", "active=2h"),
            ("7200", "3600"),
        ),
        (("run", "--agent", "nop", "--attempts", "0"), ("--attempts 0", "from 1")),
        (("run", "--agent", "nop", "--attempts", "two"), ("--attempts", "'two'")),
        (("run", "--model", "gpt"), ("gpt", "PROVIDER/NAME")),
        (("run", "--model", "a/b", "--provider", "a"), ("NAME=BASE_URL",)),
        (("run", "--model", "a/b", "--provider", "a=ftp://x"), ("ftp://x", "http://")),
        (("run", "--model", "a/b", "--provider-key-env", "a=KEY"), ("--provider a=BASE_URL",)),
        (("demo", "--minutes", "0"), ("'0'", "0.5")),
        (("demo", "--json"), ("--headless",)),
        (("tasks", "check"), ("--all",)),
        (("harness", "diff", "minimal"), ("B",)),
        (("run", "--agent", "nop", "--watch", "--detach"), ("--detach", "--watch")),
        (("status", "--nonsense"), ("autolab status", "--nonsense")),
        (("gpus", "--watc"), ("autolab gpus", "--watc", "'--watch'")),
        (("run", "median_filter"), ("'median_filter'", "--task median_filter")),
        (("themes", "check", "mine"), ("'mine'", "leave it out")),
        (("extend", "x", "--active", "-30m"), ("--active", "--option=-VALUE")),
        (("run", "--agent", "nop", "--budget", "actve=2h"), ("actve=2h", "'active'")),
        (("run", "--agent", "nop", "--budget", "wall=2hours"), ("--budget", "wall=2hours", "2h")),
        (("run", "--agent", "nop", "--run-soft", "cost=x"), ("--run-soft", "cost=x")),
        (("run", "--agent", "nop", "--harness", "minimal"), ("--harness minimal", "--model")),
        (("run", "--model", ""), ("''", "PROVIDER/NAME")),
        (("run", "--model", "a/b", "--provider", "a=http://x:99999/v1"), ("99999", "http://")),
        (("models", "check", "openai"), ("'openai'", "PROVIDER/NAME")),
        ((), ("terminal", "autolab watch")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_usage_is_one_line_that_names_thing_and_remedy(
    capsys: pytest.CaptureFixture[str], line: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    said = usage(capsys, *line)
    for part in parts:
        assert part in said


def test_a_directory_for_a_task_is_told_where_it_belongs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = usage(capsys, "run", "--agent", "nop", "--task", str(tmp_path))
    assert f"--suite {tmp_path}" in said


def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = usage(
        capsys,
        *("run", "--model", "a/b", "--provider", "a=http://x/v1"),
        *("--provider-key-env", "a=sk-very-secret"),
    )
    assert "sk-very-secret" not in said
    assert "environment variable" in said


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Every command with its parser, by its words."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # argparse offers no other way to walk
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                inner = commands(sub)
                found |= {f"{name} {k}": v for k, v in inner.items()} or {name: sub}
    return found


def test_every_command_of_the_contract_is_there() -> None:
    assert set(commands(build())) == {
        "demo",
        "run",
        "rerun",
        "status",
        "watch",
        "pause",
        "resume",
        "stop",
        "extend",
        "message",
        "acknowledge",
        "verify",
        "logs",
        "processes",
        "gpus",
        "replay",
        "attach",
        "doctor",
        *("leaderboard", "compare", "report"),
        *(f"tasks {verb}" for verb in ("list", "show", "check", "calibrate", "new", "pin")),
        *(
            f"engine {verb}"
            for verb in ("start", "stop", "restart", "status", "serve", "metrics", "anomalies")
        ),
        *(f"verdicts {verb}" for verb in ("list", "verify", "export", "release", "rotate")),
        *(f"themes {verb}" for verb in ("list", "check")),
        *(f"harness {verb}" for verb in ("list", "show", "diff")),
        *(f"models {verb}" for verb in ("list", "check")),
        *(f"snapshot {verb}" for verb in ("list", "diff", "export", "verify", "restore")),
        *(f"runs {verb}" for verb in ("list", "rm", "gc")),
        "config show",
        "export",
    }


@pytest.mark.parametrize("name", sorted(commands(build())))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*name.split(), "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert re.search(rf"^  autolab {name}\b", text, re.MULTILINE), "it has no example"
    assert len(text.splitlines()) > 4


@pytest.mark.parametrize("name", sorted(commands(build())))
def test_json_and_dry_run_are_where_the_contract_wants_them(name: str) -> None:
    options = commands(build())[name]._option_string_actions
    assert "--state" in options
    assert ("--json" in options) is (name != "engine serve")
    changes = {
        *("demo", "run", "rerun", "pause", "resume", "stop", "extend", "message", "acknowledge"),
        *("tasks new", "tasks pin", "tasks calibrate"),
        *("verify", "verdicts export", "verdicts release", "verdicts rotate"),
        *("engine start", "engine stop", "engine restart"),
        *("snapshot export", "snapshot verify", "snapshot restore", "attach", "report", "export"),
        *("runs rm", "runs gc"),
    }
    assert ("--dry-run" in options) is (name in changes)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("verify median_filter --size full ./app", {"task": "median_filter", "size": "full"}),
        ("pause a --why because b", {"globs": ["a", "b"], "why": "because"}),
        ("snapshot diff s --against baseline last", {"snapshot": "last", "against": "baseline"}),
        ("message s -- --all hands", {"session": "s", "text": ["--all", "hands"]}),
    ],
)
def test_options_may_stand_between_words(line: str, words: dict[str, object]) -> None:
    found = vars(build().parse_args(line.split()))
    assert {name: found[name] for name in words} == words


def test_state_may_stand_before_and_after_the_command() -> None:
    parser = build()
    assert str(parser.parse_args(["--state", "/a", "status"]).state) == "/a"
    assert str(parser.parse_args(["status", "--state", "/b"]).state) == "/b"
    assert str(parser.parse_args(["tasks", "list", "--state", "/c"]).state) == "/c"
    assert parser.parse_args(["status"]).state is None


def test_a_run_spec_says_what_was_asked_and_no_more() -> None:
    args = build().parse_args(
        [
            *("run", "--task", "med*", "--task", "rack*", "--model", "acme/big", "--attempts", "3"),
            *("--budget", "active=2h,turns=50", "--soft", "active=90m", "--size", "quick"),
            *("--run-budget", "cost=20", "--run-soft", "cost=15", "--clock", "wall"),
            *("--provider", "acme=https://api.acme.test/v1/", "--concurrency", "2"),
            *("--provider-key-env", "acme=ACME_KEY", "--harness", "minimal"),
        ]
    )
    assert spec_of(args) == {
        "tasks": ["med*", "rack*"],
        "models": ["acme/big"],
        "agents": [],
        "harnesses": ["minimal"],
        "attempts": 3,
        "budget": {"active": {"hard": 7200.0, "soft": 5400.0}, "turns": {"hard": 50.0}},
        "run_budget": {"cost": {"hard": 20.0, "soft": 15.0}},
        "clock": "wall",
        "concurrency": 2,
        "size": "quick",
        "providers": {"acme": {"base_url": "https://api.acme.test/v1", "key_env": "ACME_KEY"}},
    }
    bare = spec_of(build().parse_args(["run", "--agent", "nop"]))
    assert not {"suite", "harnesses", "concurrency", "run_budget", "clock"} & set(bare)
    assert bare["size"] == "full"


def test_failures_become_exit_codes_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTOLAB_DEBUG", raising=False)

    def fails(error: BaseException) -> int:
        def command() -> int:
            raise error

        return guarded(command)

    assert fails(UsageError("first\n  second")) == 2
    assert capsys.readouterr().err == "autolab: first second\n"
    assert fails(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""
    assert fails(PermissionError(13, "Permission denied", "/x/y")) == 1
    assert capsys.readouterr().err == "autolab: /x/y: Permission denied\n"
    assert fails(ZeroDivisionError("oops")) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in said
    assert "AUTOLAB_DEBUG=1" in said
    assert len(said.splitlines()) == 1
    monkeypatch.setenv("AUTOLAB_DEBUG", "1")
    assert fails(ZeroDivisionError("oops")) == 1
    assert "Traceback" in capsys.readouterr().err
