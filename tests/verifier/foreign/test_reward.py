"""Rewards as a stranger's script leaves them, and the rules that are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import Task
from tests.verifier.foreign import making
from verifier.foreign import known, reward
from verifier.foreign.known import Known
from verifier.foreign.reward import RewardError, parse


@given(st.binary(max_size=300) | st.none(), st.binary(max_size=60) | st.none())
def test_whatever_the_bytes_it_is_a_reward_or_a_typed_failure(
    first: bytes | None, second: bytes | None
) -> None:
    try:
        found = parse(first, second)
    except RewardError:
        return
    assert found is None or 0.0 <= found.reward <= 1.0


@given(st.floats(0, 1), st.dictionaries(st.text(max_size=5), st.none() | st.booleans()))
def test_a_good_one_is_read(value: float, more: dict[str, bool | None]) -> None:
    found = parse(json.dumps({**more, "reward": value}).encode(), str(value).encode())
    assert found is not None and found.reward == value


@pytest.mark.parametrize("line", ["1e999", "[1]", "{}", '{"a": 1, "b": 2}', "[" * 9999])
def test_unusable_json(line: str) -> None:
    with pytest.raises(RewardError):
        parse(line.encode(), None)


def test_json_comes_first_and_text_must_agree() -> None:
    assert parse(b'{"score": 0.25}', None) == reward.Stated(0.25, {"score": 0.25})
    assert parse(None, b" 0.5\n") == reward.Stated(0.5, {})
    found = parse(b'{"reward": 0.12345, "metric": 7}', b"0.1235")
    assert found is not None and found.number("metric") == 7.0
    with pytest.raises(RewardError, match="two rewards"):
        parse(b'{"reward": 0.1}', b"0.2")


def test_files_are_read_by_descriptor(tmp_path: Path) -> None:
    folder = tmp_path / "verifier"
    folder.mkdir()
    assert reward.read(tmp_path) is None
    (folder / "reward.txt").write_bytes(b"0" * (reward.CAP + 1))
    with pytest.raises(RewardError, match="more than"):
        reward.read(tmp_path)
    (folder / "reward.txt").unlink()
    (tmp_path / "elsewhere").write_text("1.0")
    (folder / "reward.txt").hardlink_to(tmp_path / "elsewhere")
    with pytest.raises(RewardError, match="one name"):
        reward.read(tmp_path)


def _rule(**parts: object) -> Known:
    base = Known("log", "metric", "lower", 20.0, 5.0, 5.0, 1.0, (), 1)
    return replace(base, **parts)  # type: ignore[arg-type]


def test_the_rules() -> None:
    assert _rule().reward(5.0) == 0.5 and _rule().reward(20.0) == 0.0
    assert _rule().reward(1.25) == 1.0 and _rule().reward(-1.0) == 0.0
    up = _rule(direction="higher", baseline=5.0, reference=20.0, floor=1.01)
    assert up.reward(20.0) == 0.5 and up.reward(5.04) == 0.0
    assert _rule(rule="linear", best=10.0).reward(15.0) == 0.5
    assert _rule(rule="linear", best=10.0).reward(1.0) == 1.0
    assert _rule(rule="share").reward(5.0) == 0.75


@given(st.floats(0.001, 100), st.floats(0.001, 100))
def test_better_never_earns_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for rule in ("log", "linear", "share"):
        assert _rule(rule=rule, best=2.0).reward(low) >= _rule(rule=rule, best=2.0).reward(high)


def test_facts_hold_for_the_same_task_only(tmp_path: Path) -> None:
    task: Task = making.make(tmp_path)
    assert known.about(task) is None
    assert known.about(replace(task, name="toy_isa_opt")) is None  # another baseline
    assert task.optimization is not None and task.optimization.baseline is not None
    same = task.optimization.baseline.model_copy(update={"score": 9220})
    stated = task.optimization.model_copy(update={"baseline": same})
    found = known.about(replace(task, name="toy_isa_opt", optimization=stated))
    assert found is not None and found.reward(2954) == 0.8164 and found.editable == ("program.s",)
