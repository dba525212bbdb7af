"""How often to measure, and what the measurements say: alternating pairs and log-speedups.

Each pair is the pristine baseline and the candidate on the same fresh input, one right after the
other. What is estimated is the mean of ln(baseline / candidate) over pairs, with a two-sided 95 %
interval from Student's t. Pairs are taken until that interval is narrow enough or there may be no
more; a measurement that stays wide is never taken for a narrow one (`Width`).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from verifier.grading import SURE
from verifier.intervals import half_width, mean_interval
from verifier.outcomes import NotJudgedError
from verifier.runqueue import Delay
from verifier.verdict import Interval, Stage

if TYPE_CHECKING:
    from tasks.autolab import Measure

_SHARE = 0.10  # of a repetition that others may take before it is contended
_FLOOR_SEC = 0.00002  # and what they may take of a very short one
_WAIT_SEC = 0.1
_LONGEST_WAIT_SEC = 0.5
_CHECKPOINT_PRECISION = 0.05
_OF_GAIN = 0.02  # of the log-speedup itself, which a log reward is in proportion to
_LOOSE = 2.0  # times the precision asked for

# tight: as asked for. wide: somewhat wider. loose: beyond `_LOOSE` times that, by the candidate's
# own doing. unsteady: as loose, while the pristine baseline's own time varied as much.
Width = Literal["tight", "wide", "loose", "unsteady"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pairs to take; stop early once the interval's half-width is `precision` or less.

    With `of_gain` it must be no more than that part of the log-speedup, too. At most `discards_max`
    contended pairs are thrown away before the measurement is given up; None keeps them all.
    """

    pairs_min: int
    pairs_max: int
    precision: float
    discards_max: int | None
    of_gain: float | None = None


def plan_for(measure: Measure, stage: Stage, *, same: bool) -> Plan:
    """How to measure at this stage of a session.

    A checkpoint is one point of a trajectory and should be cheap: a third of the further pairs, and
    an interval of 5 % will do. A final verdict also wants the reward to a fiftieth of itself, which
    is more where the speedup is small. Where candidate and baseline are the `same`, the time is
    only for information: as few pairs as allowed, and contention does no harm.
    """
    least, most, precision = measure.pairs_min, measure.pairs_max, measure.precision
    if same:
        return Plan(least, least, precision, None)
    if stage == "checkpoint":
        most = least + (most - least) // 3
        precision = max(precision, _CHECKPOINT_PRECISION)
    of_gain = None if stage == "checkpoint" else _OF_GAIN
    return Plan(least, most, precision, 2 * measure.pairs_max, of_gain)


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

    @property
    def faster(self) -> bool:
        """Whether the candidate is faster than the baseline beyond doubt: at 99 %, not 95.

        An agent has many snapshots judged; at 95 % one in forty that changes nothing would earn.
        """
        return mean_interval(self.log_speedups, SURE).low > 0

    @property
    def slower(self) -> bool:
        """Whether it is slower, however exactly that is known."""
        return self.log_interval.high < 0

    def width(self, precision: float) -> Width:
        """How the interval compares with the half-width that was asked for."""
        half = half_width(self.log_interval)
        if half <= precision or self.slower:
            return "tight"
        if half <= _LOOSE * precision:
            return "wide"
        baseline = mean_interval([math.log(pair.baseline) for pair in self.pairs])
        return "unsteady" if half_width(baseline) > _LOOSE * precision else "loose"


def contended(seconds: float, delay: Delay | None) -> bool:
    """Whether others took so much of a repetition of `seconds` that it should not count.

    Where the delay cannot be told (None) nothing is discarded; the verdict's seal says so.
    """
    if delay is None:
        return False
    taken = delay.queue + delay.steal + delay.clock + delay.others
    return taken > max(_FLOOR_SEC, _SHARE * seconds)


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
    timing = Timing(tuple(pairs), 0)
    return len(pairs) >= plan.pairs_max or timing.slower or _settled(timing, plan)


def _settled(timing: Timing, plan: Plan) -> bool:
    """Whether more pairs would change nothing that anybody asks for."""
    interval = timing.log_interval
    half = half_width(interval)
    if half > plan.precision:
        return False
    if interval.low > 0 and not timing.faster:  # it would earn nothing, and might with more pairs
        return False
    gain = max(0.0, interval.low + half)
    return plan.of_gain is None or not timing.faster or half <= plan.of_gain * gain
