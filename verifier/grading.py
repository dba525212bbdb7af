"""From raw facts to a grade: the one place where a metric becomes a reward.

A verification and a later regrade both come here, so the same facts under the same scale give the
same reward, whenever that is computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from verifier.intervals import mean_interval
from verifier.scoring import Scale
from verifier.verdict import Anchors, Metric, Speedup

SURE = 0.99  # how sure it must be that a candidate is faster at all, before it earns anything


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured. `metric` is in the metric's own unit.

    What was timed is graded by its `speedup` over the baseline beside it, if it is `faster` beyond
    doubt; anything else, whose `speedup` is None, by its metric. `untouched` says that the editable
    files are the baseline's own.
    """

    metric: float
    speedup: Speedup | None
    untouched: bool
    faster: bool = True


@dataclass(frozen=True, slots=True)
class Grade:
    """The reward in [0, 1]; why it is 0 by definition, if it is; whether it can be true at all."""

    reward: float
    nothing: str
    speedup: Speedup | None
    implausible: bool


def grade(scale: Scale, facts: Facts) -> Grade:
    """Grade the facts. Raises `ValueError` for a metric that is not a number."""
    speedup, metric = facts.speedup, facts.metric
    if speedup is not None:
        metric = scale.metric_at(speedup.value)
    elif min(scale.baseline, metric) > 0:
        speedup = Speedup(scale.speedup(metric))
    if facts.untouched:
        return Grade(0.0, "the editable files are the baseline's own", speedup, False)
    if not facts.faster:
        return Grade(0.0, "not faster than the baseline beyond noise", speedup, False)
    return Grade(scale.reward(metric), "", speedup, scale.beyond_bound(metric))


def faster(metric: Metric, speedup: Speedup) -> bool | None:
    """Whether what was timed is faster beyond doubt; None where a verdict's facts do not tell.

    From the pairs, where all of them are there; else from the interval, which is a 95 % one.
    """
    pairs = list(zip(speedup.baseline, metric.samples, strict=False))
    whole = len(speedup.baseline) == len(metric.samples) >= 2
    if whole and min(map(min, pairs)) > 0:
        return mean_interval([math.log(b / c) for b, c in pairs], SURE).low > 0
    return None if speedup.interval is None else speedup.interval.low > 1.0


def anchors_of(scale: Scale, source: str = "task") -> Anchors:
    """A scale as a verdict states it."""
    return Anchors(
        "calibrated" if source == "calibrated" else "task",
        scale.baseline,
        scale.reference,
        scale.rule,
        scale.bound,
    )
