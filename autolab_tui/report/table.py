"""A run's sessions as comma-separated values: one line each."""

from __future__ import annotations

import csv
import io

import msgspec

from autolab_tui.plain import plain
from autolab_tui.report.facts import Facts, SessionFacts
from engine.analysis.counting import standing
from engine.analysis.persistence import Persistence

_FORMULA = ("=", "+", "-", "@")
_OF_SESSION = (
    *("id", "run", "task", "task_hash", "domain", "model", "agent", "harness", "harness_hash"),
    *("attempt", "state", "outcome", "outcome_evidence", "reference_reward"),
    *("best_snapshot", "assisted", "official", "counts"),
)
_OF_USAGE = ("input", "cached", "cache_write", "output", "reasoning", "turns", "cost", "unpriced")
_CLOCKS = ("wall", "active", "waiting", "frozen", "paused")
_FIGURES = Persistence.__struct_fields__
HEAD = (
    *_OF_SESSION,
    "standing",
    "budget_seconds",
    *_FIGURES,
    *(f"{name}_seconds" for name in _CLOCKS),
    *(f"usage_{name}" for name in _OF_USAGE),
    "gpu_seconds",
)


def comma_separated(facts: Facts) -> str:
    """The table with its head, RFC 4180. Unknown is empty.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEAD)
    for one in facts.sessions:
        writer.writerow([_cell(value) for value in _row(one)])
    return out.getvalue()


def _row(one: SessionFacts) -> list[object]:
    session, figures = one.session, msgspec.structs.asdict(one.persistence)
    return [
        *(getattr(session, name) for name in _OF_SESSION),
        standing(session),
        one.budget,
        *(figures[name] for name in _FIGURES),
        *(one.clocks[name] for name in _CLOCKS),
        *(getattr(session.usage, name) for name in _OF_USAGE),
        one.gpu_seconds,
    ]


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = plain(value)
        return f"'{shown}" if shown.startswith(_FORMULA) else shown
    return value
