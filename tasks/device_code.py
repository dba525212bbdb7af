"""Rules of a task whose artifact is device code: buffers, limits, and what it must do without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tasks.autolab import DEVICE_CODE, Autolab
from tasks.errors import ABSENT
from tasks.expressions import ExpressionError, read
from tasks.task import Task

MOST_BUFFERS = 16  # inputs and outputs together
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_CUDA_ONLY = ("inputs", "outputs", "shared_bytes", "scratch_mb")
_HOST_ONLY = ("threads", "memory_mb")
Problem = tuple[str, Any, str, str]  # key, value, problem, remedy


def problems(task: Task, table: Autolab) -> Iterator[Problem]:
    """Every rule that a cuda task breaks; for other kinds, keys that only cuda has."""
    if table.driver.kind != "cuda":
        for key in _CUDA_ONLY:
            if key in table.driver.model_fields_set:
                value = getattr(table.driver, key)
                yield (
                    f"autolab.driver.{key}",
                    value,
                    "only makes sense for a cuda driver",
                    "remove it",
                )
        return
    yield from _files(table)
    yield from _buffers(table)
    for key in _HOST_ONLY:
        if key in table.driver.model_fields_set:
            value = getattr(table.driver, key)
            remedy = "remove it: no program of the artifact's runs on the host"
            yield f"autolab.driver.{key}", value, "makes no sense for a cuda driver", remedy
    for key in ("commands", "output"):
        if table.build is not None and key in table.build.model_fields_set:
            remedy = "remove it: the verifier compiles kernel.cu by a command of its own"
            yield f"autolab.build.{key}", ABSENT, "cannot stand beside a cuda driver", remedy
    if table.flags is not None:
        remedy = "remove the table: flags are the verifier's"
        yield "autolab.flags", ABSENT, "cannot stand beside a cuda driver", remedy
    if task.config.environment.gpus != 1:
        key, value = "environment.gpus", task.config.environment.gpus
        yield key, value, "is not 1, and a cuda driver runs on one device", "write gpus = 1"


def _files(table: Autolab) -> Iterator[Problem]:
    if sorted(table.editable) != sorted(DEVICE_CODE):
        remedy = f"write {list(DEVICE_CODE)}".replace("'", '"')
        value = list(table.editable)
        yield "autolab.editable", value, "are not the two files of a cuda driver", remedy


def _buffers(table: Autolab) -> Iterator[Problem]:
    driver = table.driver
    for kind in ("inputs", "outputs"):
        key, buffers = f"autolab.driver.{kind}", getattr(driver, kind)
        if not buffers:
            remedy = f'add [{key}] with a line for each: name = "4 * n" (bytes)'
            yield key, ABSENT, "is missing, and a cuda driver needs it", remedy
        for name, size in buffers.items():
            if not _NAME.fullmatch(name):
                remedy = "write letters, digits and underscores, at most 128"
                yield f"{key}.{name}", name, "is no name of a buffer", remedy
            try:
                read(str(size))
            except ExpressionError as error:
                remedy = 'write bytes as a whole number or an expression: "4 * n"'
                yield f"{key}.{name}", size, f"is no size in bytes ({error})", remedy
    for name in driver.inputs.keys() & driver.outputs.keys():
        remedy = "give each buffer a name of its own"
        yield f"autolab.driver.outputs.{name}", name, "is the name of an input too", remedy
    count = len(driver.inputs) + len(driver.outputs)
    if count > MOST_BUFFERS:
        remedy = f"take at most {MOST_BUFFERS} together"
        yield "autolab.driver.inputs", count, "are too many buffers", remedy
