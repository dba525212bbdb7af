"""Whether a foreign task can be run here, and exactly why not.

Looking is cheap (the Dockerfile is read, the sandbox is asked what it has); only building its image
proves it. A build that failed is remembered until packages are installed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks import Task, TaskError
from verifier.foreign import attempt, image, known, recipe
from verifier.foreign.recipe import Recipe
from verifier.sandbox.needs import Need
from verifier.sandbox.spec import SandboxUnavailableError

_KIB = 1024
_WORDS = {"command": "", "module": "Python module ", "header": "header "}


def limits_problem(task: Task) -> str | None:
    """What of task.toml this machine, or this version, cannot give; None when all can be."""
    environment = task.config.environment
    kinds = f" ({' or '.join(environment.gpu_types)})" if environment.gpu_types else ""
    memory, have = environment.memory_limit_mb, _memory_mb()
    facts = known.about(task)
    cpus = len(os.sched_getaffinity(0))
    problems = (
        (
            environment.gpus,
            f"needs {environment.gpus} GPU{kinds}, and foreign tasks are given none",
        ),
        (environment.tpu, "needs a TPU"),
        (environment.os != "linux", f"needs {environment.os}"),
        (task.config.steps, "is asked in several steps ([[steps]]), which cannot be run here"),
        (
            task.config.verifier.mode == "separate",
            "wants an image of its own for its verifier ([verifier.environment]): needs Docker",
        ),
        (environment.mcp_servers, "wants tool servers ([[environment.mcp_servers]])"),
        (
            memory is not None and have is not None and memory > have,
            f"needs {memory} MB of memory, and this machine has {have}",
        ),
        (
            facts is not None and facts.min_cpus > cpus,
            f"needs {facts.min_cpus if facts else 0} CPUs, and {cpus} may be used: "
            "its workload would run into its own time limit",
        ),
        (
            not (task.tests / "test.sh").is_file(),
            "has no tests/test.sh, and no [autolab] table in task.toml",
        ),
    )
    return next((words for wrong, words in problems if wrong), None)


def needs_problem(task: Task) -> str | None:
    """What the image installs that is not here; looks into a sandbox."""
    asked = recipe.read(task)
    try:
        return why_not(task, asked, _present(sorted(asked.needs)), _installed(list(asked.system)))
    except SandboxUnavailableError as error:
        return str(error)


def why_not(
    task: Task, asked: Recipe, present: Mapping[Need, bool], installed: Mapping[str, bool]
) -> str | None:
    """Why the task is not available where this is present and installed; None when it is."""
    problem = limits_problem(task)
    if problem is not None:
        return problem
    if asked.problems:
        more = f" (and {len(asked.problems) - 1} more)" if len(asked.problems) > 1 else ""
        return f"{asked.problems[0]}{more}"
    missing = [
        f"{_WORDS[need.kind]}{need.name} ({why})"
        for need, why in asked.needs.items()
        if not present.get(need, False)
    ]
    packages = [f"{name} ({why})" for name, why in asked.system.items() if not installed.get(name)]
    if missing or packages:
        return _missing(missing, packages, asked)
    try:
        made = image.find(task)
        if made is None:
            return image.failure(task)
        failure = attempt.baseline_failure(made) if attempt.works(task) else None
        return f"its untouched files fail here: {failure}" if failure else None
    except (TaskError, OSError) as error:
        return str(error)


def _missing(missing: Sequence[str], packages: Sequence[str], asked: Recipe) -> str:
    named = ", ".join([*missing, *(f"package {one}" for one in packages)])
    remedies = []
    if packages or any("apt package" in one or "FROM" in one for one in missing):
        remedies.append("install it with apt-get where the sandbox sees it, below /usr")
    if any("pip package" in one for one in missing):
        remedies.append("install the module where /usr/bin/python3 finds it")
    return f"missing inside the sandbox: {named}; {' and '.join(remedies)}"


def survey(tasks: Sequence[Task]) -> dict[str, str | None]:
    """For each task's path, why it is not available, or None. One sandbox answers for all."""
    asked = {str(task.path): recipe.read(task) for task in tasks}
    needs = sorted({need for one in asked.values() for need in one.needs})
    installed = _installed(sorted({name for one in asked.values() for name in one.system}))
    try:
        present = _present(needs)
    except SandboxUnavailableError as error:
        return {path: str(error) for path in asked}
    return {
        str(task.path): why_not(task, asked[str(task.path)], present, installed) for task in tasks
    }


def _present(needs: list[Need]) -> Mapping[Need, bool]:
    from verifier.sandbox.probe import found_inside

    return found_inside(needs) if needs else {}


def _installed(packages: list[str]) -> Mapping[str, bool]:
    """Which of Debian's packages are installed; none where there is no dpkg."""
    if not packages:
        return {}
    try:
        text = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    except OSError:
        return {}
    return {line.split()[0]: line.endswith(" installed") for line in text.splitlines() if line}


def _memory_mb() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // _KIB
    return None
