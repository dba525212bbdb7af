"""The ledger and the journal of a state folder, held against each other; no engine is needed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.events import AnyBody, VerdictGiven, VerdictRegraded
from engine.journal import read_kinds, read_sessions
from engine.paths import journal_file, ledger_dir, manifests_dir
from verifier.ledger.audit import Audit, Problem, audit
from verifier.ledger.entries import Entry, EntryError, Where, bare, canonical
from verifier.ledger.ledger import Ledger
from verifier.ledger.manifests import Manifests

_KINDS = ("verdict.given", "verdict.regraded")


class Cross(msgspec.Struct):
    """What the journal adds to an audit. Counts of verdicts.

    `unchained` were given before there was a ledger; `pending` stand at its end and are in the
    journal as soon as an engine runs; `elsewhere` are of sessions that this journal does not know;
    `manual` were recorded by hand and are in no journal.
    """

    events: int = 0
    unchained: int = 0
    pending: int = 0
    elsewhere: int = 0
    manual: int = 0


def ledger_of(state: Path) -> Ledger:
    """The ledger of a state folder."""
    return Ledger(ledger_dir(state))


def manifests_of(state: Path) -> Manifests:
    """What the tasks of a state folder were."""
    return Manifests(manifests_dir(state))


def audited(state: Path, *, key: str | None = None, head: str | None = None) -> tuple[Audit, Cross]:
    """Check the ledger, and that it and the journal say the same.

    Raises `engine.journal.JournalError` for a journal that cannot be read.
    """
    ledger = ledger_of(state)
    # The ledger is written first: what is read of it now is in the journal, or about to be.
    found = audit(ledger.lines(), ledger.head(), key=key, head=head)
    cross, path = Cross(), journal_file(state)
    if path.is_file():
        _hold_against(found, path, cross)
    else:
        _not_journalled(found, set(), set(), cross)
    return found, cross


def _hold_against(found: Audit, journal: Path, cross: Cross) -> None:
    entries = {e.verdict_id: e for e in found.entries if e.verdict_id is not None}
    journalled: set[str] = set()
    begun = False
    for event in read_kinds(journal, _KINDS):
        body = event.body
        if not isinstance(body, VerdictGiven | VerdictRegraded):
            continue
        cross.events += 1
        verdict = body.verdict
        entry = entries.get(verdict.id)
        journalled.add(verdict.id)
        if entry is not None:
            begun = True
            if (why := _differs(entry, body)) != "":
                what = f"is not what event {event.seq} of the journal says of {verdict.id}: {why}"
                found.problems.append(Problem(entry.content.n, what))
        elif verdict.hash is None and not begun:
            cross.unchained += 1
        else:
            what = (
                f"verdict {verdict.id} of event {event.seq} of the journal is not in the ledger: "
                "it was dropped from the one or added to the other"
            )
            found.problems.append(Problem(None, what))
    _not_journalled(found, journalled, set(read_sessions(journal)), cross)


def _not_journalled(found: Audit, journalled: set[str], sessions: set[str], cross: Cross) -> None:
    at_end = True
    for entry in reversed(found.entries):
        held = entry.content.verdict
        if held is None:
            continue
        if held.get("session") is None:
            cross.manual += 1
        elif str(held["session"]) not in sessions:
            cross.elsewhere += 1
        elif entry.verdict_id in journalled:
            at_end = False
        elif at_end:
            cross.pending += 1
        else:
            what = f"holds verdict {entry.verdict_id}, of which the journal has no event"
            found.problems.append(Problem(entry.content.n, what))


def _differs(entry: Entry, body: AnyBody) -> str:
    if not isinstance(body, VerdictGiven | VerdictRegraded):
        return "it is no verdict"
    try:
        ours = entry.verdict
    except EntryError as error:
        return str(error)
    theirs = body.verdict
    chained = ("previous_hash", "hash", "signature")
    if any(getattr(ours, name) != getattr(theirs, name) for name in chained):
        return "its place in the chain differs"
    if canonical(bare(ours)) != canonical(bare(theirs)):
        return "the verdict differs"
    if isinstance(body, VerdictRegraded):
        return "" if body.why == entry.content.why else "why differs"
    where = Where(body.active, body.wall, body.tokens, body.turns, body.cost)
    return "" if where == entry.content.where else "where the session stood differs"
