"""Which anchors count: the task's own, or those that were measured on this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import Task, load_suite, load_task
from tests.verifier.patience import patiently
from verifier import anchors, pins
from verifier.anchors import Calibration, MachineFacts, anchors_for, calibrations, store
from verifier.calibrate import CalibrationError, calibrate
from verifier.gpus.device import Gpu
from verifier.gpus.inventory import Inventory
from verifier.request import VerifyRequest, decode, encode
from verifier.scoring import scale_of
from verifier.verdict import Anchors, Interval, Seal, Speedup


def calibration(task: Task, **changes: object) -> Calibration:
    made = Calibration(
        task=task.name,
        task_hash=pins.task_hash(task.path),
        size="quick",
        machine=anchors.machine_facts(task),
        stage="01-histogram",
        baseline=0.2,
        reference=0.01,
        speedup=Speedup(20.0, Interval(19.0, 21.0), (0.2, 0.2)),
        samples=(0.01, 0.01),
        seal=Seal("full", "driver", True),
        at="2026-11-25T10:00:00.000Z",
    )
    return msgspec.structs.replace(made, **changes)


def test_without_being_asked_for_the_tasks_own_anchors_count(task: Task, tmp_path: Path) -> None:
    store(calibration(task), tmp_path)
    chosen = anchors_for(task, "quick", "task", tmp_path)
    size = task.size("quick")
    assert chosen.anchors == Anchors("task", size.baseline or 0, size.reference or 0)
    assert chosen.why == ""


def test_a_calibration_of_this_machine_counts_when_it_is_asked_for(
    task: Task, tmp_path: Path
) -> None:
    store(calibration(task), tmp_path)
    chosen = anchors_for(task, "quick", "calibrated", tmp_path)
    assert chosen.anchors == Anchors("calibrated", 0.2, 0.01)
    assert chosen.why == ""
    assert anchors_for(task, "full", "calibrated", tmp_path).anchors.source == "task"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task_hash": "0" * 64}, "the task's files have changed"),
        ({"machine": MachineFacts("a faster one", "", {})}, "another CPU"),
    ],
)
def test_a_stale_calibration_is_passed_over_with_a_word(
    task: Task, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    store(calibration(task, **changes), tmp_path)
    chosen = anchors_for(task, "quick", "calibrated", tmp_path)
    assert chosen.anchors.source == "task"
    assert said in chosen.why
    assert "autolab tasks calibrate" in chosen.why


def test_without_any_calibration_the_remedy_is_named(task: Task, tmp_path: Path) -> None:
    for folder in (None, tmp_path, tmp_path / "none"):
        chosen = anchors_for(task, "quick", "calibrated", folder)
        assert chosen.anchors.source == "task"
        assert "was not calibrated here" in chosen.why


def test_anchors_that_make_no_scale_are_passed_over(task: Task, tmp_path: Path) -> None:
    store(calibration(task, reference=0.3), tmp_path)
    assert "no better than" in anchors_for(task, "quick", "calibrated", tmp_path).why


@given(st.binary(max_size=300))
def test_a_damaged_calibration_is_as_if_it_were_not_there(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "t-quick-1-2.json").write_bytes(data)
        assert calibrations("t", "quick", Path(folder)) == []


def test_the_newest_of_several_counts(task: Task, tmp_path: Path) -> None:
    store(calibration(task, baseline=0.4), tmp_path)
    store(calibration(task, at="2026-11-26T10:00:00.000Z"), tmp_path)
    [found] = calibrations(task.name, "quick", tmp_path)
    assert found.baseline == 0.2


def test_a_request_carries_anchors(task: Task) -> None:
    request = VerifyRequest(task=str(task.path), anchors=Anchors("calibrated", 2.0, 1.0))
    assert decode(encode(request)) == request


def test_a_machine_is_told_from_another(task: Task) -> None:
    facts = anchors.machine_facts(task)
    assert facts.cpu
    assert "gcc" in facts.tools
    assert facts.unlike(facts) == ""
    assert facts.unlike(MachineFacts(facts.cpu, "7.0", {"gcc": "99"})) == (
        "another kernel, another compiler"
    )


def test_the_reference_earns_half_by_the_anchors_measured_here(
    sandboxes: None, task: Task, tmp_path: Path
) -> None:
    try:
        measured = calibrate(task)
    except CalibrationError as error:
        pytest.skip(f"this machine is too busy to measure: {error}")
    assert measured.baseline == pytest.approx(measured.reference * measured.speedup.value)
    assert len(measured.samples) == len(measured.speedup.baseline) >= 3
    store(measured, tmp_path)
    chosen = anchors_for(load_task(task.path), "quick", "calibrated", tmp_path)
    verdict = patiently(
        VerifyRequest(
            task=str(task.path), files=dict(task.steps()[-1].artifact), anchors=chosen.anchors
        )
    )
    used, mine = verdict.anchors, measured.anchors
    assert used is not None
    assert (used.source, used.rule) == ("calibrated", "log")
    assert (used.baseline, used.reference) == (mine.baseline, mine.reference)
    assert verdict.metric is not None
    assert verdict.speedup is not None
    scale = scale_of(task, "quick", chosen.anchors)
    assert verdict.reward == pytest.approx(scale.reward(scale.metric_at(verdict.speedup.value)))


def test_times_of_device_code_hold_for_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_suite().get("prefix_sum")
    facts = []
    for name in ("NVIDIA A100", "NVIDIA H100"):
        found = Inventory((Gpu("GPU-0", name, 0), Gpu("GPU-1", name, 1)))
        monkeypatch.setattr("verifier.gpus.inventory.present", lambda found=found: found)
        facts.append(anchors.machine_facts(task))
    assert facts[0].tools["GPU"] == "NVIDIA A100" and "nvcc" in facts[0].tools
    assert facts[0].unlike(facts[1]) == "another GPU"
    assert facts[0].unlike(facts[0]) == ""
