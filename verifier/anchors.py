"""The two points that a reward is anchored to: the task's own, or those measured on this machine.

A calibration is one file in a folder of the operator's, never in the task's directory. It holds for
one task as it was then, one size and one machine; for any other it is passed over, in words.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from verifier.gpus import inventory
from verifier.gpus.device import want_of
from verifier.pins import task_hash
from verifier.sandbox.arguments import PATH
from verifier.scoring import ScaleError, scale_of
from verifier.verdict import Anchors, AnchorSource, Seal, Speedup

if TYPE_CHECKING:
    from tasks import Task

FOLDER = "calibrations"  # in the state folder
_SCHEMA: Literal["autolab/calibration/1"] = "autolab/calibration/1"
# Only these are asked for their version: a task of a stranger's names what it likes as its needs.
_TOOLS = ("cc", "clang", "clang++", "g++", "gcc", "go", "nvcc", "python3", "rustc")
_GPU = "GPU"
_PATIENCE = 10.0


class MachineFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes a machine's times its own.

    `tools` are version lines of what builds the task; of one that needs GPUs those that fit are
    among them, as `GPU`.
    """

    cpu: str
    kernel: str
    tools: dict[str, str]

    def unlike(self, other: MachineFacts) -> str:
        """What differs, in words; empty where nothing does."""
        found = []
        if self.cpu != other.cpu:
            found.append("another CPU")
        if self.kernel != other.kernel:
            found.append("another kernel")
        mine, others = dict(self.tools), dict(other.tools)
        if mine.pop(_GPU, "") != others.pop(_GPU, ""):
            found.append("another GPU")
        if mine != others:
            found.append("another compiler")
        return ", ".join(found)


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Baseline and reference as measured here.

    `baseline` and `reference` are in the metric's unit (seconds): the median of the baseline's
    samples, and that over the speedup. `speedup` has its interval and the baseline's samples;
    `samples` are the reference's. `stage` is the stage that was taken as the reference.
    """

    schema: Literal["autolab/calibration/1"] = _SCHEMA
    task: str
    task_hash: str
    size: str
    machine: MachineFacts
    stage: str
    baseline: float
    reference: float
    speedup: Speedup
    samples: tuple[float, ...]
    seal: Seal
    at: str

    @property
    def anchors(self) -> Anchors:
        """As a verdict names them."""
        return Anchors("calibrated", self.baseline, self.reference)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The anchors to use, and in words why they are not the ones that were asked for."""

    anchors: Anchors
    why: str = ""


def anchors_for(
    task: Task, size: str, source: AnchorSource = "task", folder: Path | None = None
) -> Chosen:
    """The anchors of a task at `size`.

    With source "calibrated" those in `folder` that fit task, size and machine, else the task's own
    and why. What is judged as data has the same anchors everywhere. Raises `ScaleError` and
    `TaskError` for a task without usable anchors.
    """
    scale = scale_of(task, size)
    own = Anchors("task", scale.baseline, scale.reference)
    timed = task.autolab is not None and task.autolab.driver.kind != "data"
    if source == "task" or not timed:
        return Chosen(own)
    found, why = _find(task, size, folder)
    if found is None:
        return Chosen(own, f"{task.name} has the task's own anchors: {why}")
    try:
        scale_of(task, size, found.anchors)
    except ScaleError as error:
        return Chosen(own, f"{task.name} has the task's own anchors: its calibration: {error}")
    return Chosen(found.anchors)


def store(calibration: Calibration, folder: Path) -> Path:
    """Keep it; returns the file. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / _name(calibration.task, calibration.size, calibration)
    partial = file.with_suffix(f".new-{os.getpid()}")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
    partial.replace(file)
    return file


def calibrations(task: str, size: str, folder: Path) -> list[Calibration]:
    """Every readable calibration of a task of this name, whatever it fits; the newest last."""
    found = []
    for file in sorted(folder.glob(f"{_slug(task)}-{size}-*.json")):
        try:
            read = msgspec.json.decode(file.read_bytes(), type=Calibration)
        except (OSError, msgspec.DecodeError):
            continue  # a file that is not ours, or of another version: as if it were not there
        if (read.task, read.size) == (task, size):
            found.append(read)
    return sorted(found, key=lambda one: one.at)


def machine_facts(task: Task) -> MachineFacts:
    """This machine, as far as the times of this task depend on it."""
    named: set[str] = set()
    if task.autolab is not None:
        named.update(task.autolab.needs.commands)
        recipe = task.autolab.build
        named.update(command[0] for command in recipe.commands if command) if recipe else None
        if task.autolab.driver.kind == "cuda":
            named.add("nvcc")
    tools = {tool: _version(tool) for tool in _TOOLS if tool in named}
    if (want := want_of(task)).count:
        here = inventory.present().gpus
        tools[_GPU] = ", ".join(sorted({gpu.name for gpu in here if want.fits(gpu)}))
    return MachineFacts(_cpu(), platform.release(), tools)


def _find(task: Task, size: str, folder: Path | None) -> tuple[Calibration | None, str]:
    remedy = f"run `autolab tasks calibrate {task.name} --size {size}`"
    known = calibrations(task.name, size, folder) if folder is not None else []
    if not known:
        return None, f"it was not calibrated here in size {size}; {remedy}"
    hashed, machine = task_hash(task.path), machine_facts(task)
    for one in reversed(known):
        if one.task_hash == hashed and one.machine == machine:
            return one, ""
    newest = known[-1]
    stale = newest.machine.unlike(machine)
    if newest.task_hash != hashed:
        stale = "the task's files have changed" + (f", {stale}" if stale else "")
    return None, f"its calibration of {newest.at[:10]} is stale ({stale}); {remedy}"


def _name(task: str, size: str, calibration: Calibration) -> str:
    machine = hashlib.sha256(msgspec.json.encode(calibration.machine, order="sorted")).hexdigest()
    return f"{_slug(task)}-{size}-{calibration.task_hash[:12]}-{machine[:12]}.json"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", name.lower())


def _cpu() -> str:
    """The CPU's model as the kernel names it; models sold without a name differ by number."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if not line.strip():
            break
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    names = ("model name", "cpu family", "model", "stepping", "CPU implementer", "CPU part")
    return ", ".join(fields[name] for name in names if name in fields) or platform.machine()


def _version(tool: str) -> str:
    path = shutil.which(tool, path=PATH if tool == "nvcc" else None)
    if path is None:
        return "missing"
    try:
        done = subprocess.run(
            [path, "version" if tool == "go" else "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if tool == "nvcc":  # its first line is its name
        lines = [line for line in lines if "release" in line]
    return lines[0][:200] if lines else "unknown"
