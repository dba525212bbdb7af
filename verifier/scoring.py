"""From metric to reward: pure rules over the task's anchors.

Rewards are in [0, 1]; the untouched baseline is 0 by definition and is decided by the caller.

`log`     with s = baseline / metric (mirrored where higher is better) and s_ref the same ratio of
          the reference: 0 up to s = 1, then 0.5 * ln(s) / ln(s_ref), so that the reference earns
          0.5 and s_ref squared would earn 1. `bound` is the largest speedup that physics allows;
          where it lies below s_ref squared, the half above the reference is stretched so that the
          bound earns 1: 0.5 + 0.5 * ln(s / s_ref) / ln(bound / s_ref). No reward is out of reach.
`linear`  (metric - baseline) / (bound - baseline): `bound` is the best value of the metric, and
          the reference earns whatever its metric earns.
`share`   (baseline - metric) / baseline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from verifier.verdict import Anchors, Direction

if TYPE_CHECKING:
    from tasks import Task

Rule = Literal["log", "linear", "share"]


class ScaleError(ValueError):
    """The anchors do not make a scale; the message names the one at fault."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A reward rule with its anchors, in the metric's unit (`bound` is a ratio for `log`)."""

    rule: Rule
    direction: Direction
    baseline: float
    reference: float
    bound: float

    def __post_init__(self) -> None:
        for name in ("baseline", "reference", "bound"):
            if not math.isfinite(getattr(self, name)):
                raise ScaleError(f"{name} = {getattr(self, name)} is not a finite number")
        better = self.reference < self.baseline
        if self.direction == "higher":
            better = self.reference > self.baseline
        if not better:
            raise ScaleError(f"reference = {self.reference} is no better than {self.baseline}")
        if self.rule == "log" and min(self.baseline, self.reference) <= 0:
            raise ScaleError("the log rule needs positive anchors")
        if self.rule == "log" and self.bound <= self.speedup(self.reference):
            raise ScaleError(f"bound = {self.bound} is not above the reference's speedup")
        if self.rule == "share" and self.baseline <= 0:
            raise ScaleError("the share rule needs a positive baseline")
        if self.rule == "linear" and not self._at_least(self.bound, self.reference):
            raise ScaleError(f"bound = {self.bound} is worse than the reference")

    def _at_least(self, value: float, other: float) -> bool:
        return value <= other if self.direction == "lower" else value >= other

    def speedup(self, metric: float) -> float:
        """How many times better than the baseline `metric` is (both positive)."""
        lower = self.direction == "lower"
        return self.baseline / metric if lower else metric / self.baseline

    def metric_at(self, speedup: float) -> float:
        """The metric that is `speedup` times better than the baseline."""
        return self.baseline / speedup if self.direction == "lower" else self.baseline * speedup

    def reward(self, metric: float) -> float:
        """The reward of `metric`, in [0, 1]. Raises `ValueError` unless it is a number."""
        if math.isnan(metric):
            raise ValueError("the metric is not a number")
        if self.rule == "log":
            return self._log(metric)
        end = self.bound if self.rule == "linear" else 0.0
        return _clip((metric - self.baseline) / (end - self.baseline))

    def _log(self, metric: float) -> float:
        if metric <= 0:  # infinitely fast for "lower", worthless for "higher"
            return 1.0 if self.direction == "lower" else 0.0
        gain = math.log(self.speedup(metric))
        if gain <= 0:
            return 0.0
        reference = math.log(self.speedup(self.reference))
        if gain <= reference:
            return 0.5 * gain / reference
        top = min(2 * reference, math.log(self.bound))
        return _clip(0.5 + 0.5 * (gain - reference) / (top - reference))

    @property
    def reference_reward(self) -> float:
        """What the reference earns."""
        return self.reward(self.reference)

    def beyond_bound(self, metric: float) -> bool:
        """Whether `metric` is better than what the task says is possible."""
        if self.rule != "log":
            return not self._at_least(self.bound, metric)
        if metric <= 0:
            return self.direction == "lower"
        return self.speedup(metric) > self.bound


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def scale_of(task: Task, size: str, anchors: Anchors | None = None) -> Scale:
    """The scale of an AutoLab task at `size`, between `anchors` where given, else the task's own.

    Raises `ScaleError` for a task without anchors and `TaskError` for one without that size.
    """
    if task.autolab is None or task.optimization is None:
        raise ScaleError(f"{task.name} has no [autolab] table")
    at = task.size(size)
    if at.baseline is None or at.reference is None:
        raise ScaleError(f"{task.name} states no baseline and reference for size {size}")
    reward = task.autolab.reward
    direction = task.optimization.direction
    baseline, reference = at.baseline, at.reference
    if anchors is not None:
        baseline, reference = anchors.baseline, anchors.reference
    return Scale(reward.rule, direction, baseline, reference, reward.bound)
