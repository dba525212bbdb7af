"""Reads a recipe and holds it to its limits. Pinned: the verifier runs this very file."""

import math
import tomllib
from dataclasses import dataclass, fields

MOST_BYTES = 8192
MOST_LAYERS, MOST_UNITS, MOST_MEMBERS, MOST_BATCH = 4, 512, 16, 4096


class UnreadableError(ValueError):
    """The file is no TOML of the expected shape."""


class LimitError(ValueError):
    """A value is not one that may be chosen."""


@dataclass(frozen=True)
class Model:
    hidden: tuple[int, ...] = (24,)
    activation: str = "tanh"
    gain: float = 1.0
    dropout: float = 0.0
    members: int = 1


@dataclass(frozen=True)
class Inputs:
    standardize: bool = False
    clip: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class Optimizer:
    kind: str = "sgd"
    rate: float = 0.01
    momentum: float = 0.0
    beta2: float = 0.999
    decay: float = 0.0


@dataclass(frozen=True)
class Schedule:
    kind: str = "constant"
    warmup: float = 0.0
    floor: float = 0.0


@dataclass(frozen=True)
class Training:
    batch: int = 32
    smoothing: float = 0.0
    average: float = 0.0


@dataclass(frozen=True)
class Recipe:
    model: Model
    inputs: Inputs
    optimizer: Optimizer
    schedule: Schedule
    training: Training


_TABLES = {
    "model": Model,
    "inputs": Inputs,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "training": Training,
}
# What may be chosen: a set of words, or the least and the most of a number.
_LIMITS = {
    "model.activation": {"tanh", "relu", "silu"},
    "model.gain": (0.01, 10.0),
    "model.dropout": (0.0, 0.9),
    "model.members": (1, MOST_MEMBERS),
    "inputs.clip": (0.0, 100.0),
    "inputs.noise": (0.0, 2.0),
    "optimizer.kind": {"sgd", "adam"},
    "optimizer.rate": (1e-6, 10.0),
    "optimizer.momentum": (0.0, 0.999),
    "optimizer.beta2": (0.5, 0.99999),
    "optimizer.decay": (0.0, 10.0),
    "schedule.kind": {"constant", "linear", "cosine"},
    "schedule.warmup": (0.0, 0.9),
    "schedule.floor": (0.0, 1.0),
    "training.batch": (1, MOST_BATCH),
    "training.smoothing": (0.0, 0.5),
    "training.average": (0.0, 0.9),
}


def parse(data: bytes) -> Recipe:
    """The recipe; keys that are left out have the values that the baseline has.

    Raises `UnreadableError` and `LimitError`, which name what is wrong.
    """
    if len(data) > MOST_BYTES:
        raise UnreadableError(f"{len(data)} bytes are more than {MOST_BYTES}")
    try:
        told = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise UnreadableError(f"not TOML: {str(error)[:100]}") from error
    for name, table in told.items():
        if name not in _TABLES or not isinstance(table, dict):
            raise LimitError(f"{name[:40]!r} is no table of a recipe")
    parts = {name: _part(name, shape, told.get(name, {})) for name, shape in _TABLES.items()}
    return Recipe(**parts)


def _part(table: str, shape: type, told: dict) -> object:
    known = {field.name: field.default for field in fields(shape)}
    chosen = {}
    for key, value in told.items():
        name = f"{table}.{key}"
        if key not in known:
            raise LimitError(f"{name[:60]!r} is no key of a recipe")
        chosen[key] = _hidden(value) if key == "hidden" else _value(name, value, known[key])
    return shape(**chosen)


def _hidden(value: object) -> tuple[int, ...]:
    fine = isinstance(value, list) and len(value) <= MOST_LAYERS
    if not fine or any(type(n) is not int or not 1 <= n <= MOST_UNITS for n in value):
        raise LimitError(
            f"model.hidden is not a list of at most {MOST_LAYERS} numbers from 1 to {MOST_UNITS}"
        )
    return tuple(value)


def _value(name: str, value: object, default: object) -> object:
    if isinstance(default, float) and type(value) is int and abs(value) < 1 << 53:
        value = float(value)
    if type(value) is not type(default):
        raise LimitError(f"{name} is not a {type(default).__name__}")
    limits = _LIMITS.get(name)
    if isinstance(limits, set) and value not in limits:
        raise LimitError(f"{name} is none of {', '.join(sorted(limits))}")
    if isinstance(limits, tuple):
        least, most = limits
        if not (math.isfinite(value) and least <= value <= most):
            raise LimitError(f"{name} is not from {least:g} to {most:g}")
    return value
