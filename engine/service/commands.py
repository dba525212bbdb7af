"""What callers may ask of a running engine beyond orders: a run, a restore, a regrade."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from engine.analysis.outlook import outlook
from engine.events import BaselineKept, Noted, RunRemoved, SnapshotTaken
from engine.journal import Journal
from engine.runs.planning import Plan, RunRefusedError, plan, read_spec
from engine.service.house import House
from engine.service.roster import Roster
from engine.session.restoring import RestoreRefusedError, answer, checked, why_not
from engine.state import run_over
from engine.storage.history import History
from engine.storage.removal import Freed, folders, remove_session, remove_snapshots
from engine.storage.snapshots import Snapshot, SnapshotMissingError
from engine.verdicts.chain import Chain, verdicts_of
from engine.verdicts.regrading import Regrading, regrade, subjects
from tasks import TaskError
from verifier.anchors import FOLDER as CALIBRATIONS
from verifier.ledger.ledger import Record
from verifier.pins import PinsError
from verifier.sandbox import get_backend
from verifier.sandbox.keeper.client import KeeperError
from verifier.sandbox.spec import SandboxUnavailableError
from verifier.verdict import AnchorSource, Verdict

_SETTLED_SECONDS = 600.0
_COARSE_SECONDS = 1.0  # times of files lag behind the clock a little


class RemovalRefusedError(RuntimeError):
    """Something cannot be removed; the message says why and the remedy."""


class EngineBusyError(RuntimeError):
    """The engine cannot do this now; the message says why and the remedy."""


class Commands:
    """On the sessions' loop.

    `ready` is set once what was left open has been taken up, `ending` once the engine is asked to
    end; `trouble` says in words what keeps it from recording.
    """

    def __init__(
        self,
        house: House,
        roster: Roster,
        chain: Chain,
        *,
        ready: asyncio.Event,
        ending: asyncio.Event,
        trouble: Callable[[], str],
    ) -> None:
        self._house = house
        self._roster = roster
        self._chain = chain
        self._ready = ready
        self._ending = ending
        self._trouble = trouble

    async def create_run(self, data: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """Launch a run; `{run, sessions, notes}`, and of a dry run its `forecast`.

        Raises `RunRefusedError`, and `EngineBusyError` when no sandbox can be had or nothing can
        be recorded.
        """
        await self._able()
        spec = read_spec(data)
        try:
            await asyncio.to_thread(get_backend().require)
        except SandboxUnavailableError as error:
            raise EngineBusyError(str(error)) from error
        known = self._house.view.state
        taken = {*known.runs, *known.removed}
        made = await asyncio.to_thread(
            plan,
            spec,
            self._house.settings,
            taken,
            calibrations=self._house.state_dir / CALIBRATIONS,
        )
        if not dry_run:
            await asyncio.to_thread(self._keep_tasks, made)
        answer = {
            "run": made.run.run,
            "sessions": list(made.sessions),
            "notes": list(made.notes),
        }
        if dry_run:
            make = outlook(self._house.view.state, made.run, made.sessions, self._house.clock)
            seen = None if make is None else await asyncio.to_thread(make)
            return {**answer, "forecast": msgspec.to_builtins(seen)}
        last = self._house.journal.append(made.run)
        for session_id, created in made.sessions.items():
            last = self._house.journal.append(created, session_id)
        for note in made.notes:
            last = self._house.journal.append(Noted(text=f"run {made.run.run}: {note}"))
        await asyncio.wrap_future(last)
        for session_id in made.sessions:
            self._roster.submit(session_id)
        return answer

    def _keep_tasks(self, made: Plan) -> None:
        """So that whatever is changed in a task of this run can be named."""
        for path in {created.task_path for created in made.sessions.values()}:
            try:
                self._house.manifests.keep(Path(path))
            except (PinsError, TaskError, OSError) as error:
                raise RunRefusedError(str(error)) from error

    async def restore(
        self, session_id: str, name: str, by: str, why: str, dry_run: bool
    ) -> dict[str, Any]:
        """Set the files of a session to one of its snapshots, by word or by the id's beginning.

        Raises `SnapshotNameError`, `RestoreRefusedError`, and `EngineBusyError` when its sandbox
        does not answer.
        """
        await self._ready.wait()
        facts = self._house.view.state.sessions.get(session_id)
        if facts is None:
            raise RestoreRefusedError(f"{session_id} has only just been made; try again")
        if (refused := why_not(facts)) is not None:
            raise RestoreRefusedError(refused)

        def find() -> Snapshot:
            taken = self._house.journal.of_session(session_id, "snapshot.taken")
            return self._house.snapshots.get(History.of(facts, taken).find(name))

        try:
            snapshot = await asyncio.to_thread(find)
        except SnapshotMissingError as error:
            raise RestoreRefusedError(str(error)) from error
        checked(facts, snapshot)
        if dry_run:
            newest = facts.last_snapshot or facts.baseline
            last = self._house.snapshots.get(newest).files if newest else {}
            removed = sorted(last.keys() - snapshot.files.keys())
            return answer(session_id, snapshot, removed, newest, dry_run=True)
        session = self._roster.get(session_id)
        if session is None:
            raise RestoreRefusedError(f"{session_id} is not at hand now; try again when it runs")
        try:
            return await session.restore(snapshot, by, why)
        except KeeperError as error:
            raise EngineBusyError(
                f"the sandbox of {session_id} does not answer: {error}"
            ) from error

    async def remove(self, run: str, by: str, dry_run: bool) -> dict[str, Any]:
        """Forget a run that is over, and delete its files; `{run, sessions, freed, dry_run}`.

        Raises `RemovalRefusedError`, and `EngineBusyError` when nothing can be recorded.
        """
        await self._able()
        state = self._house.view.state
        if run not in state.runs:
            known = ", ".join(state.runs) or "none"
            raise RemovalRefusedError(f"there is no run {run!r}; there are: {known}")
        sessions = list(state.runs[run].sessions)
        living = {s for s in sessions if self._roster.get(s) is not None}
        if living or not run_over(state, run):
            raise RemovalRefusedError(
                f"run {run} goes on; `autolab stop {run}` ends and scores it first"
            )
        if not dry_run:
            await self._house.view.record(RunRemoved(run=run, by=by), None)
        freed = await self._free(sessions, dry_run)
        return {"run": run, "sessions": sessions, "freed": freed, "dry_run": dry_run}

    async def collect(self, dry_run: bool) -> dict[str, Any]:
        """Delete the files that no session needs; `{sessions, freed, dry_run}`.

        Raises `RemovalRefusedError` and `EngineBusyError`.
        """
        await self._able()
        house = self._house
        found = await asyncio.to_thread(folders, house.state_dir)
        # Looked up after the folders were listed: what is made meanwhile is in neither.
        sessions = [name for name in found if name not in house.view.state.sessions]
        freed = await self._free(sessions, dry_run)
        return {"sessions": sessions, "freed": freed, "dry_run": dry_run}

    async def _able(self) -> None:
        await self._ready.wait()
        if self._ending.is_set():
            raise EngineBusyError("the engine is ending; start it again")
        if trouble := self._trouble():
            raise EngineBusyError(trouble)

    async def _free(self, sessions: list[str], dry_run: bool) -> Freed:
        """Delete the folders of these sessions, and the snapshots that no other one needs."""
        house = self._house
        others = set(house.view.state.sessions) - set(sessions)
        # What is stored is in the journal a moment later; nobody stores while no session lives.
        before = house.clock.wall() - (_SETTLED_SECONDS if self._roster.ids() else _COARSE_SECONDS)

        def free() -> Freed:
            freed = Freed()
            for session in sessions:
                freed += remove_session(house.state_dir, session, dry_run=dry_run)
            needed = _snapshots_of(house.journal, others)
            return freed + remove_snapshots(house.snapshots, needed, before=before, dry_run=dry_run)

        try:
            return await asyncio.to_thread(free)
        except (OSError, SnapshotMissingError) as error:
            raise RemovalRefusedError(
                f"not everything could be deleted: {error}; `autolab runs gc` does the rest later"
            ) from error

    async def regrade(
        self, run: str, by: str, source: AnchorSource | None, dry_run: bool
    ) -> Regrading:
        """Grade a run's verdicts by today's rules and anchors. Raises `RegradeRefusedError`."""
        await self._ready.wait()
        known = self._house.view.state.runs.get(run)
        names = [] if known is None else list(known.sessions)

        def read() -> dict[str, list[Verdict]]:
            return {name: verdicts_of(self._house.journal, name) for name in names}

        found = subjects(self._house.view.state, run, await asyncio.to_thread(read))
        folder = self._house.state_dir / CALIBRATIONS
        done = await asyncio.to_thread(
            regrade, found, self._house.manifests, source, folder, self._house.clock.wall()
        )
        if done.verdicts and not dry_run:
            for path in {subject.task_path for subject in found}:
                with suppress(PinsError, TaskError, OSError):
                    await asyncio.to_thread(self._house.manifests.keep, Path(path))
            await self._chain.keep([Record(v, why=why) for v, why in done.verdicts], by)
        return done


def _snapshots_of(journal: Journal, sessions: Collection[str]) -> set[str]:
    """Every snapshot that was ever taken of these sessions."""
    found = set()
    for session in sessions:
        for kind in ("baseline.kept", "snapshot.taken"):
            for event in journal.of_session(session, kind):
                if isinstance(event.body, BaselineKept | SnapshotTaken):
                    found.add(event.body.snapshot)
    return found
