"""What callers may ask of a running engine beyond orders: a run, a restore, a regrade."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from engine.analysis.outlook import outlook
from engine.events import Noted
from engine.runs.planning import Plan, RunRefusedError, plan, read_spec
from engine.service.house import House
from engine.service.roster import Roster
from engine.session.restoring import RestoreRefusedError, answer, checked, why_not
from engine.storage.history import History
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
        await self._ready.wait()
        if self._ending.is_set():
            raise EngineBusyError("the engine is ending; start it again")
        if trouble := self._trouble():
            raise EngineBusyError(trouble)
        spec = read_spec(data)
        try:
            await asyncio.to_thread(get_backend().require)
        except SandboxUnavailableError as error:
            raise EngineBusyError(str(error)) from error
        taken = set(self._house.view.state.runs)
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
