"""How far apart verdicts on the same snapshot lie, on a quiet machine and beside other work."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import nullcontext

from benchmarks.measuring import table
from benchmarks.noise import noise
from tasks import Task, load_suite
from verifier.request import VerifyRequest
from verifier.sealed import verify
from verifier.verdict import Verdict

_TASK = "median_filter"
_VERDICTS = 20
_GOALS = {False: 0.01, True: 0.03}  # standard deviation over mean of the reward


def report() -> str:
    """The table. Raises `RuntimeError` where nothing can be measured."""
    task = load_suite(None).get(_TASK)
    first, *_, last = task.steps()
    comment = b"\n/* This changes nothing. */\n"
    nothing = {name: data + comment for name, data in task.baseline().items()}
    rows = []
    for what, files in ((last.name, last.artifact), (first.name, first.artifact)):
        rows += [_row(what, task, files, noisy=noisy) for noisy in (False, True)]
    rows += [_row("a comment more", task, nothing, noisy=noisy) for noisy in (False, True)]
    head = (
        "snapshot", "beside", "scored", "again", "official", "pairs", "speedup", "reward",
        "sd", "range", "goal (sd)", "above 0",
    )  # fmt: skip
    return table(f"{_VERDICTS} final verdicts on the same snapshot of {_TASK}, quick", head, rows)


def _row(what: str, task: Task, files: Mapping[str, bytes], *, noisy: bool) -> list[str]:
    with noise() if noisy else nullcontext():
        verdicts = [_verdict(task, files) for _ in range(_VERDICTS)]
    scored = [v for v in verdicts if v.status == "scored"]
    rewards = [v.reward for v in scored if v.reward is not None]
    speedups = [v.speedup.value for v in scored if v.speedup is not None]
    if len(rewards) < 2:
        raise RuntimeError(f"{what}: {len(rewards)} verdicts scored: {verdicts[-1].reason}")
    mean = statistics.fmean(rewards)
    off = statistics.stdev(rewards) / mean if mean else 0.0
    span = (max(rewards) - min(rewards)) / mean if mean else 0.0
    return [
        what,
        "noise" if noisy else "nothing",
        str(len(scored)),
        str(sum(v.cause == "contention" for v in verdicts)),
        str(sum(v.seal.official for v in scored)),
        f"{statistics.fmean(len(v.metric.samples) for v in scored if v.metric):.1f}",
        f"{statistics.geometric_mean(speedups):.3f}",
        f"{mean:.4f}",
        f"{off:.2%}" if mean else "-",
        f"{span:.2%}" if mean else "-",
        f"{_GOALS[noisy]:.0%}" if mean else "-",
        str(sum(reward > 0 for reward in rewards)),
    ]


def _verdict(task: Task, files: Mapping[str, bytes]) -> Verdict:
    return verify(VerifyRequest(task=str(task.path), files=dict(files), stage="final"))
