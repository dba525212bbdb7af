"""The reward rules, as properties over all scales."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks import load_task
from verifier.scoring import Scale, ScaleError, scale_of

positive = st.floats(1e-6, 1e6)


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    rule = draw(st.sampled_from(["log", "linear", "share"]))
    direction = "lower" if rule == "share" else draw(st.sampled_from(["lower", "higher"]))
    baseline = draw(positive)
    gain = draw(st.floats(1.001, 1e4))
    more = draw(st.floats(1.001, 1e4))
    reference = baseline / gain if direction == "lower" else baseline * gain
    if rule == "log":
        bound = gain * more
    else:
        bound = reference / more if direction == "lower" else reference * more
    assume(math.isfinite(bound))
    return Scale(rule, direction, baseline, reference, bound)


@given(scales(), st.floats(1e-9, 1e9))
def test_a_reward_is_between_nothing_and_everything(scale: Scale, metric: float) -> None:
    assert 0.0 <= scale.reward(metric) <= 1.0


@given(scales(), positive, positive)
def test_better_never_earns_less(scale: Scale, one: float, other: float) -> None:
    worse, better = sorted((one, other), reverse=scale.direction == "lower")
    assert scale.reward(worse) <= scale.reward(better) + 1e-12


@given(scales())
def test_the_baseline_earns_nothing_and_the_bound_everything_it_can(scale: Scale) -> None:
    assert scale.reward(scale.baseline) == pytest.approx(0.0, abs=1e-9)
    assert not scale.beyond_bound(scale.reference)
    if scale.rule == "log":
        bound = scale.metric_at(scale.bound)
        top = min(1.0, 0.5 * math.log(scale.bound) / math.log(scale.speedup(scale.reference)))
        assert scale.reward(bound) >= top - 1e-9
        assert scale.reward(bound) == pytest.approx(1.0)
        assert scale.beyond_bound(scale.metric_at(scale.bound * 1.01))
    elif scale.rule == "linear":
        assert scale.reward(scale.bound) == pytest.approx(1.0)


@given(scales())
def test_the_reference_earns_half_on_the_log_scale(scale: Scale) -> None:
    if scale.rule == "log":
        assert scale.reference_reward == pytest.approx(0.5)
    else:
        assert scale.reference_reward == scale.reward(scale.reference)


@pytest.mark.parametrize(
    ("rule", "direction", "metric", "reward"),
    [
        ("log", "lower", 1.0, 0.5),  # the reference, ten times better
        ("log", "lower", 0.1, 1.0),  # its square
        ("log", "lower", 10.0, 0.0),
        ("log", "lower", 20.0, 0.0),
        ("log", "lower", math.sqrt(10.0), 0.25),
        ("log", "lower", 0.0, 1.0),
        ("linear", "lower", 1.0, 0.9),
        ("linear", "lower", 5.0, 0.5),
        ("linear", "lower", -3.0, 1.0),
        ("share", "lower", 2.5, 0.75),
        ("share", "lower", 11.0, 0.0),
    ],
)
def test_known_rewards(rule: str, direction: str, metric: float, reward: float) -> None:
    bound = 1000.0 if rule == "log" else 0.0
    scale = Scale(rule, direction, 10.0, 1.0, bound)  # type: ignore[arg-type]
    assert scale.reward(metric) == pytest.approx(reward)


def test_a_bound_below_the_square_of_the_reference_stretches_the_upper_half() -> None:
    scale = Scale("log", "lower", 10.0, 1.0, 20.0)
    assert scale.reward(1.0) == pytest.approx(0.5)
    assert scale.reward(10.0 / math.sqrt(200.0)) == pytest.approx(0.75)
    assert scale.reward(0.5) == pytest.approx(1.0)
    assert scale.beyond_bound(0.49)


def test_not_a_number_is_no_metric() -> None:
    with pytest.raises(ValueError, match="not a number"):
        Scale("share", "lower", 1.0, 0.5, 0.1).reward(math.nan)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("log", "lower", 1.0, 2.0, 9.0), "reference"),
        (("log", "lower", 0.0, -1.0, 9.0), "positive"),
        (("log", "lower", 2.0, 1.0, 2.0), "bound"),
        (("linear", "higher", 1.0, 2.0, 1.5), "bound"),
        (("share", "lower", math.inf, 1.0, 0.0), "baseline"),
    ],
)
def test_anchors_that_make_no_scale_are_refused(arguments: tuple, words: str) -> None:
    with pytest.raises(ScaleError, match=words):
        Scale(*arguments)


def test_the_scale_of_a_task_is_the_one_of_its_size(task_dir: Path) -> None:
    task = load_task(task_dir)
    assert scale_of(task, "quick") == Scale("log", "lower", 0.03, 0.003, 1e6)
    assert scale_of(task, "full") == Scale("log", "lower", 0.2, 0.002, 1e6)
