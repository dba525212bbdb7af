"""A run that is kept in a file: the same spec as the line's, and errors that name key and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autolab_tui.cli.failures import UsageError
from autolab_tui.cli.nouns import build
from autolab_tui.cli.run import spec_of
from autolab_tui.cli.run_file import fill

WHOLE = """\
# every key there is
suite = "tasks"
task = ["med*", "rack*"]
model = "acme/big"
harness = "minimal"
attempts = 3
size = "quick"
anchors = "calibrated"
budget = {active = "2h", turns = 50}
soft = "active=90m"
run-budget = {cost = 20}
run_soft = ["cost=15"]
clock = "wall"
concurrency = 2
provider.acme = "https://api.acme.test/v1/"
provider-key-env = {acme = "ACME_KEY"}
watch = true
"""


def filled(path: Path, text: str | bytes, *line: str) -> dict[str, Any]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    args = build().parse_args(["run", "-f", str(path), *line])
    fill(args)
    return spec_of(args) | {"watch": args.watch}


def test_a_file_says_what_the_line_says(tmp_path: Path) -> None:
    line = [
        *("run", "--suite", str(tmp_path / "tasks"), "--task", "med*", "--task", "rack*"),
        *("--model", "acme/big", "--harness", "minimal", "--attempts", "3", "--size", "quick"),
        *("--anchors", "calibrated", "--budget", "active=2h,turns=50", "--soft", "active=90m"),
        *("--run-budget", "cost=20", "--run-soft", "cost=15", "--clock", "wall"),
        *("--concurrency", "2", "--provider", "acme=https://api.acme.test/v1/", "--watch"),
        *("--provider-key-env", "acme=ACME_KEY"),
    ]
    args = build().parse_args(line)
    assert filled(tmp_path / "run.toml", WHOLE) == spec_of(args) | {"watch": True}


def test_the_line_wins_option_by_option(tmp_path: Path) -> None:
    spec = filled(tmp_path / "run.toml", WHOLE, "--task", "golf", "--size", "full")
    assert (spec["tasks"], spec["size"], spec["attempts"]) == (["golf"], "full", 3)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('agent = "nop"\ntaks = "a"\n', ("line 2", "'taks'", "did you mean 'task'")),
        ('\n\nattempts = "3"\n', ("line 3", "attempts", "whole number")),
        ("attempts = 0", ("line 1", "attempts = 0")),
        ('agent = "nop"\nbudget = {activ = "2h"}', ("line 2", "budget", "activ=2h")),
        ('agent = "nop"\n[budget]\nturns = 1.5\n', ("line 2", "turns=1.5")),
        ('size = "huge"', ("size = 'huge'", '"quick" or "full"')),
        ('model = ["big"]', ("line 1", "'big' is not PROVIDER/NAME")),
        ("task = [1]", ("line 1", "task = [1]")),
        ("watch = 1", ("watch = 1", "true or false")),
        ("watch = true\ndetach = true", ("keep one",)),
        ("task = [", ("no TOML", "line 1")),
        (b"\xff\xfe", ("no UTF-8",)),
        ("provider = {a = 5}", ("line 1", "provider")),
        ("provider-key-env = 5", ("never the key itself",)),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, text: str | bytes, parts: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as refused:
        filled(tmp_path / "run.toml", text)
    said = str(refused.value)
    assert str(tmp_path / "run.toml") in said
    assert "\n" not in said
    for part in parts:
        assert part in said


def test_a_key_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    for text in ('provider-key-env = ["a=sk-secret"]', "provider-key-env = {a = ['sk-secret']}"):
        with pytest.raises(UsageError) as refused:
            filled(tmp_path / "run.toml", 'model = "a/b"\nprovider.a = "http://x/v1"\n' + text)
        assert "sk-secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    args = build().parse_args(["run", "-f", str(tmp_path / "none.toml")])
    with pytest.raises(UsageError, match=r"none\.toml: No such file"):
        fill(args)
