"""Amounts and times of the orders, as an operator writes them."""

from __future__ import annotations

import time

import pytest

from autolab_tui.amounts import changes_of
from autolab_tui.cli.failures import UsageError
from autolab_tui.cli.nouns import build
from autolab_tui.cli.orders import extend


def test_amounts_keep_their_signs_and_times_become_seconds() -> None:
    hard = {"active": "+30m", "wall": "6h", "turns": "-5", "cost": "12.5", "tokens": None}
    assert changes_of(hard, ["cost=8,turns=+1"]) == {
        "active": {"hard": "+1800.0"},
        "wall": {"hard": "21600.0"},
        "turns": {"hard": "-5.0", "soft": "+1.0"},
        "cost": {"hard": "12.5", "soft": "8.0"},
    }


@pytest.mark.parametrize(
    ("hard", "soft", "said"),
    [
        ({"active": "soon"}, [], "--active soon: 'soon' is not a duration"),
        ({"cost": "+many"}, [], "--cost +many: '+many' is no amount"),
        ({}, ["money=3"], "--soft money=3 is not KEY=AMOUNT"),
        ({}, ["cost"], "--soft cost is not KEY=AMOUNT"),
    ],
)
def test_what_is_no_amount_is_named(
    hard: dict[str, str | None], soft: list[str], said: str
) -> None:
    line = [f"--{key}={text}" for key, text in hard.items()]
    line += [word for pair in soft for word in ("--soft", pair)]
    args = build().parse_args(["extend", "s-1", *line])
    with pytest.raises(UsageError) as failed:
        extend(args)
    assert said in str(failed.value)


def test_a_time_of_day_is_the_next_one() -> None:
    args = build().parse_args(["pause", "*", "--until", "08:00"])
    assert 0 < args.until - time.time() <= 86_400
    assert time.localtime(args.until)[3:5] == (8, 0)


@pytest.mark.parametrize("line", [("--until", "25:00"), ("--until", "8"), ("--for", "-1h")])
def test_what_is_no_time_is_wrong_usage(
    line: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        build().parse_args(["pause", "*", *line])
    assert left.value.code == 2
    assert line[0] in capsys.readouterr().err
