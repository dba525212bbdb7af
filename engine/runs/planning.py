"""From what an operator asks to the sessions of a run: the product, checked before it begins."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine import harnesses
from engine.agents.registry import SCRIPTED
from engine.events import Counts, Limit, RunCreated, SessionCreated
from engine.models.choice import ModelChoiceError, check_key, choose_provider
from engine.models.prices import Finding, price_of
from engine.models.types import Api
from engine.runs import budgets
from engine.settings import Settings
from tasks import Suite, Task, TaskError, load_suite
from tasks.nearest import hint
from verifier.anchors import Chosen, anchors_for
from verifier.availability import availability
from verifier.gpus.device import want_of
from verifier.pins import PinsError, check, state, task_hash
from verifier.sandbox import uids
from verifier.sandbox.places import why_unreachable
from verifier.scoring import ScaleError, scale_of
from verifier.verdict import Anchors, AnchorSource

MOST_SESSIONS = 1000
_ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are read as another


class RunRefusedError(ValueError):
    """A run that cannot be launched as asked; the message names the key, the value and a remedy."""


class ProviderSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider for one run: where it is, what it speaks, which variable holds its key.

    A known provider of the same name lends what is not stated here, but never its key.
    """

    base_url: str
    key_env: str | None = None
    api: Api | None = None
    version: str | None = None
    prices: dict[str, dict[str, float]] | None = None  # US dollars for a million tokens, by model


class RunSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked. Lists are globs (tasks) or names; `suite` None is the shipped one.

    `budget` is each session's, `run_budget` that of all together; `clock` is the one that the
    tasks' own time limits are held against. `anchors` says what rewards are anchored to; None is
    what the settings say.
    `attempts` None is as many as each harness says, and one for an agent without a model.
    With `cells` only those of the product are made: task, model or agent, harness, attempt.
    """

    suite: str | None = None
    tasks: tuple[str, ...] = ("*",)
    models: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    harnesses: tuple[str, ...] = (harnesses.DEFAULT,)
    attempts: int | None = None
    budget: dict[str, Limit] = {}
    concurrency: int | None = None
    size: Literal["quick", "full"] = "full"
    providers: dict[str, ProviderSpec] = {}
    run_budget: dict[str, Limit] = {}
    clock: Counts = "active"
    pairs: tuple[tuple[str, str], ...] = ()
    anchors: AnchorSource | None = None
    cells: tuple[tuple[str, str, str, int], ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """A run that can begin: its event, and each session's, by id; `notes` are for the operator."""

    run: RunCreated
    sessions: dict[str, SessionCreated]
    notes: tuple[str, ...] = ()


def read_spec(data: Mapping[str, Any]) -> RunSpec:
    """The spec that a caller sent. Raises `RunRefusedError`."""
    try:
        given = {key: value for key, value in data.items() if value is not None}
        return msgspec.convert(given, RunSpec, strict=False)
    except msgspec.ValidationError as error:
        keys = ", ".join(RunSpec.__struct_fields__)
        raise RunRefusedError(f"the run spec does not fit: {error}; its keys are {keys}") from error


def plan(
    spec: RunSpec,
    settings: Settings,
    taken: Container[str],
    reasons: Callable[[Iterable[Task]], Mapping[str, str | None]] = availability,
    calibrations: Path | None = None,
) -> Plan:
    """Check everything that can be checked now, and lay out the sessions.

    `taken` are run ids in use; `reasons` says which tasks are not available here, and why;
    `calibrations` is the folder of anchors that were measured on this machine. Reads
    task files, hashes them and starts a sandbox, so it belongs on a thread. Raises
    `RunRefusedError`.
    """
    _check_numbers(spec)
    workers = _workers(spec, settings)
    run = _new_id(taken)
    source = spec.anchors or settings.anchors
    notes: list[str] = []
    sessions: dict[str, SessionCreated] = {}
    cells = [
        (task, [worker for worker in workers if _wanted(spec, task, worker)])
        for task in _tasks(spec)
    ]
    cells = [(task, chosen) for task, chosen in cells if chosen]
    why_not = reasons([task for task, _ in cells])
    for task, chosen in cells:
        if (why := why_not.get(task.name)) is not None:
            raise RunRefusedError(f"task {task.name} is not available here: {why}")
        anchors = None
        if task.autolab is not None:
            found = _anchors(task, spec.size, source, calibrations)
            anchors = found.anchors
            notes += [found.why] if found.why else []
        for created in _sessions_of(task, chosen, spec, run, anchors):
            sessions[f"{run}-{len(sessions) + 1:02d}"] = created
    if not sessions:
        which = "cells" if spec.cells else "pairs"
        raise RunRefusedError(f"{which} leave no session: no task and model match any of them")
    if len(sessions) > MOST_SESSIONS:
        raise RunRefusedError(
            f"that is {len(sessions)} sessions, above the {MOST_SESSIONS} that one run may have; "
            "split it"
        )
    limited = "gpu" in spec.budget or "gpu" in spec.run_budget
    if limited and not any(created.want.count for created in sessions.values()):
        notes.append("no task of this run needs a GPU, so its gpu limit is never reached")
    made = RunCreated(
        run=run,
        sessions=tuple(sessions),
        spec=msgspec.to_builtins(spec),
        budget=_run_budget(spec, workers),
    )
    return Plan(made, sessions, tuple(notes))


class _Worker(msgspec.Struct, frozen=True):
    """A model in a harness, or a scripted agent."""

    name: str
    model: str | None
    agent: str
    harness: str
    harness_hash: str
    found: Finding  # its price
    attempts: int


def _check_numbers(spec: RunSpec) -> None:
    if not spec.models and not spec.agents:
        raise RunRefusedError(
            f"a run needs a model (--model PROVIDER/NAME) or an agent ({', '.join(SCRIPTED)})"
        )
    if spec.attempts is not None and not 1 <= spec.attempts <= MOST_SESSIONS:
        raise RunRefusedError(f"attempts = {spec.attempts} must be 1 to {MOST_SESSIONS}")
    if spec.suite is not None and not spec.suite.startswith("/"):
        raise RunRefusedError(
            f"suite = {spec.suite!r} must be an absolute path: the engine has a folder of its own"
        )
    if spec.concurrency is not None and spec.concurrency < 1:
        raise RunRefusedError(f"concurrency = {spec.concurrency} must be 1 or more")


def _run_budget(spec: RunSpec, workers: list[_Worker]) -> dict[str, Limit]:
    try:
        budget = budgets.checked(spec.run_budget)
    except ValueError as error:
        raise RunRefusedError(f"run {error}") from error
    for worker in workers:
        _check_priced(budget, worker)
    return budget


def _check_priced(budget: Mapping[str, Limit], worker: _Worker) -> None:
    if "cost" in budget and worker.model is not None and worker.found.price is None:
        provider, _, name = worker.model.partition("/")
        raise RunRefusedError(
            f"a cost limit needs the price of {worker.model}, and {worker.found.why_not}; "
            f'state it in autolab.toml under [providers.{provider}.prices."{name}"], or limit '
            "tokens instead"
        )


def _workers(spec: RunSpec, settings: Settings) -> list[_Worker]:
    workers = []
    for agent in dict.fromkeys(spec.agents):
        if agent not in SCRIPTED:
            known = hint(agent, SCRIPTED, f"use one of {', '.join(SCRIPTED)}")
            raise RunRefusedError(f"there is no agent {agent!r}; {known}")
        workers.append(_Worker(agent, None, agent, "none", "", Finding(None), 1))
    overrides = msgspec.to_builtins(spec.providers)
    for model in dict.fromkeys(spec.models):
        try:
            provider, _ = choose_provider(model, settings, overrides)
            check_key(provider)
            found = price_of(model, settings, overrides)
            loops = {name: harnesses.load(name) for name in dict.fromkeys(spec.harnesses)}
            for harness in loops.values():
                _check_program(harness)
        except (harnesses.HarnessError, ModelChoiceError) as error:
            raise RunRefusedError(str(error)) from error
        for name, harness in loops.items():
            attempts = harness.attempts
            workers.append(_Worker(model, model, harness.loop, name, harness.hash, found, attempts))
    return workers


def _check_program(harness: harnesses.Harness) -> None:
    """Raises `HarnessError` when a sandbox could not see the folder that its agent lies in."""
    if harness.program:
        folder = Path(harness.program)
        why = why_unreachable(folder, uids.identity().host_uid("agent"))
        if why is None and not folder.is_dir():
            why = "it is no folder"
        if why is not None:
            raise harnesses.HarnessError(
                f"program = {harness.program!r} of harness {harness.name}: {why}"
            )


def _tasks(spec: RunSpec) -> list[Task]:
    try:
        suite = load_suite(spec.suite)
        chosen: dict[str, Task] = {}
        for pattern in spec.tasks or ("*",):
            found = suite.find(pattern)
            if not found:
                raise RunRefusedError(_no_such_task(suite, pattern))
            chosen.update({str(task.path): task for task in found})
    except TaskError as error:
        raise RunRefusedError(str(error)) from error
    return list(chosen.values())


def _no_such_task(suite: Suite, pattern: str) -> str:
    for broken in suite.broken:
        if fnmatch.fnmatchcase(broken.path.name, pattern):
            return f"task {broken.path.name} is broken: {broken.error}"
    names = [task.path.name for task in suite.tasks]
    known = hint(pattern, names, f"there are: {', '.join(names) or 'none'}")
    return f"no task of {suite.path} matches {pattern!r}; {known}"


def _wanted(spec: RunSpec, task: Task, worker: _Worker) -> bool:
    if not spec.pairs:
        return True
    names = {task.name, task.path.name, f"{task.domain}/{task.path.name}"}
    return any(
        worker.name == who and any(fnmatch.fnmatchcase(name, glob) for name in names)
        for glob, who in spec.pairs
    )


def _anchors(task: Task, size: str, source: AnchorSource, calibrations: Path | None) -> Chosen:
    try:
        return anchors_for(task, size, source, calibrations)
    except (PinsError, TaskError, ScaleError, OSError) as error:
        raise RunRefusedError(str(error)) from error


def _sessions_of(
    task: Task, workers: list[_Worker], spec: RunSpec, run: str, anchors: Anchors | None
) -> Iterator[SessionCreated]:
    """`anchors` None is a foreign task, which has one size and needs no pins."""
    try:
        pinned = task.native or state(task.path) != "missing"
        problems = check(task.path) if pinned else ()
        hashed = task_hash(task.path)
        size = task.size(spec.size if task.native else "full")
        reference = _reference_reward(task, spec.size, anchors)
    except (PinsError, TaskError, ScaleError, OSError) as error:
        raise RunRefusedError(str(error)) from error
    if problems:
        raise RunRefusedError(str(PinsError(task.path, problems)))
    if size.active_sec is None and spec.clock not in spec.budget:
        raise RunRefusedError(
            f"task {task.name} states no [agent] timeout_sec; give --budget {spec.clock}=2h"
        )
    try:
        budget = budgets.effective(size.active_sec or 0.0, spec.budget, spec.clock)
    except ValueError as error:
        raise RunRefusedError(str(error)) from error
    for worker in workers:
        _check_priced(budget, worker)
        for attempt in range(1, (spec.attempts or worker.attempts) + 1):
            if spec.cells and (task.name, worker.name, worker.harness, attempt) not in spec.cells:
                continue
            yield SessionCreated(
                run=run,
                task=task.name,
                task_path=str(task.path),
                task_hash=hashed,
                domain=task.domain,
                model=worker.model,
                agent=worker.agent,
                harness=worker.harness,
                harness_hash=worker.harness_hash,
                attempt=attempt,
                budget=budget,
                metric_name=task.optimization.metric if task.optimization else "",
                metric_unit=task.autolab.unit if task.autolab else "",
                metric_direction=task.optimization.direction if task.optimization else "lower",
                reference_reward=reference,
                counts=spec.clock,
                price=worker.found.price,
                anchors=anchors,
                timed_by="driver" if task.native else "task",
                want=want_of(task),
            )


def _reference_reward(task: Task, size: str, anchors: Anchors | None) -> float:
    """What the reference earns; one half where a foreign task's rule is not known."""
    if task.native:
        return scale_of(task, size, anchors).reference_reward
    from verifier.foreign import known

    facts = known.about(task)
    return facts.reward(facts.reference) if facts is not None else 0.5


def _new_id(taken: Container[str]) -> str:
    while True:
        found = "".join(_ID_LETTERS[b % len(_ID_LETTERS)] for b in os.urandom(4))
        if found not in taken:
            return found
