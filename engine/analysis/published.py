"""Results that others published, to be shown beside ours. Never mixed into a figure of ours."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

_FILE = Path(__file__).with_name("published.json")


class PublishedScores(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """As rounded in the table; `dominance` is over its own set of models, None where not given."""

    avg: float
    best: float
    dominance: float | None


class PublishedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model; `figures` by domain and "overall". `set` is `main` or `ablation`."""

    model: str
    set: str
    figures: dict[str, PublishedScores]


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published table: where it stands, how its sessions ran, how many tasks a domain has."""

    title: str
    source: str
    harness: str
    attempts: int
    tasks: dict[str, int]
    figures: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


@cache
def published() -> Published:
    """AutoLab's leaderboard."""
    return msgspec.json.decode(_FILE.read_bytes(), type=Published)
