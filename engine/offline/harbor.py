"""A run as the folder that Harbor leaves of a job, for tools that read those. Pure.

A run is a job and a session a trial. Ids are derived from ours, so that exporting twice gives the
same bytes. Whatever Harbor has no word for stands in `metadata` of the agent's result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from engine.events import rfc3339
from engine.state import RunState, SessionState
from engine.usage import Usage


def job(
    run: RunState,
    sessions: Sequence[SessionState],
    trajectories: Mapping[str, str | None],
    version: str,
) -> dict[str, str]:
    """Every file of the job by its path in the job's folder.

    `trajectories` is each session's conversation as JSON, null where nothing was said.
    """
    trials = [_trial(run, session, version) for session in sessions]
    over = [s for s in sessions if s.over]
    ended = [s.ended for s in over if s.ended is not None]
    whole = len(over) == len(sessions) and bool(ended)
    errored = [s for s in over if _exception(s) is not None]
    files = {
        "config.json": _json(
            {
                "job_name": run.id,
                "n_attempts": max((s.attempt for s in sessions), default=1),
                "agents": [_agent(s) for s in _distinct(sessions)],
                "tasks": [{"path": path} for path in dict.fromkeys(s.task_path for s in sessions)],
            }
        ),
        "result.json": _json(
            {
                "id": str(_job_id(run)),
                "started_at": rfc3339(run.created),
                "finished_at": rfc3339(max(ended)) if whole else None,
                "n_total_trials": len(sessions),
                "stats": {
                    "n_completed_trials": len(over),
                    "n_errored_trials": len(errored),
                    "n_running_trials": sum(not s.over and s.begun for s in sessions),
                    "n_pending_trials": sum(not s.over and not s.begun for s in sessions),
                    "n_cancelled_trials": sum(s.outcome == "stopped_by_operator" for s in over),
                    "evals": _evals(over),
                    **_tokens([s.usage for s in sessions]),
                },
            }
        ),
    }
    for session, trial in zip(sessions, trials, strict=True):
        files[f"{session.id}/config.json"] = _json(trial["config"])
        if session.over:  # Harbor writes it once, at the end
            files[f"{session.id}/result.json"] = _json(trial)
        found = trajectories.get(session.id)
        if found is not None:
            files[f"{session.id}/agent/trajectory.json"] = found
        if session.final_reward is not None:
            rewards = trial["verifier_result"]["rewards"]
            files[f"{session.id}/verifier/reward.txt"] = f"{session.final_reward}\n"
            files[f"{session.id}/verifier/reward.json"] = _json(rewards)
        failed = _exception(session)
        if failed is not None:
            files[f"{session.id}/exception.txt"] = failed["exception_message"] + "\n"
    return files


def _trial(run: RunState, session: SessionState, version: str) -> dict[str, Any]:
    provider, _, name = (session.model or "").partition("/")
    reward = session.final_reward
    return {
        "id": str(uuid5(_job_id(run), session.id)),
        "task_name": session.task,
        "trial_name": session.id,
        "trial_uri": f"autolab:{run.id}/{session.id}",
        "task_id": {"path": session.task_path},
        "task_checksum": session.task_hash,
        "config": {
            "task": {"path": session.task_path},
            "trial_name": session.id,
            "trials_dir": run.id,
            "job_id": str(_job_id(run)),
            "agent": _agent(session),
        },
        "agent_info": {
            "name": _name(session),
            "version": version,
            "model_info": {"name": name, "provider": provider} if session.model else None,
        },
        "agent_result": {**_tokens([session.usage]), "metadata": _more(session)},
        "verifier_result": None if reward is None else {"rewards": {"reward": reward}},
        "exception_info": _exception(session),
        "started_at": rfc3339(session.created),
        "finished_at": None if session.ended is None else rfc3339(session.ended),
    }


def _job_id(run: RunState) -> UUID:
    return uuid5(NAMESPACE_URL, f"autolab:{run.id}:{rfc3339(run.created)}")


def _name(session: SessionState) -> str:
    """The agent by our words: the loop of a scripted one, else the harness."""
    return session.harness if session.model else session.agent


def _agent(session: SessionState) -> dict[str, Any]:
    return {"name": _name(session), "model_name": session.model}


def _distinct(sessions: Sequence[SessionState]) -> list[SessionState]:
    return list({(_name(s), s.model): s for s in sessions}.values())


def _exception(session: SessionState) -> dict[str, Any] | None:
    """What Harbor calls an error: a session that something of ours, not its agent, brought down."""
    if session.outcome != "infrastructure":
        return None
    return {
        "exception_type": "InfrastructureError",
        "exception_message": session.outcome_evidence,
        "exception_traceback": "",
        "occurred_at": rfc3339(session.ended or session.created),
    }


def _tokens(usages: Sequence[Usage]) -> dict[str, Any]:
    """Sums; a cost that is not known of every call is null."""
    total = sum(usages, Usage())
    return {
        "n_input_tokens": total.sent,
        "n_cache_tokens": total.cached,
        "n_output_tokens": total.output,
        "cost_usd": None if total.unpriced else total.cost,
    }


def _more(session: SessionState) -> dict[str, Any]:
    clocks = session.clocks
    return {
        "domain": session.domain,
        "agent": session.agent,
        "harness": session.harness,
        "harness_hash": session.harness_hash,
        "attempt": session.attempt,
        "state": session.state,
        "outcome": session.outcome,
        "outcome_evidence": session.outcome_evidence,
        "best_reward": session.best_reward,
        "active_sec": round(clocks.working, 3),
        "turns": session.usage.turns,
        "assisted": session.assisted,
        "official": session.official,
    }


def _evals(over: Sequence[SessionState]) -> dict[str, Any]:
    """One entry for each agent, model and domain, as Harbor groups them by data set."""
    groups: dict[str, list[SessionState]] = {}
    for session in over:
        parts = [_name(session), *([session.model] if session.model else []), session.domain]
        groups.setdefault("__".join(parts), []).append(session)
    return {key: _eval(group) for key, group in groups.items()}


def _eval(group: Sequence[SessionState]) -> dict[str, Any]:
    rewards: dict[str, list[str]] = {}
    for session in group:
        if session.final_reward is not None:
            rewards.setdefault(str(session.final_reward), []).append(session.id)
    finals = [s.final_reward for s in group if s.final_reward is not None]
    errors = [s.id for s in group if _exception(s) is not None]
    return {
        "n_trials": len(group),
        "n_errors": len(errors),
        "metrics": [{"mean": sum(finals) / len(finals)}] if finals else [],
        "reward_stats": {"reward": rewards} if rewards else {},
        "exception_stats": {"InfrastructureError": errors} if errors else {},
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
