"""Every verdict goes into the ledger first, and from there into the journal.

So an event that holds a verdict has its place in the chain, and the two can be held against each
other. Both happen under one lock: where the engine dies between them, what the journal lacks is the
end of the ledger, and the next engine adds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.events import AnyBody, VerdictGiven, VerdictRegraded
from engine.journal import Journal
from engine.state import State
from engine.storage.disk import Disk
from verifier.ledger.entries import Entry, EntryError, Where
from verifier.ledger.keys import LedgerError
from verifier.ledger.ledger import Ledger, Record
from verifier.verdict import Verdict

_WHAT = "the ledger of verdicts"
RecordEvent = Callable[[AnyBody, str | None], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Chain:
    """The way into ledger and journal. Used on the sessions' loop only."""

    ledger: Ledger
    disk: Disk
    record: RecordEvent
    lock: asyncio.Lock

    async def keep(self, records: Sequence[Record], by: str = "") -> list[Verdict]:
        """Record verdicts of sessions, all or none; gives them with their places in the chain.

        Waits, as everything does, for a disk or a ledger that cannot be written.
        """
        async with self.lock:
            entries = await self.disk.keep(
                _WHAT, lambda: asyncio.to_thread(self.ledger.append, records)
            )
            await self._journal(entries, by)
        return [entry.verdict for entry in entries]

    async def catch_up(self, state: State) -> int:
        """Journal what an engine that fell had only in the ledger; how many verdicts that were."""
        async with self.lock:
            missing = await asyncio.to_thread(missing_in, self.ledger, state)
            await self._journal(missing, "engine")
        return len(missing)

    async def _journal(self, entries: Sequence[Entry], by: str) -> None:
        events = [event_of(entry, by) for entry in entries]
        await asyncio.gather(*(self.record(body, v.session) for body, v in events))


def event_of(entry: Entry, by: str = "engine") -> tuple[AnyBody, Verdict]:
    """What the journal says of an entry."""
    verdict, where = entry.verdict, entry.content.where or Where(0.0, 0.0)
    if verdict.regrade_of is not None:
        return VerdictRegraded(verdict=verdict, by=by, why=entry.content.why), verdict
    given = VerdictGiven(
        verdict=verdict,
        active=where.active,
        wall=where.wall,
        tokens=where.tokens,
        turns=where.turns,
        cost=where.cost,
    )
    return given, verdict


def missing_in(ledger: Ledger, state: State) -> list[Entry]:
    """The entries at the ledger's end, of sessions of this journal, that it has no event of.

    Verdicts of no session (an operator's own) and of sessions unknown here are passed over.
    """
    known = {
        session.id: {p.verdict for p in session.points} | {p.regrade for p in session.points}
        for session in state.sessions.values()
    }
    missing: list[Entry] = []
    try:
        for entry in ledger.newest_first():
            held = entry.content.verdict or {}
            here = known.get(str(held.get("session")))
            if here is None:
                continue
            if entry.verdict_id in here:
                break
            entry.verdict  # noqa: B018 - one that cannot be read is damaged
            missing.append(entry)
    except EntryError as error:
        raise LedgerError(
            f"the ledger {ledger.file} is damaged: {error}; `autolab verdicts verify` says where; "
            f"restore the file from a copy, or move the folder {ledger.folder} aside to begin a "
            "new ledger"
        ) from error
    return missing[::-1]


def verdicts_of(journal: Journal, session: str) -> list[Verdict]:
    """Every verdict on a session's snapshots, those graded anew with them, in order."""
    events = [
        event
        for kind in ("verdict.given", "verdict.regraded")
        for event in journal.of_session(session, kind)
    ]
    return [
        event.body.verdict
        for event in sorted(events, key=lambda event: event.seq)
        if isinstance(event.body, VerdictGiven | VerdictRegraded)
    ]
