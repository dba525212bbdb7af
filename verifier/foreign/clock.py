"""Whether a foreign task goes by the clock, and on how many CPUs.

The format does not say; the name of the metric does. What is not timed needs no CPU of its own and
waits for nobody's turn.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks import Task

_CLOCKED = frozenset(
    {"bandwidth", "duration", "latency", "ms", "ns", "ops", "qps", "runtime", "s", "sec"}
    | {"seconds", "speed", "speedup", "throughput", "time", "us", "walltime"}
)


def timed(task: Task) -> bool:
    """Whether the task's metric is a time or a rate; one without a metric counts as timed."""
    name = task.optimization.metric if task.optimization else ""
    return not name or bool(_CLOCKED & set(re.split(r"[^a-z]+", name.lower())))


def threads(task: Task) -> int:
    """The CPUs that its test.sh is to have for itself: those that task.toml states."""
    return max(1, math.ceil(task.config.environment.cpus or 1)) if timed(task) else 1
