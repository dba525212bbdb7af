"""Judges a recipe: reads it, trains its networks on fresh readings, and compares with the truth.

The files beside this one are copies of those in the workspace; a test keeps them alike.
"""

from __future__ import annotations

import math
from typing import Any

import trainer
from recipe import LimitError, UnreadableError, parse

Gates = list[tuple[str, bool, str]]


def judge(files: dict[str, bytes], params: dict[str, Any], seed: int) -> dict[str, Any]:
    gates: Gates = []
    metric = _judge(files.get("recipe.toml", b""), params, seed, gates)
    return {"gates": gates, "metric": metric}


def _judge(data: bytes, params: dict[str, Any], seed: int, gates: Gates) -> float | None:
    try:
        recipe = parse(data)
    except UnreadableError as error:
        gates.append(("parses", False, str(error)))
        return None
    except LimitError as error:
        gates += [("parses", True, f"{len(data)} bytes"), ("in_limits", False, str(error))]
        return None
    gates += [("parses", True, f"{len(data)} bytes"), ("in_limits", True, "")]
    budget = trainer.Budget(params["readings"], params["operations"])
    try:
        steps = trainer.steps_of(recipe, budget)
    except trainer.OverBudgetError as error:
        gates.append(("in_budget", False, str(error)))
        return None
    gates.append(("in_budget", True, f"{steps} steps of {recipe.model.members} networks"))
    found = [trainer.excess(recipe, budget, seed + at) for at in range(params["trainings"])]
    shown = ", ".join(f"{value:.1f}" for value in found)
    fine = all(math.isfinite(value) for value in found)
    gates.append(("trains", fine, f"seed {seed}: {shown}"))
    return sum(found) / len(found) if fine else None
