"""Conversations in ATIF, the trajectory format that Harbor's tools read (version 1.8). Pure.

A step is one thing that was said; what came of an answer's tool calls is that step's observation.
What ATIF has no word for stands under `extra`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.entries import Entry, arguments_of, calls_of
from engine.state import SessionState
from engine.usage import Usage

VERSION = "ATIF-v1.8"
_OF_RESULT = {"tool": "name", "code": "code", "seconds": "seconds"}
_SOURCES = {"system": "system", "user": "user", "assistant": "agent", "output": "agent"}


def trajectory(
    session: SessionState, entries: Iterable[Entry], turns: Mapping[int, Usage], version: str
) -> dict[str, Any] | None:
    """The whole conversation of a session; None where nothing was said.

    `turns` is what each of its model's turns used, by number; `version` is AutoLab's.
    """
    steps: list[dict[str, Any]] = []
    answer: dict[str, Any] | None = None  # the step whose tool calls are being carried out
    for entry in entries:
        if entry["kind"] == "tool":
            _observe(steps, answer, entry)
            continue
        step = _step(len(steps) + 1, session, entry, turns)
        if entry["kind"] == "assistant":
            answer = step
        steps.append(step)
    if not steps:
        return None
    about = {"name": session.agent, "version": version, "extra": _harness(session)}
    if session.model is not None:
        about["model_name"] = session.model
    return {
        "schema_version": VERSION,
        "session_id": session.id,
        "trajectory_id": session.id,
        "agent": about,
        "steps": steps,
        "final_metrics": {"total_steps": len(steps), **_totals(session.usage)},
        "extra": {"run": session.run, "task": session.task, "task_hash": session.task_hash},
    }


def _step(
    number: int, session: SessionState, entry: Entry, turns: Mapping[int, Usage]
) -> dict[str, Any]:
    kind = str(entry["kind"])
    step: dict[str, Any] = {
        "step_id": number,
        "timestamp": entry["at"],
        "source": _SOURCES.get(kind, "system"),
        "message": str(entry.get("text") or ""),
    }
    if kind != "assistant":
        if kind not in ("system", "user"):
            step["extra"] = {"kind": kind}
        return step
    if session.model is not None:
        step["model_name"] = session.model
    if entry.get("reasoning"):
        step["reasoning_content"] = entry["reasoning"]
    if calls := calls_of(entry):
        step["tool_calls"] = [_call(call) for call in calls]
    usage = turns.get(entry.get("turn") or 0)
    if usage is not None:
        step["metrics"] = _metrics(usage)
    return step


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments are an object there; what a model wrote that is none is kept as text."""
    made = {"tool_call_id": str(call.get("id")), "function_name": str(call.get("name"))}
    arguments = arguments_of(call)
    if isinstance(arguments, dict):
        return {**made, "arguments": arguments}
    return {**made, "arguments": {}, "extra": {"text": str(arguments)}}


def _observe(steps: list[dict[str, Any]], answer: dict[str, Any] | None, entry: Entry) -> None:
    """Put a tool's output to the answer that called it; a result names a call of its own step."""
    if answer is None:
        answer = {"step_id": len(steps) + 1, "timestamp": entry["at"], "source": "agent"}
        answer["message"] = ""
        steps.append(answer)
    result: dict[str, Any] = {
        "content": str(entry.get("output") or ""),
        "extra": {key: entry.get(name) for key, name in _OF_RESULT.items()},
    }
    if any(call["tool_call_id"] == entry.get("call") for call in answer.get("tool_calls", ())):
        result["source_call_id"] = str(entry["call"])
    answer.setdefault("observation", {"results": []})["results"].append(result)


def _metrics(usage: Usage) -> dict[str, Any]:
    """Tokens of one turn; what is not known of its cost is left out, never 0."""
    made: dict[str, Any] = {
        "prompt_tokens": usage.sent,
        "completion_tokens": usage.output,
        "cached_tokens": usage.cached,
        "extra": {"reasoning_tokens": usage.reasoning, "cache_write_tokens": usage.cache_write},
    }
    if usage.cost is not None and not usage.unpriced:
        made["cost_usd"] = usage.cost
    return made


def _totals(usage: Usage) -> dict[str, Any]:
    made: dict[str, Any] = {
        "total_prompt_tokens": usage.sent,
        "total_completion_tokens": usage.output,
        "total_cached_tokens": usage.cached,
        "extra": {"turns": usage.turns, "unpriced_calls": usage.unpriced},
    }
    if usage.cost is not None and not usage.unpriced:
        made["total_cost_usd"] = usage.cost
    return made


def _harness(session: SessionState) -> dict[str, Any]:
    return {"harness": session.harness, "harness_hash": session.harness_hash}
