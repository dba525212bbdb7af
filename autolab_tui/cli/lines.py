"""Events as lines for eyes: what an operator would want to have seen, and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from autolab_tui import words
from autolab_tui.cli.output import plain
from autolab_tui.cli.values import short_duration
from autolab_tui.words import plural
from engine.events import (
    AlertCleared,
    AlertRaised,
    BudgetChanged,
    ContextCompacted,
    EngineStarted,
    EngineStopped,
    GpusNoted,
    Intervened,
    LeaseGranted,
    LeaseReturned,
    ModelPaced,
    ModelRetried,
    Noted,
    RunCreated,
    RunRemoved,
    SessionCreated,
    SessionEnded,
    SessionMoved,
    SnapshotTaken,
    ToolFinished,
    ToolStarted,
    TurnFailed,
    TurnFinished,
    Usage,
    VerdictGiven,
    VerdictRegraded,
    VerificationStarted,
)
from verifier.numerals import numeral

if TYPE_CHECKING:
    from engine.events import Event
    from verifier.verdict import Verdict

_WIDTH = 240


def line(event: Event) -> str | None:
    """`TIME  SESSION  WHAT` for an event, or None for one that is no news to a person."""
    what = describe(event)
    if what is None:
        return None
    at = time.strftime("%H:%M:%S", time.localtime(event.at))
    return f"{at}  {plain(event.session or 'engine')}  {plain(what, _WIDTH)}"


def describe(event: Event) -> str | None:  # noqa: PLR0911, PLR0912 - one case for each event
    """The event in words, or None."""
    match event.body:
        case EngineStarted(version=version, pid=pid):
            return f"engine {version} started, pid {pid}"
        case EngineStopped(reason=reason):
            return f"engine stopped {reason}".rstrip()
        case RunCreated(run=run, sessions=sessions):
            many = "session" if len(sessions) == 1 else "sessions"
            return f"run {run} created with {len(sessions)} {many}"
        case RunRemoved(run=run, by=by):
            return f"run {run} removed by {by}"
        case SessionCreated(model=model, agent=agent, task=task, attempt=attempt):
            return f"{model or agent} on {task}, attempt {attempt}"
        case SessionMoved(state=state, reason=reason):
            return f"{state}: {reason}" if reason else state
        case TurnFinished(usage=usage, seconds=seconds):
            return f"answered in {seconds:.1f} s, {usage.output} tokens"
        case TurnFailed(cause=cause, usage=usage) if usage != Usage():
            return f"paid for no answer ({cause}): {usage.tokens} tokens that are known of"
        case ToolStarted(tool=tool, summary=summary):
            return f"$ {tool} {summary}".rstrip()
        case ToolFinished(tool=tool, code=code, seconds=seconds) if code != 0:
            how = "cut off" if code is None else f"exit code {code}"
            return f"{tool}: {how} after {seconds:.1f} s"
        case ModelRetried(attempt=attempt, cause=cause, wait=wait):
            return f"model call failed ({cause}); attempt {attempt} in {wait:.1f} s"
        case ModelPaced(provider=provider, limit=limit, cause=cause):
            return f"{provider} takes {plural(limit, 'call')} at once from now on: {cause}"
        case ContextCompacted() as compacted:
            return compacted.in_words
        case SnapshotTaken(snapshot=snapshot, files=files):
            return f"snapshot {snapshot[:12]} of {', '.join(files)}"
        case Intervened(what=what, by=by, why=why):
            return f"{what} by {by}" + (f": {why}" if why else "")
        case VerificationStarted(stage=stage, snapshot=snapshot):
            return f"verifying {snapshot[:12]} ({stage})"
        case VerdictGiven(verdict=verdict, active=active):
            return f"{verdict_words(verdict)}, after {short_duration(active)} active"
        case VerdictRegraded(verdict=verdict, by=by, why=why):
            return f"graded anew by {by}: reward {_reward(verdict)}, since {why}"
        case SessionEnded(outcome=outcome, evidence=evidence, final_reward=final):
            reward = "not judged" if final is None else f"final reward {final:.3f}"
            return f"ended: {outcome}, {reward}; {evidence}"
        case AlertRaised(text=text):
            return f"needs you: {text}"
        case AlertCleared(alert=alert):
            return f"settled: {alert}"
        case Noted(text=text):
            return text
        case BudgetChanged(run=run, by=by, why=why) as changed:
            whose = f"budget of run {run}" if run else "budget"
            return f"{whose} is {_limits(changed)}, by {by}" + (f": {why}" if why else "")
        case LeaseGranted(gpus=gpus, shared=shared):
            return f"leased {', '.join(g.words for g in gpus)}" + (", shared" if shared else "")
        case LeaseReturned(why=why):
            return "GPU given back" + (f": {why}" if why else "")
        case GpusNoted(name=name, state=state):
            return f"{name}: {state}"
        case _:
            return None


def _limits(changed: BudgetChanged) -> str:
    said = []
    for key, limit in changed.budget.items():
        hard = "" if limit.hard is None else f" {words.amount(key, limit.hard)}"
        soft = "" if limit.soft is None else f" (soft {words.amount(key, limit.soft)})"
        said.append(f"{key}{hard}{soft}")
    return ", ".join(said) or "without limits"


def _reward(verdict: Verdict) -> str:
    return "unknown" if verdict.reward is None else f"{verdict.reward:.3f} ({verdict.status})"


def verdict_words(verdict: Verdict) -> str:
    """A verdict in one line: reward, speedup, and the gate that failed if one did."""
    if verdict.failed_gate is not None:
        return f"verdict ({verdict.stage}): gate {verdict.failed_gate} failed, reward 0"
    if verdict.reward is None:
        return f"verdict ({verdict.stage}): could not be judged: {verdict.reason}"
    said = [f"verdict ({verdict.stage}): reward {verdict.reward:.3f}"]
    if verdict.metric is not None:
        said.append(f"{numeral(verdict.metric.value)} {verdict.metric.unit}".rstrip())
    if verdict.speedup is not None:
        said.append(f"{verdict.speedup.value:.2f}x")
    if verdict.status not in ("scored", "zero"):
        said.append(verdict.status)
    return ", ".join(said)
