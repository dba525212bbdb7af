"""Where sessions get their GPUs: the book of leases, kept beside the driver and the journal.

The driver is asked only while some session has a GPU or waits for one. A device that is gone from
two looks in a row is lost: its sessions pause and say why. What a session had stays its own until
its processes have ended, so that nothing of it lives on the device when the next one comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from engine.events import AnyBody, LeaseGranted, LeaseReturned, SessionMoved, SessionPaused
from engine.gpu.leases import Holders, Lease, Leases
from engine.state import SessionState, State
from verifier.gpus import inventory
from verifier.gpus.access import DEV, NO_GPUS, Access, access_to
from verifier.gpus.device import Gpu, Want
from verifier.gpus.inventory import Inventory

_log = logging.getLogger(__name__)
_SECONDS = 2.0
_GIB = 1 << 30
_LOOKS = 2  # that a device is missing from before it counts as lost
_SILENT_LOOKS = 30  # a driver that does not answer says nothing of what it drives; a minute is much
WAITING = "waiting: GPU"


class GpuDesk:
    """Leases for the sessions of an engine. Used on the sessions' loop only.

    `note` journals an event of a session, `wake` tells the scheduler that more may be free,
    `namespaces` finds the pid namespaces (inodes) of sessions' sandboxes, and `look` asks the
    driver (on a thread). `dev` is the folder of device nodes.
    """

    def __init__(
        self,
        state: State,
        note: Callable[[AnyBody, str], object],
        wake: Callable[[], None],
        *,
        namespaces: Callable[[Sequence[str]], Awaitable[Mapping[str, int]]],
        look: Callable[[], Inventory] = inventory.present,
        dev: Path = DEV,
    ) -> None:
        self._state = state
        self._note = note
        self._wake = wake
        self._namespaces = namespaces
        self._look = look
        self._dev = dev
        self._leases = Leases()
        self._known: Inventory | None = None  # before the first look nothing is granted
        self._waiting: set[str] = set()
        self._missing: dict[str, int] = {}  # looks in a row, by UUID
        self._silent = 0  # looks in a row that the driver did not answer
        self._holders = Holders()
        self._asked = asyncio.Event()

    def holders(self) -> Holders:
        """Which sessions have which devices. May be asked on any thread."""
        return self._holders

    # for the scheduler

    def take(self, session: str, want: Want, barred: set[str]) -> bool:
        """Whether the session has the GPUs that it wants, leased now if they are free."""
        if want.count == 0 or self._leases.of(session) is not None:
            return True
        if self._known is None:
            self._asked.set()
            return False
        lease = self._leases.grant(session, want, barred)
        if lease is None:
            return False
        self._waiting.discard(session)
        self._publish()
        self._note(LeaseGranted(gpus=lease.gpus, shared=lease.shared), session)
        self._asked.set()
        return True

    def fitting(self, want: Want) -> set[str]:
        """The devices that an earlier one waits for, and that a later one may not take."""
        return self._leases.fitting(want)

    def waits(self, session: str) -> None:
        """This session has a slot and no GPU; it says so where it has not begun."""
        self._asked.set()
        facts = self._state.sessions.get(session)
        if session in self._waiting or facts is None:
            return
        self._waiting.add(session)
        if facts.state == "queued" and self._known is not None:
            self._note(SessionMoved(state="queued", reason=self.words(facts.want)), session)
        elif facts.state == "queued":
            self._waiting.discard(session)

    def forget(self, session: str) -> None:
        """This session waits no more; should it come again, it says so anew."""
        self._waiting.discard(session)

    def words(self, want: Want) -> str:
        """Why somebody waits."""
        fitting, taken = len(self._leases.fitting(want)), self._leases.taken(want)
        words = f"{WAITING} ({want}; {taken} of {fitting} here are leased)"
        trouble = self._known.trouble if self._known is not None else ""
        return f"{words}; {trouble}" if trouble else words

    # for sessions

    def holds(self, session: str) -> bool:
        """Whether the session has all the GPUs that it needs."""
        want = self._state.sessions[session].want
        return want.count == 0 or self._leases.of(session) is not None

    def lease(self, session: str) -> Lease | None:
        """What it has."""
        return self._leases.of(session)

    def lost(self, session: str) -> tuple[Gpu, ...]:
        """Which of its devices are gone for good."""
        return tuple(g for g in self._leases.lost(session) if self._gone(g))

    def sharers(self, session: str) -> tuple[str, ...]:
        """The sessions on its devices, itself among them."""
        return self._leases.sharers(session)

    async def held_in_words(self, session: str) -> str:
        """What a session that stands still keeps of its GPUs; empty where it has none."""
        lease = self._leases.of(session)
        if lease is None:
            return ""
        words = f"{len(lease.gpus)} GPU{'s stay' if len(lease.gpus) > 1 else ' stays'} leased"
        namespace = (await self._namespaces((session,))).get(session)
        if namespace is not None:
            uuids = [gpu.uuid for gpu in lease.gpus]
            held = await asyncio.to_thread(inventory.memory_of, uuids, namespace)
            if held is not None:
                words += f" with {held / _GIB:.1f} GiB of GPU memory held"
        return f"{words}; `autolab pause {session} --release` frees it"

    def access(self, session: str) -> Access:
        """What its sandbox is given. Raises `NodeMissingError`."""
        lease = self._leases.of(session)
        return NO_GPUS if lease is None else access_to(lease.gpus, self._dev)

    def give_back(self, session: str, why: str) -> None:
        """No process of the session is left that could use its devices."""
        self._waiting.discard(session)
        if self._leases.give_back(session) is not None:
            self._publish()
            self._note(LeaseReturned(why=why), session)
            self._wake()

    def adopt(self, session: SessionState) -> bool:
        """Take up the lease of a session whose processes live on; whether that could be."""
        self._asked.set()
        adopted = self._leases.adopt(Lease(session.id, session.lease, session.want.shared))
        self._publish()
        return adopted

    async def tenants(self, session: str) -> tuple[int, ...]:
        """The pid namespaces of the sandboxes on its devices."""
        return tuple((await self._namespaces(self.sharers(session))).values())

    # beside the driver

    async def watch(self) -> None:
        """Look at the devices for as long as somebody needs one; cancelled at the end."""
        while True:
            if not self._leases.held and not self._waiting:
                self._asked.clear()
                await self._asked.wait()
            self.learn(await asyncio.to_thread(self._look))
            await asyncio.sleep(_SECONDS)

    def learn(self, found: Inventory) -> None:
        """The driver named these devices."""
        self._silent = self._silent + 1 if found.silent else 0
        if self._known is not None and 0 < self._silent < _SILENT_LOOKS:
            return
        before = None if self._known is None else {g.uuid for g in self._known.gpus}
        self._known = found
        self._leases.know(found.gpus)
        gone = {g.uuid for lease in self._leases.held for g in self._leases.lost(lease.session)}
        self._missing = {uuid: self._missing.get(uuid, 0) + 1 for uuid in gone}
        for lease in self._leases.held:
            self._note_lost(lease, found)
        here = {gpu.uuid for gpu in found.gpus}
        if before != here:
            self._waiting.clear()  # who waits says anew for what
            self._wake()

    def _note_lost(self, lease: Lease, found: Inventory) -> None:
        gone = self._leases.lost(lease.session)
        facts = self._state.sessions.get(lease.session)
        # Who is being judged finds out by itself, and is over either way.
        if facts is None or facts.pause is not None or facts.state in ("verifying", "paused"):
            return
        if any(self._missing[gpu.uuid] == _LOOKS for gpu in gone):
            self._note(SessionPaused(cause="GPU lost", why=_lost_words(gone, found)), lease.session)

    def _publish(self) -> None:
        self._holders = self._leases.holders  # new each time, for whoever reads the old one

    def _gone(self, gpu: Gpu) -> bool:
        return self._missing.get(gpu.uuid, 0) >= _LOOKS


def _lost_words(gone: Sequence[Gpu], found: Inventory) -> str:
    named = " and ".join(gpu.words for gpu in gone)
    are = "are" if len(gone) > 1 else "is"
    # A device that does not answer says not even who it is, so the driver's words may be of others.
    why = f" (of the machine: {found.trouble})" if found.trouble and found.gpus else ""
    why = why or (f": {found.trouble}" if found.trouble else "")
    if {gpu.uuid for gpu in gone} & {gpu.parent for gpu in found.gpus}:
        why = ": cut into MIG slices"
    return (
        f"{named} {are} gone while leased{why}; resumed, the session goes on if it is back, and "
        "otherwise in a new sandbox as soon as another one is free"
    )
