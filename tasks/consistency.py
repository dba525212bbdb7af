"""Rules that hold between the tables of task.toml, and between it and the directory.

Each rule names the key to change. They are checked in the order in which an author reads the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tasks import device_code, files, globs
from tasks.autolab import DRIVER_GATES, Autolab
from tasks.errors import ABSENT, TaskError
from tasks.task import Task

_COMMAND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]*")
Problem = tuple[str, Any, str, str]  # key, value, problem, remedy


def check(task: Task) -> None:
    """Raise `TaskError` for the first rule that an AutoLab task breaks."""
    found = list(_problems(task))
    if found:
        key, value, problem, remedy = found[0]
        more = tuple(dict.fromkeys(other[0] for other in found[1:] if other[0] != key))
        raise TaskError(
            task.path / "task.toml", problem, key=key, value=value, remedy=remedy, more=more
        )


def _problems(task: Task) -> Iterator[Problem]:
    table = task.autolab
    if table is None:
        return
    yield from _optimization(task)
    yield from _editable(task, table)
    yield from _needs(table)
    yield from _driver(task, table)
    yield from _flags(table)
    yield from _measure(table)
    yield from _screen(table)
    yield from _anchors(task, table)
    yield from _gates(table)
    yield from _directory(task)


def _optimization(task: Task) -> Iterator[Problem]:
    stated = task.optimization
    if stated is None:
        yield "optimization", ABSENT, "is missing", "add the table: metric, direction and anchors"
        return
    if not stated.metric:
        yield "optimization.metric", stated.metric, "is empty", "name what is measured"
    if "direction" not in stated.model_fields_set:
        yield "optimization.direction", ABSENT, "is missing", 'write "lower" or "higher"'
    for name in ("baseline", "reference"):
        anchor = getattr(stated, name)
        if anchor is None or anchor.score is None:
            key = f"optimization.{name}.score"
            yield key, ABSENT, "is missing", "write the metric measured there in full size"


def _editable(task: Task, table: Autolab) -> Iterator[Problem]:
    present = files.tree(task.path, "environment/app")
    for at, glob in enumerate(table.editable):
        key = f"autolab.editable[{at}]"
        problem = globs.problem(glob)
        if problem is not None:
            yield key, glob, problem, "write a relative glob such as src/*.c"
        elif not any(globs.matches(glob, name) for name in present):
            yield key, glob, "matches no file of environment/app", "correct it, or add the file"


def _needs(table: Autolab) -> Iterator[Problem]:
    shapes = (
        ("commands", _COMMAND, "is not a command's name", "write a name that PATH can find"),
        ("modules", _MODULE, "is not a module's name", "write a name that Python can import"),
        ("headers", _HEADER, "is not a header's name", "write it as in #include <...>"),
    )
    for kind, shape, problem, remedy in shapes:
        for at, name in enumerate(getattr(table.needs, kind)):
            if not shape.fullmatch(name):
                yield f"autolab.needs.{kind}[{at}]", name, problem, remedy


def _driver(task: Task, table: Autolab) -> Iterator[Problem]:
    kind, build = table.driver.kind, table.build
    yield from _entry(task, table)
    yield from device_code.problems(task, table)
    if kind == "cuda":
        return
    if kind == "data":
        if build is not None:
            remedy = 'remove it, or set driver.kind = "native"'
            yield "autolab.build", ABSENT, "cannot stand beside a data driver", remedy
        return
    if build is None:
        if kind == "native":
            remedy = 'add commands and output, or set driver.kind = "data"'
            yield "autolab.build", ABSENT, "is missing, and a native driver needs it", remedy
        return
    for key in ("commands", "output"):
        if key not in build.model_fields_set:
            remedy = "add it: the commands that build the candidate, and the file they make"
            yield f"autolab.build.{key}", ABSENT, "is missing", remedy
            return
    if not build.commands or not all(build.commands):
        key = "autolab.build.commands"
        yield key, build.commands, "has no command, or an empty one", "list every command's words"
    shim = any("{shim}" in word for command in build.commands for word in command)
    if kind == "native" and not shim:
        key = "autolab.build.commands"
        remedy = 'compile the driver too, such as ["gcc", "-c", "{shim}", "-o", "shim.o"]'
        yield key, ABSENT, "never use {shim}", remedy
    if globs.problem(build.output) or any(c in build.output for c in "*?["):
        remedy = "write the relative path of the program that the build makes"
        yield "autolab.build.output", build.output, "is not a plain relative path", remedy


def _entry(task: Task, table: Autolab) -> Iterator[Problem]:
    key, entry = "autolab.driver.entry", table.driver.entry
    if table.driver.kind != "python":
        if entry is not None:
            yield key, entry, "only makes sense for a python driver", "remove it"
        return
    if entry is None:
        yield key, ABSENT, "is missing, and a python driver needs it", 'name a file: "solve.py"'
    elif not entry.endswith(".py") or entry not in files.tree(task.path, "environment/app"):
        yield key, entry, "is no Python file of environment/app", "name the file to import"


def _flags(table: Autolab) -> Iterator[Problem]:
    words = [w for command in (table.build.commands if table.build else ()) for w in command]
    used = any("{flags}" in word for word in words)
    if table.flags is None:
        if used:
            remedy = "add the table: file and allow"
            yield "autolab.flags", ABSENT, "is missing though the build uses {flags}", remedy
        return
    if "{flags}" not in words:
        remedy = 'let a command have the word "{flags}"'
        yield "autolab.build.commands", ABSENT, "never use {flags}", remedy
    if not globs.matches_any(table.editable, table.flags.file):
        key, value = "autolab.flags.file", table.flags.file
        yield key, value, "is not editable", "add it to autolab.editable"
    for at, entry in enumerate(table.flags.allow):
        if not entry.startswith("-") or not entry.isprintable() or " " in entry:
            key = f"autolab.flags.allow[{at}]"
            yield key, entry, "is not one flag", "write one flag that starts with a dash"


def _measure(table: Autolab) -> Iterator[Problem]:
    measure = table.measure
    if measure.pairs_max < measure.pairs_min:
        key, value = "autolab.measure.pairs_max", measure.pairs_max
        yield key, value, f"is below pairs_min = {measure.pairs_min}", "make it at least as large"
    if not table.driver.timed and "measure" in table.model_fields_set:
        remedy = "remove the table: a data artifact is not timed"
        yield "autolab.measure", ABSENT, "cannot stand beside a data driver", remedy


def _screen(table: Autolab) -> Iterator[Problem]:
    for severity in ("severe", "warning", "info"):
        words = getattr(table.screen, severity)
        for kind in type(words).model_fields:
            for at, pattern in enumerate(getattr(words, kind)):
                if not pattern.strip("*") or not pattern.isprintable():
                    key = f"autolab.screen.{severity}.{kind}[{at}]"
                    yield key, pattern, "would match everything or nothing", "write a name"
    kind = table.driver.kind
    if kind in ("data", "cuda") and "running" in table.screen.model_fields_set:
        remedy = "remove the table: no program of the artifact's runs"
        yield "autolab.screen.running", ABSENT, f"cannot stand beside a {kind} driver", remedy


def _anchors(task: Task, table: Autolab) -> Iterator[Problem]:
    if task.optimization is None:
        return
    lower = task.optimization.direction == "lower"
    word = "below" if lower else "above"
    for name in ("quick", "full"):
        size = task.size(name)
        key = f"autolab.sizes.{name}"
        if size.active_sec is None:
            remedy = "add it, or [agent] timeout_sec"
            yield f"{key}.active_sec", ABSENT, "is missing, and there is no budget", remedy
        if size.baseline is None or size.reference is None:
            continue  # said by _optimization
        if not (size.reference < size.baseline if lower else size.reference > size.baseline):
            yield (
                f"{key}.reference",
                size.reference,
                f"is not {word} the baseline {size.baseline} though {_direction(lower)} is better",
                "correct the anchors or [optimization] direction",
            )
        yield from _reward(table, size.baseline, size.reference, lower, key)


def _direction(lower: bool) -> str:
    return "lower" if lower else "higher"


def _reward(
    table: Autolab, baseline: float, reference: float, lower: bool, key: str
) -> Iterator[Problem]:
    reward = table.reward
    rule_key = "autolab.reward.rule"
    if reward.rule == "share" and not lower:
        remedy = 'use "linear", or direction = "lower"'
        yield rule_key, reward.rule, "only makes sense where lower is better", remedy
    if table.driver.timed and reward.rule != "log":
        yield rule_key, reward.rule, "does not fit a timed program", 'use "log"'
    if reward.rule == "log":
        if min(baseline, reference) <= 0:
            anchor = min(baseline, reference)
            yield key, anchor, "has an anchor that is not positive", 'use another rule than "log"'
            return
        speedup = baseline / reference if lower else reference / baseline
        if reward.bound <= speedup:
            yield (
                "autolab.reward.bound",
                reward.bound,
                f"is a speedup below the reference's own ({speedup:.3g} in {key})",
                "state the best speedup that physics allows",
            )
        return
    past = reward.bound > reference if lower else reward.bound < reference
    if past:
        yield (
            "autolab.reward.bound",
            reward.bound,
            f"is worse than the reference {reference} of {key}",
            "state the best value of the metric that is possible",
        )


def _gates(table: Autolab) -> Iterator[Problem]:
    seen: set[str] = set()
    for at, gate in enumerate(table.gates):
        key = f"autolab.gates[{at}].name"
        if gate.name in DRIVER_GATES:
            remedy = f"choose another name than {', '.join(DRIVER_GATES)}"
            yield key, gate.name, "is a gate of the driver's own", remedy
        if gate.name in seen:
            yield key, gate.name, "is named twice", "give each gate its own name"
        seen.add(gate.name)


def _directory(task: Task) -> Iterator[Problem]:
    if not (task.tests / "judge.py").is_file():
        raise TaskError(
            task.tests / "judge.py", "is missing", remedy="write it as docs/tasks.md describes"
        )
    yield from ()
