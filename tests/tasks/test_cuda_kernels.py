"""What the kernels of tasks/cuda compute, on the host: baseline, every stage, every cheat.

Built by g++ with an emulation of the device's language (tests/support/cuda). That says nothing of
speed, and little of races. Which launches fit which device is the compiler's to say, below.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks import Task, load_task
from tests.support.cuda.building import HOPPER
from tests.support.cuda.host import Built, EmulationError, artifact, built
from tests.support.cuda.judging import Judge, has_numpy
from verifier.cuda.__main__ import main
from verifier.cuda.repetition import ViolationError
from verifier.sandbox import get_backend

FOLDERS = sorted(p.parent for p in (Path(__file__).parents[2] / "tasks/cuda").glob("*/task.toml"))
ORDERS = 4  # of the threads of a block

needs_host = pytest.mark.skipif(
    shutil.which("g++") is None or not has_numpy(), reason="g++ and python3-numpy run the kernels"
)
needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not there")


def stages(folder: Path) -> list[Path]:
    return sorted((folder / "solution" / "steps").iterdir())


def cheats(folder: Path) -> list[Path]:
    return sorted((folder / "tests" / "cheats").iterdir())


def named(path: Path) -> str:
    return f"{path.parents[2].name}-{path.name}"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


def untimed(judge: Judge, task: Task) -> Iterator[tuple[dict[str, object], bytes]]:
    for number, case in enumerate(judge.cases(task.size("quick").params)):
        if not case["timed"]:
            given, _ = judge.generate(case["params"], 1000 + number)
            yield case["params"], given


def failures(made: Built, judge: Judge, most: int | None = None) -> list[str]:
    """The gates that stop an artifact in the untimed cases: `runs`, or one of the judge's."""
    stopped = []
    for number, (params, given) in enumerate(untimed(judge, made.task)):
        if number == most:
            break
        try:
            outputs = made.run(params, given, order=number % ORDERS).outputs
        except (ViolationError, EmulationError) as error:
            stopped.append(f"runs: {params}: {error}")
            continue
        output = b"".join(outputs.values())
        for gate, passed, evidence in judge.check(params, given, output, output):
            if not passed:
                stopped.append(f"{gate}: {params}: {evidence}")
    return stopped


def planned(task: Task, layers: list[Path], folder: Path) -> int:
    """Compile an artifact for each architecture and hold its plan against it; the status."""
    assert task.autolab is not None
    driver = task.autolab.driver
    buffers = ",".join([*driver.inputs, *driver.outputs])
    params = task.size("full").params
    size = [f"--size={k}={v}" for k, v in params.items() if isinstance(v, int)]
    for name, text in artifact(task, layers).items():
        (folder / name).write_text(text)
    return main([str(folder), "--buffers", buffers, *size])


@needs_host
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_reference_is_right_at_a_few_sizes(folder: Path, libraries: Path) -> None:
    task = load_task(folder)
    with Judge(folder) as judge:
        made = built(task, stages(folder), libraries, f"{folder.name}-reference")
        assert failures(made, judge, most=6) == []


@pytest.mark.slow
@needs_host
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_baseline_is_right(folder: Path, libraries: Path) -> None:
    with Judge(folder) as judge:
        assert failures(built(load_task(folder), [], libraries, folder.name), judge) == []


@pytest.mark.slow
@needs_host
@pytest.mark.parametrize("stage", [s for f in FOLDERS for s in stages(f)], ids=named)
def test_a_stage_is_right(stage: Path, libraries: Path) -> None:
    folder = stage.parents[2]
    layers = [layer for layer in stages(folder) if layer.name <= stage.name]
    task = load_task(folder)
    with Judge(folder) as judge:
        assert failures(built(task, layers, libraries, named(stage)), judge) == []
        if HOPPER in artifact(task, layers)["kernel.cu"]:
            made = built(task, layers, libraries, f"{named(stage)}-hopper", hopper=True)
            assert failures(made, judge) == []


@pytest.mark.slow
@needs_host
@pytest.mark.parametrize("cheat", [c for f in FOLDERS for c in cheats(f)], ids=named)
def test_a_cheat_is_stopped_by_its_gate(cheat: Path, libraries: Path) -> None:
    folder = cheat.parents[2]
    gate = tomllib.loads((cheat / "expect.toml").read_text())["gate"]
    task = load_task(folder)
    if gate == "builds":
        pytest.skip("what does not compile or fit is for nvcc to say")
    made = built(task, [cheat], libraries, named(cheat))
    with Judge(folder) as judge:
        stopped = failures(made, judge)
    assert stopped
    assert stopped[0].startswith(f"{gate}: "), stopped[0]


@pytest.mark.slow
@needs_nvcc
@pytest.mark.parametrize("cheat", [c for f in FOLDERS for c in cheats(f)], ids=named)
def test_a_cheat_compiles_unless_that_is_what_stops_it(
    cheat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get_backend().require()
    gate = tomllib.loads((cheat / "expect.toml").read_text())["gate"]
    status = planned(load_task(cheat.parents[2]), [cheat], tmp_path)
    said = capsys.readouterr().err
    assert status == (gate == "builds"), said
    assert said.startswith(("not compiled: ", "refused: ") if status else "")


@pytest.mark.slow
@needs_nvcc
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_baseline_and_stages_compile_and_fit_a_device(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get_backend().require()
    task = load_task(folder)
    for last in range(len(stages(folder)) + 1):
        assert planned(task, stages(folder)[:last], tmp_path) == 0, capsys.readouterr().err
