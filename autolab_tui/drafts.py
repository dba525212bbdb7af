"""A run that is being put together: what the operator chose so far, and the spec it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from autolab_tui import amounts
from engine.harnesses import DEFAULT
from engine.state import State

AGENTS = {
    "nop": "does nothing; must score 0",
    "oracle": "applies the last stage of the reference",
    "ladder": "applies the reference's stages one after another",
}
Size = Literal["quick", "full"]


class Draft(msgspec.Struct, frozen=True):
    """The choices. `budget` and `run_budget` are as `amounts.changes_in` reads them.

    `providers` has the address of providers that the settings do not name.
    """

    tasks: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    harnesses: tuple[str, ...] = (DEFAULT,)
    attempts: int | None = None
    size: Size = "full"
    budget: str = ""
    run_budget: str = ""
    concurrency: int | None = None
    providers: Mapping[str, Mapping[str, str]] = msgspec.field(default_factory=dict)

    def problem(self) -> str:
        """Why it makes no run yet, or nothing."""
        if not self.tasks:
            return "Choose a task."
        if not self.models and not self.agents:
            return "Choose a model, or an agent that needs none."
        if self.models and not self.harnesses:
            return "Choose a harness for the models."
        return ""

    def spec(self) -> dict[str, Any]:
        """The run spec that the engine is sent. Raises `ValueError` for a budget that is none."""
        named = {model.partition("/")[0] for model in self.models}
        made: dict[str, Any] = {
            "tasks": sorted(self.tasks),
            "models": list(self.models),
            "agents": list(self.agents),
            "harnesses": list(self.harnesses) or [DEFAULT],
            "attempts": self.attempts,
            "size": self.size,
            "budget": limits(self.budget),
            "concurrency": self.concurrency,
            "providers": {n: dict(p) for n, p in self.providers.items() if n in named},
        }
        if self.run_budget.strip():
            made["run_budget"] = limits(self.run_budget)
        return made


def limits(words: str) -> dict[str, dict[str, float]]:
    """`active 2h, soft cost 4` as limits. Raises `ValueError` with the remedy."""
    if not words.strip():
        return {}
    made: dict[str, dict[str, float]] = {}
    for key, amounts_of in amounts.changes_in(words).items():
        for name, text in amounts_of.items():
            if text[:1] in "+-":
                raise ValueError(
                    f"{key} {text}: a new run has no limit to move; leave the sign out"
                )
            made.setdefault(key, {})[name] = float(text)
    return made


def read_model(words: str) -> tuple[str, dict[str, str] | None]:
    """A model as it is typed: `P/NAME`, or `P/NAME ADDRESS [KEY_VARIABLE]`.

    Returns the model and, where an address was given, its provider's. Raises `ValueError`.
    """
    name, *rest = words.split()
    provider, slash, model = name.partition("/")
    if not (provider and slash and model):
        raise ValueError(f"{name} is not PROVIDER/NAME; write openai/gpt-5.6")
    if not rest:
        return name, None
    parts = urlsplit(rest[0])
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{rest[0]} is no address; write http://127.0.0.1:8000/v1")
    found = {"base_url": rest[0].rstrip("/")}
    if len(rest) > 1:
        if not rest[1].isidentifier():
            raise ValueError("name the variable that holds the key; never write the key itself")
        found["key_env"] = rest[1]
    if len(rest) > 2:
        raise ValueError("write a model, an address and a variable's name, no more")
    return name, found


def used_before(state: State) -> tuple[list[str], dict[str, Mapping[str, str]]]:
    """The models of the journal's runs, newest first, and the addresses they were reached at."""
    models: dict[str, None] = {}
    providers: dict[str, Mapping[str, str]] = {}
    for run in reversed(list(state.runs.values())):
        for model in run.spec.get("models", ()):
            models.setdefault(str(model))
        for name, provider in (run.spec.get("providers") or {}).items():
            if isinstance(provider, dict):
                kept = {k: str(v) for k, v in provider.items() if v is not None}
                providers.setdefault(str(name), kept)
    return list(models), providers
