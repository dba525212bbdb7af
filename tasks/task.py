"""One loaded task: what its files say, and the ways to its parts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import files, globs
from tasks.autolab import Autolab, Optimization
from tasks.errors import TaskError
from tasks.harbor import HarborTask

_STEP_NAME = re.compile(r"\d{2}-[a-z0-9][a-z0-9-]*")
_CHEAT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
NOTES = frozenset({"README.md"})


@dataclass(frozen=True, slots=True)
class Size:
    """A task at one size: what the judge is given, the anchors there, and the active budget.

    `baseline` and `reference` are in the metric's unit; None where task.toml states no anchor.
    """

    name: str
    params: Mapping[str, Any]
    baseline: float | None
    reference: float | None
    active_sec: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the reference solution.

    `files` are the editable files that the stage changes; `artifact` is every editable file as it
    stands once this stage and all before it are applied to the baseline.
    """

    name: str
    path: Path
    files: Mapping[str, bytes]
    artifact: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Cheat:
    """A wrong or dishonest artifact and the gate that must stop it."""

    name: str
    path: Path
    gate: str
    files: Mapping[str, bytes]
    artifact: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Task:
    """A task directory, read and checked.

    `instruction` is what the agent reads (for a task of several Harbor steps: the first step's).
    `unknown_keys` are the dotted keys of task.toml that this version knows nothing of; they are
    kept in the models. `autolab` is None for a foreign task, judged by its own test.sh.
    """

    path: Path
    name: str
    domain: str
    instruction: str
    config: HarborTask
    optimization: Optimization | None
    autolab: Autolab | None
    unknown_keys: tuple[str, ...]

    @property
    def native(self) -> bool:
        """Whether the sealed driver judges it (it has an `[autolab]` table), whatever its kind."""
        return self.autolab is not None

    @property
    def workspace(self) -> Path:
        """The directory that is laid out at /app."""
        return self.path / "environment" / "app"

    @property
    def tests(self) -> Path:
        """The hidden tests."""
        return self.path / "tests"

    @property
    def solution(self) -> Path:
        """The hidden reference solution."""
        return self.path / "solution"

    def size(self, name: str) -> Size:
        """The task at size "quick" or "full"; a foreign task has "full" only."""
        stated = self.optimization
        baseline = stated.baseline.score if stated and stated.baseline else None
        reference = stated.reference.score if stated and stated.reference else None
        active = self.config.agent.timeout_sec
        if name == "full" and self.autolab is None:
            return Size(name, {}, baseline, reference, active)
        table = self.autolab.sizes.get(name) if self.autolab else None
        if table is None:
            sizes = '"quick" or "full"' if self.autolab else '"full": it has no [autolab] table'
            raise TaskError(self.path / "task.toml", f'has no size "{name}"', remedy=f"use {sizes}")
        return Size(
            name,
            table.params,
            baseline if table.baseline is None else table.baseline,
            reference if table.reference is None else table.reference,
            active if table.active_sec is None else table.active_sec,
        )

    def editable(self, path: str) -> bool:
        """Whether `path`, relative to /app, is one that crosses to the verifier."""
        return self.autolab is not None and globs.matches_any(self.autolab.editable, path)

    def baseline(self) -> dict[str, bytes]:
        """The pristine editable files, by their path below /app."""
        return {
            name: files.read_inside(self.path, f"environment/app/{name}")
            for name in files.tree(self.path, "environment/app")
            if self.editable(name)
        }

    def steps(self) -> list[Step]:
        """The staged reference, in order; `TaskError` for a stage that changes other files."""
        found: list[Step] = []
        artifact = self.baseline()
        for folder in self._folders("solution/steps", _STEP_NAME, "NN-name, such as 01-tiles"):
            changed = self._artifact_files(folder, NOTES)
            artifact = {**artifact, **changed}
            found.append(Step(folder.name, folder, changed, artifact))
        return found

    def cheats(self) -> list[Cheat]:
        """The artifacts that must score 0; `TaskError` for one without a good expect.toml."""
        found: list[Cheat] = []
        pristine = self.baseline()
        for folder in self._folders("tests/cheats", _CHEAT_NAME, "small letters, digits and '-'"):
            changed = self._artifact_files(folder, NOTES | {"expect.toml"})
            gate = self._expected_gate(folder)
            found.append(Cheat(folder.name, folder, gate, changed, {**pristine, **changed}))
        return found

    def _folders(self, where: str, shape: re.Pattern[str], example: str) -> list[Path]:
        parent = self.path / where
        folders = sorted(p for p in parent.iterdir() if p.is_dir()) if parent.is_dir() else []
        for folder in folders:
            if folder.name not in files.IGNORED and not shape.fullmatch(folder.name):
                raise TaskError(folder, "has an unusable name", remedy=f"name it {example}")
        return [folder for folder in folders if folder.name not in files.IGNORED]

    def _artifact_files(self, folder: Path, besides: frozenset[str]) -> dict[str, bytes]:
        where = folder.relative_to(self.path).as_posix()
        names = [name for name in files.tree(self.path, where) if name not in besides]
        for name in names:
            if not self.editable(name):
                globs_shown = ", ".join(self.autolab.editable) if self.autolab else "nothing"
                raise TaskError(
                    folder / name,
                    "is not an editable file of the task",
                    remedy=f"remove it, or make it match [autolab] editable ({globs_shown})",
                )
        if not names:
            raise TaskError(folder, "changes no editable file", remedy="add one, or remove it")
        return {name: files.read_inside(self.path, f"{where}/{name}") for name in names}

    def _expected_gate(self, folder: Path) -> str:
        file = folder / "expect.toml"
        remedy = 'write one line: gate = "NAME"'
        try:
            where = file.relative_to(self.path).as_posix()
            table = tomllib.loads(files.read_text(self.path, where))
        except FileNotFoundError:
            raise TaskError(file, "is missing", remedy=remedy) from None
        except tomllib.TOMLDecodeError as error:
            raise TaskError(file, f"is not TOML: {error}", remedy=remedy) from error
        gate = table.get("gate")
        known = self.autolab.gate_names if self.autolab else ()
        if gate not in known:
            raise TaskError(
                file,
                "is not a gate of the task",
                key="gate",
                value=gate,
                remedy=f"name one of {', '.join(known)}",
            )
        return str(gate)
