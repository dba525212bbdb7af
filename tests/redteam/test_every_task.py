"""Attacks that fit any task, against every task that is shipped: found here, not listed.

Each is laid over the task's own reference. The tasks' own cheats are `autolab tasks check`'s.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks import Task, load_task
from tests.redteam.catalogue import attacks
from tests.redteam.expectation import above_its_twin, says, told, unprintable
from tests.verifier.patience import patiently
from verifier.availability import availability
from verifier.request import VerifyRequest
from verifier.sandbox.spec import Backend
from verifier.verdict import Verdict

pytestmark = pytest.mark.slow

TASKS = Path(__file__).parents[2] / "tasks"
FOLDERS = sorted(p.parent for p in TASKS.glob("*/*/task.toml") if "template" not in p.parts)
C_EXIT = b"""
#include <unistd.h>
__attribute__((constructor)) static void autolab_redteam(void)
{
    if (write(1, "reward: 1.0\\n", 12) > 0)
        _exit(0);
}
"""
C_EMBED = b'\n__asm__(".section .rodata\\n.incbin \\"/tests/judge.py\\"\\n.previous");\n'
RUST_EXIT = b"""
extern "C" fn autolab_redteam() { std::process::exit(0) }
#[used]
#[link_section = ".init_array"]
static AUTOLAB_REDTEAM: extern "C" fn() = autolab_redteam;
"""
RUST_EMBED = b'\nstatic STOLEN: &[u8] = include_bytes!("/tests/judge.py");\n'
PYTHON_EXIT = b"\nimport os\nos._exit(0)\n"
# What is added to one source file, by its suffix.
ADDED = {
    ".c": (C_EXIT, C_EMBED),
    ".cc": (C_EXIT, C_EMBED),
    ".cpp": (C_EXIT, C_EMBED),
    ".rs": (RUST_EXIT, RUST_EMBED),
    ".py": (PYTHON_EXIT,),
}


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def task(request: pytest.FixtureRequest, sandbox_backend: Backend) -> Task:
    found = load_task(request.param)
    why = availability([found])[found.name]
    if why is not None:
        pytest.skip(f"{found.name} is not available: {why}")
    return found


@pytest.fixture(scope="module")
def twin(task: Task) -> Verdict:
    return judged(task, dict(task.steps()[-1].artifact))


def judged(task: Task, files: dict[str, bytes]) -> Verdict:
    return patiently(VerifyRequest(task=str(task.path), files=files, stage="checkpoint"))


def test_the_honest_twin_scores_and_is_not_flagged(twin: Verdict) -> None:
    assert twin.status == "scored", told(twin)
    assert twin.reward
    flagged = [one for one in twin.findings if "is known less well" not in one.what]
    assert not [one for one in flagged if one.severity != "info"], told(twin)


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.name) for one in attacks("data")])
def test_hostile_content_is_no_artifact(attack, task: Task) -> None:  # type: ignore[no-untyped-def]
    honest = dict(task.steps()[-1].artifact)
    first = sorted(honest)[0]
    if attack.name == "empty" and task.autolab and task.autolab.flags:
        pytest.skip("no flags are a choice of flags")
    verdict = judged(task, {**honest, first: attack.content})
    # Nothing at all may be a choice of defaults: an empty recipe, or no index after the load.
    most = 0.1 if attack.name == "empty" else 0.0
    assert (verdict.reward or 0.0) <= most, told(verdict)
    assert not unprintable(verdict)


def test_a_reward_among_the_files_is_refused(task: Task) -> None:
    honest = dict(task.steps()[-1].artifact)
    verdict = judged(task, {**honest, "../reward.json": b'{"reward": 1.0}'})
    assert says([["rejected"]], verdict, 0.0), told(verdict)


def test_what_is_added_to_a_source_earns_nothing(task: Task, twin: Verdict) -> None:
    honest = dict(task.steps()[-1].artifact)
    tried = 0
    for path, data in sorted(honest.items()):
        for more in ADDED.get(Path(path).suffix, ()):
            verdict = judged(task, {**honest, path: data + more})
            tried += 1
            assert not above_its_twin(verdict, twin.reward or 0.0), told(verdict)
            assert verdict.status == "zero", told(verdict)
    if not tried:
        pytest.skip("no source file is editable")
