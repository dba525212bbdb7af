"""Facts about public tasks, by name: what their format leaves unsaid.

They stand in `known_tasks.toml`. A task of the same name with another baseline is another task.
"""

from __future__ import annotations

import functools
import math
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tasks import Task
    from verifier.verdict import Direction

Rule = Literal["log", "linear", "share"]
_DIGITS = 4  # the public tasks round their rewards so


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one public task; `known_tasks.toml` says what each thing means."""

    rule: Rule
    metric: str
    direction: Direction
    baseline: float
    reference: float
    best: float
    floor: float
    editable: tuple[str, ...]
    min_cpus: int

    def reward(self, metric: float) -> float:
        """The reward of a metric by the task's rule, in [0, 1] and rounded as the task does."""
        if self.rule == "log":
            reward = self._log(metric)
        else:
            end = self.best if self.rule == "linear" else 0.0
            reward = (metric - self.baseline) / (end - self.baseline)
        return round(min(1.0, max(0.0, reward)), _DIGITS)

    def speedup(self, metric: float) -> float | None:
        """How many times better than the stated baseline; None where no ratio says it."""
        if min(metric, self.baseline) <= 0:
            return None
        lower = self.direction == "lower"
        return self.baseline / metric if lower else metric / self.baseline

    def _log(self, metric: float) -> float:
        gained, wanted = self.speedup(metric), self.speedup(self.reference)
        if gained is None or wanted is None or gained <= self.floor or wanted <= 1.0:
            return 0.0
        return 0.5 * math.log(gained) / math.log(wanted)


@functools.cache
def _table() -> dict[str, dict[str, object]]:
    text = resources.files("verifier.foreign").joinpath("known_tasks.toml").read_text("utf-8")
    return tomllib.loads(text)


def about(task: Task) -> Known | None:
    """What is known of this task; None for one that is not known, or is not the same."""
    facts = _table().get(task.name)
    stated = task.optimization
    if facts is None or stated is None or stated.baseline is None or stated.reference is None:
        return None
    baseline, reference = stated.baseline.score, stated.reference.score
    if baseline is None or reference is None or baseline != facts["baseline"]:
        return None
    return Known(
        rule=facts["rule"],  # type: ignore[arg-type]  # our own file
        metric=str(facts.get("metric", "metric")),
        direction=stated.direction,
        baseline=baseline,
        reference=reference,
        best=float(facts.get("best", reference)),  # type: ignore[arg-type]
        floor=float(facts.get("floor", 1.0)),  # type: ignore[arg-type]
        editable=tuple(facts["editable"]),  # type: ignore[arg-type]
        min_cpus=int(facts.get("min_cpus", 1)),  # type: ignore[call-overload]
    )
