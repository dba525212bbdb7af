"""The launch plan: which kernels of an artifact run, in which order, how shaped, with what.

`launch.toml` is data, so that no host code of an artifact runs beside the clock:

    [scratch]                                 # buffers of the artifact's own, in bytes
    partials = "4 * ceil_div(n, 1024)"

    [[launch]]
    entry = "sum_tiles"                       # an `extern "C" __global__` function of kernel.cu
    grid = ["ceil_div(n, 1024)"]              # x, y, z in blocks; what is left out is 1
    block = [256]                             # x, y, z in threads
    shared = "4 * 256"                        # dynamic shared memory of a block in bytes; else 0
    arguments = ["input", "partials", { u32 = "n" }]

An argument is the address of a buffer, or a number with its type. Numbers and expressions
(`tasks/expressions.py`) may stand wherever one is wanted. Launches run one after another on
one stream.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.expressions import Expression, ExpressionError, read
from verifier.artifact import ArtifactRefusedError, printable
from verifier.cuda.shapes import ShapedLaunch, ShapedPlan

FILE = "launch.toml"
MOST_BYTES = 65_536
MOST_LAUNCHES = 64
MOST_ARGUMENTS = 32
MOST_SCRATCH = 16

RANGES: Mapping[str, tuple[int, int]] = {
    "i32": (-(2**31), 2**31 - 1),
    "u32": (0, 2**32 - 1),
    "i64": (-(2**63), 2**63 - 1),
    "u64": (0, 2**64 - 1),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_KEYS = ("entry", "grid", "block", "shared", "arguments")


@dataclass(frozen=True)
class Limits:
    """What a device and a task allow; the defaults hold for compute capability 8.0 and later.

    `shared_bytes` is the most dynamic shared memory of a block; the default is what a kernel has
    without opting in. With it a block has 166,912 on 8.0 and 232,448 on 9.0, less what the kernel
    declares itself (CUDA C++ Programming Guide, technical specifications).
    """

    block_threads: int = 1024
    block: tuple[int, int, int] = (1024, 1024, 64)
    grid: tuple[int, int, int] = (2**31 - 1, 65_535, 65_535)
    shared_bytes: int = 49_152
    scratch_bytes: int = 2**30


@dataclass(frozen=True)
class Argument:
    """The address of `buffer`, or a number of `type` (a key of `RANGES`)."""

    buffer: str | None = None
    type: str | None = None
    value: Expression | None = None


@dataclass(frozen=True)
class Launch:
    """One launch as it is written, for every size."""

    entry: str
    grid: tuple[Expression, ...]
    block: tuple[Expression, ...]
    shared: Expression
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Plan:
    """A launch plan that was read."""

    scratch: Mapping[str, Expression]
    launches: tuple[Launch, ...]


def _refuse(where: str, why: str) -> ArtifactRefusedError:
    return ArtifactRefusedError(FILE, f"{where}: {why}")


def _expression(where: str, given: Any) -> Expression:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise _refuse(where, "write a whole number, or an expression in quotes")
    try:
        return read(str(given))
    except ExpressionError as error:
        raise _refuse(where, f"{printable(str(given), 60)!r}: {printable(str(error))}") from error


def _name(where: str, given: Any) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise _refuse(where, "write a name of letters, digits and underscores, at most 128 of them")
    return given


def _shape(where: str, given: Any) -> tuple[Expression, ...]:
    if not isinstance(given, list) or not 1 <= len(given) <= 3:
        raise _refuse(where, "write a list of one to three expressions: x, y, z")
    return tuple(_expression(f"{where}[{at}]", item) for at, item in enumerate(given))


def _argument(where: str, given: Any, buffers: Sequence[str]) -> Argument:
    if isinstance(given, str):
        if given not in buffers:
            raise _refuse(
                where,
                f"there is no buffer {printable(given, 60)!r}; there are: {', '.join(buffers)}",
            )
        return Argument(buffer=given)
    if not isinstance(given, dict) or len(given) != 1:
        raise _refuse(where, 'write the name of a buffer, or a number with its type: { u32 = "n" }')
    ((kind, value),) = given.items()
    if kind not in RANGES:
        raise _refuse(
            where, f"there is no type {printable(kind, 60)!r}; there are: {', '.join(RANGES)}"
        )
    return Argument(type=kind, value=_expression(f"{where}.{kind}", value))


def _launch(where: str, given: Any, buffers: Sequence[str]) -> Launch:
    if not isinstance(given, dict):
        raise _refuse(where, "write it as a table: [[launch]]")
    for key in given:
        if key not in _KEYS:
            raise _refuse(
                where, f"there is no key {printable(key, 60)!r}; there are: {', '.join(_KEYS)}"
            )
    for key in ("entry", "grid", "block"):
        if key not in given:
            raise _refuse(where, f"`{key}` is missing")
    arguments = given.get("arguments", [])
    if not isinstance(arguments, list) or len(arguments) > MOST_ARGUMENTS:
        raise _refuse(f"{where}.arguments", f"write a list of at most {MOST_ARGUMENTS}")
    return Launch(
        _name(f"{where}.entry", given["entry"]),
        _shape(f"{where}.grid", given["grid"]),
        _shape(f"{where}.block", given["block"]),
        _expression(f"{where}.shared", given.get("shared", 0)),
        tuple(
            _argument(f"{where}.arguments[{at}]", item, buffers)
            for at, item in enumerate(arguments)
        ),
    )


def parse(data: bytes, granted: Sequence[str]) -> Plan:
    """The plan in `data`, whose kernels are given the buffers `granted` and scratch of their own.

    Raises `ArtifactRefusedError` naming the key, what is wrong with it, and what may stand there.
    """
    if len(data) > MOST_BYTES:
        raise ArtifactRefusedError(FILE, f"it has {len(data)} bytes; {MOST_BYTES} are allowed")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArtifactRefusedError(FILE, f"no TOML: {printable(str(error))}") from error
    for key in document:
        if key not in ("scratch", "launch"):
            raise ArtifactRefusedError(
                FILE, f"there is no key {printable(key, 60)!r}; there are: scratch, launch"
            )
    scratch = document.get("scratch", {})
    if not isinstance(scratch, dict) or len(scratch) > MOST_SCRATCH:
        raise _refuse("scratch", f"write a table of at most {MOST_SCRATCH} buffers")
    sizes: dict[str, Expression] = {}
    for name, size in scratch.items():
        where = f"scratch.{printable(name, 60)}"
        if _name(where, name) in granted:
            raise _refuse(where, "the task has a buffer of this name; take another")
        sizes[name] = _expression(where, size)
    launches = document.get("launch", [])
    if not isinstance(launches, list) or not 1 <= len(launches) <= MOST_LAUNCHES:
        raise _refuse("launch", f"write one to {MOST_LAUNCHES} tables [[launch]]")
    buffers = (*granted, *sizes)
    return Plan(
        sizes, tuple(_launch(f"launch[{at}]", item, buffers) for at, item in enumerate(launches))
    )


def _worth(where: str, expression: Expression, size: Mapping[str, int], low: int, high: int) -> int:
    try:
        value = expression.at(size)
    except ExpressionError as error:
        raise _refuse(
            where, f"{printable(expression.text, 60)!r}: {printable(str(error))}"
        ) from error
    if not low <= value <= high:
        raise _refuse(
            where,
            f"{printable(expression.text, 60)!r} is {value} at this size; "
            f"{low} to {high} are allowed",
        )
    return value


def _sides(
    where: str, written: tuple[Expression, ...], size: Mapping[str, int], most: tuple[int, int, int]
) -> tuple[int, int, int]:
    values = [_worth(f"{where}[{at}]", item, size, 1, most[at]) for at, item in enumerate(written)]
    x, y, z = values + [1] * (3 - len(values))
    return x, y, z


def _shaped(where: str, launch: Launch, size: Mapping[str, int], limits: Limits) -> ShapedLaunch:
    block = _sides(f"{where}.block", launch.block, size, limits.block)
    if math.prod(block) > limits.block_threads:
        raise _refuse(
            f"{where}.block",
            f"{math.prod(block)} threads; a block has at most {limits.block_threads}",
        )
    arguments: list[str | tuple[str, int]] = []
    for at, item in enumerate(launch.arguments):
        if item.type is not None and item.value is not None:
            low, high = RANGES[item.type]
            place = f"{where}.arguments[{at}].{item.type}"
            arguments.append((item.type, _worth(place, item.value, size, low, high)))
        elif item.buffer is not None:
            arguments.append(item.buffer)
    return ShapedLaunch(
        launch.entry,
        _sides(f"{where}.grid", launch.grid, size, limits.grid),
        block,
        _worth(f"{where}.shared", launch.shared, size, 0, limits.shared_bytes),
        tuple(arguments),
    )


def shape(plan: Plan, size: Mapping[str, int], limits: Limits) -> ShapedPlan:
    """The plan at one size, every figure of it within `limits`.

    Raises `ArtifactRefusedError` naming the key, its value at this size, and what is allowed.
    """
    scratch: dict[str, int] = {}
    left = limits.scratch_bytes
    for name, expression in plan.scratch.items():
        scratch[name] = _worth(f"scratch.{name}", expression, size, 1, left)
        left -= scratch[name]
    launches = (
        _shaped(f"launch[{at}]", item, size, limits) for at, item in enumerate(plan.launches)
    )
    return ShapedPlan(scratch, tuple(launches))
