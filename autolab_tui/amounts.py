"""Changes of budgets as an operator writes them: `+30m`, `2h`, `12.5`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from autolab_tui.cli.values import duration

BUDGETS = {
    "active": "working time",
    "wall": "time, waiting included",
    "turns": "model turns",
    "tokens": "tokens",
    "cost": "US dollars",
    "gpu": "GPU time",
}
_TIMES = ("active", "wall", "gpu")
_PAIR = re.compile(r"(soft\s+)?(\w+)\s*[=:]?\s*([+-]?\S+)")
Changes = dict[str, dict[str, str]]


def amount(key: str, text: str) -> str:
    """An amount as the engine takes it: seconds, a count or dollars, its sign kept.

    Raises `ValueError` with the remedy.
    """
    sign = text[:1] if text[:1] in ("+", "-") else ""
    try:
        value = duration(text[len(sign) :]) if key in _TIMES else float(text[len(sign) :])
    except ValueError as error:
        what = str(error) if key in _TIMES else f"{text!r} is no amount"
        raise ValueError(f"{key} {text}: {what}; write +30m, 2h, +50 or 12.5") from None
    return f"{sign}{value!r}"


def changes_of(hard: Mapping[str, str | None], soft: Iterable[str]) -> Changes:
    """{key: {hard, soft}} as the engine takes it, from limits and `KEY=AMOUNT` soft ones.

    Raises `ValueError` with the remedy.
    """
    changes: Changes = {}
    for key, text in hard.items():
        if text is not None:
            changes.setdefault(key, {})["hard"] = amount(key, text)
    for pair in (p.strip() for text in soft for p in text.split(",") if p.strip()):
        key, equals, text = pair.partition("=")
        if key not in BUDGETS or not equals:
            known = ", ".join(BUDGETS)
            raise ValueError(f"soft {pair} is not KEY=AMOUNT with KEY one of {known}")
        changes.setdefault(key, {})["soft"] = amount(key, text)
    return changes


def changes_in(words: str) -> Changes:
    """The changes in one line: `active +30m, cost 5, soft turns 40`; a bare amount is active time.

    Raises `ValueError` with the remedy.
    """
    changes: Changes = {}
    for part in (p.strip() for p in words.split(",") if p.strip()):
        found = _PAIR.fullmatch(part if " " in part or "=" in part else f"active {part}")
        if found is None or found[2] not in BUDGETS:
            known = ", ".join(BUDGETS)
            raise ValueError(f"{part!r} is not a limit and an amount; limits are {known}")
        kind = "soft" if found[1] else "hard"
        changes.setdefault(found[2], {})[kind] = amount(found[2], found[3])
    if not changes:
        raise ValueError("nothing is changed; write active +30m, or cost +5")
    return changes
