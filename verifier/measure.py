"""How often to measure, and what the measurements say: alternating pairs and log-speedups.

Each pair is the pristine baseline and the candidate on the same fresh input, one right after the
other. What is estimated is the mean of ln(baseline / candidate) over pairs, with a two-sided 95 %
interval from Student's t.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.outcomes import NotJudgedError
from verifier.runqueue import Delay
from verifier.verdict import Interval, Stage

if TYPE_CHECKING:
    from tasks.autolab import Measure

# Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom.
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_Z95 = 1.960

_SHARE = 0.10  # of a repetition that others may take before it is contended
_FLOOR_SEC = 0.00002  # and what they may take of a very short one
_WAIT_SEC = 0.1
_LONGEST_WAIT_SEC = 0.5
_CHECKPOINT_PRECISION = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pairs to take; stop early once the interval's half-width is `precision` or less.

    At most `discards_max` contended pairs are thrown away before the measurement is given up; None
    keeps them all.
    """

    pairs_min: int
    pairs_max: int
    precision: float
    discards_max: int | None


def plan_for(measure: Measure, stage: Stage, *, same: bool) -> Plan:
    """How to measure at this stage of a session.

    A checkpoint is one point of a trajectory and should be cheap: a third of the further pairs, and
    an interval of 5 % will do. Where candidate and baseline are the `same`, the time is only for
    information: as few pairs as allowed, and contention does no harm.
    """
    least, most, precision = measure.pairs_min, measure.pairs_max, measure.precision
    if same:
        return Plan(least, least, precision, None)
    if stage == "checkpoint":
        most = least + (most - least) // 3
        precision = max(precision, _CHECKPOINT_PRECISION)
    return Plan(least, most, precision, 2 * measure.pairs_max)


@dataclass(frozen=True, slots=True)
class Pair:
    """Own seconds of baseline and candidate on one input, and whether others took too much."""

    baseline: float
    candidate: float
    contended: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """The pairs that count, and how many were discarded."""

    pairs: tuple[Pair, ...]
    discarded: int

    @property
    def log_speedups(self) -> tuple[float, ...]:
        """ln(baseline / candidate) of each pair."""
        return tuple(math.log(pair.baseline / pair.candidate) for pair in self.pairs)

    @property
    def speedup(self) -> float:
        """The geometric mean of baseline over candidate."""
        return math.exp(statistics.fmean(self.log_speedups))

    @property
    def log_interval(self) -> Interval:
        """The 95 % interval of the mean log-speedup."""
        return mean_interval(self.log_speedups)

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the speedup."""
        logs = self.log_interval
        return Interval(math.exp(logs.low), math.exp(logs.high))


def contended(seconds: float, delay: Delay | None) -> bool:
    """Whether others took so much of a repetition of `seconds` that it should not count.

    Where the delay cannot be told (None) nothing is discarded; the verdict's seal says so.
    """
    if delay is None:
        return False
    others = delay.queue + delay.steal + delay.clock
    return others > max(_FLOOR_SEC, _SHARE * seconds)


def own_seconds(seconds: float, delay: Delay | None) -> float:
    """The repetition's own time: without what it spent ready to run while others ran.

    A process cannot lengthen that wait by itself, since its own sleep is not in it and it is the
    only one of its sandbox on the CPU. It is small wherever this is used: see `contended`.
    """
    return seconds if delay is None else max(seconds - delay.queue, seconds * (1 - 2 * _SHARE))


def take_pairs(
    next_pair: Callable[[int], Pair],
    plan: Plan,
    sleep: Callable[[float], None] = time.sleep,
) -> Timing:
    """Take pairs until they say enough; `next_pair(n)` measures the n-th one, n from 0.

    Pair 0 warms the machine and is never counted. After a contended pair the next one waits a
    little for the disturbance to pass. Raises `NotJudgedError` (contention) when too many had to be
    discarded, and whatever `next_pair` raises.
    """
    pairs: list[Pair] = []
    discarded = in_a_row = number = 0
    next_pair(number)
    while not _enough(pairs, plan):
        number += 1
        pair = next_pair(number)
        if not pair.contended or plan.discards_max is None:
            pairs.append(pair)
            in_a_row = 0
            continue
        discarded += 1
        in_a_row += 1
        if discarded > plan.discards_max:
            raise NotJudgedError(
                f"other work took the measuring CPU in {discarded} of {number} pairs; "
                "the snapshot can be verified again when the machine is quieter",
                "contention",
            )
        sleep(min(_LONGEST_WAIT_SEC, _WAIT_SEC * in_a_row))
    return Timing(tuple(pairs), discarded)


def _enough(pairs: Sequence[Pair], plan: Plan) -> bool:
    if len(pairs) < max(2, plan.pairs_min):
        return False
    if len(pairs) >= plan.pairs_max:
        return True
    interval = Timing(tuple(pairs), 0).log_interval
    surely_slower = interval.high < 0  # it earns 0 however exactly that is known
    return surely_slower or (interval.high - interval.low) / 2 <= plan.precision


def mean_interval(values: Sequence[float]) -> Interval:
    """The 95 % interval of the mean of at least two values."""
    freedom = len(values) - 1
    quantile = _T95[freedom - 1] if freedom <= len(_T95) else _Z95 * (1 + 1.2 / freedom)
    half = quantile * statistics.stdev(values) / math.sqrt(len(values))
    middle = statistics.fmean(values)
    return Interval(middle - half, middle + half)


def median_interval(values: Sequence[float]) -> Interval | None:
    """An interval that holds the median with at least 95 %, from order statistics.

    None below six values, where no such interval exists.
    """
    ordered, count = sorted(values), len(values)
    if count < 6:
        return None
    outside, cut = 0.0, 0
    while True:
        outside += 2 * math.comb(count, cut) / 2**count
        if outside > 0.05:
            break
        cut += 1
    return Interval(ordered[cut - 1], ordered[count - cut])
