"""Who has which GPU. Pure: nothing here asks a driver or writes a journal.

A device is leased to one session, or to several that all share it. A GPU and the MIG slices that it
is cut into are never leased at the same time. Where an earlier one waits, whoever comes later may
not take a device that the earlier one could use: so a want of two devices is not passed by for ever
by wants of one, nor an exclusive one by those that share.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from verifier.gpus.device import Gpu, Want


@dataclass(frozen=True, slots=True)
class Lease:
    """The devices that a session has, and whether others may have them, too."""

    session: str
    gpus: tuple[Gpu, ...]
    shared: bool

    @property
    def uuids(self) -> frozenset[str]:
        """What the driver calls them."""
        return frozenset(gpu.uuid for gpu in self.gpus)


@dataclass(frozen=True, slots=True)
class Holders:
    """The sessions that have a device, by its UUID, and those that have a slice of a GPU."""

    whole: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, uuid: str) -> tuple[str, ...]:
        """Those that have this very device."""
        return self.whole.get(uuid, ())

    def in_part(self, uuid: str, parent: str) -> tuple[str, ...]:
        """Those that have a slice of it, or the GPU `parent` (none: "") that it is a slice of."""
        return self.slices.get(uuid, ()) or (self.whole.get(parent, ()) if parent else ())


def holders(leases: Iterable[tuple[str, Iterable[Gpu]]]) -> Holders:
    """Who has what, of sessions and the devices that each has."""
    whole: dict[str, tuple[str, ...]] = {}
    slices: dict[str, tuple[str, ...]] = {}
    for session, gpus in leases:
        for gpu in gpus:
            whole[gpu.uuid] = (*whole.get(gpu.uuid, ()), session)
            before = slices.get(gpu.parent, ())
            if gpu.parent and session not in before:
                slices[gpu.parent] = (*before, session)
    return Holders(whole, slices)


class Leases:
    """The book of leases. `know` says which devices there are."""

    def __init__(self, gpus: Iterable[Gpu] = ()) -> None:
        self._here = {gpu.uuid: gpu for gpu in gpus}
        self._held: dict[str, Lease] = {}

    def know(self, gpus: Iterable[Gpu]) -> None:
        """These are the devices from now on. What is leased stays so, also where it is gone."""
        self._here = {gpu.uuid: gpu for gpu in gpus}

    @property
    def here(self) -> tuple[Gpu, ...]:
        """The devices that there are."""
        return tuple(self._here.values())

    @property
    def held(self) -> tuple[Lease, ...]:
        """Every lease, the oldest first."""
        return tuple(self._held.values())

    def of(self, session: str) -> Lease | None:
        """The lease of a session."""
        return self._held.get(session)

    @property
    def holders(self) -> Holders:
        """Who has what, for whoever shows it."""
        return holders((lease.session, lease.gpus) for lease in self._held.values())

    def taken(self, want: Want) -> int:
        """How many of the devices that this want could use are leased, in part or as a whole."""
        return sum(bool(self._users(g)) for g in self._here.values() if want.fits(g))

    def lost(self, session: str) -> tuple[Gpu, ...]:
        """The devices of a session's lease that are not there any more, or have other nodes.

        A driver that was loaded anew may number its devices otherwise, and what a sandbox has is
        the node of a number.
        """
        lease = self._held.get(session)
        return tuple(g for g in lease.gpus if not self._reachable(g)) if lease else ()

    def sharers(self, session: str) -> tuple[str, ...]:
        """The sessions that have a device of this one's lease, itself among them."""
        lease = self._held.get(session)
        if lease is None:
            return ()
        return tuple(one.session for one in self._held.values() if one.uuids & lease.uuids)

    def fitting(self, want: Want) -> set[str]:
        """The devices that this want could use, were they free."""
        return {gpu.uuid for gpu in self._here.values() if want.fits(gpu)}

    def grant(self, session: str, want: Want, barred: Collection[str] = ()) -> Lease | None:
        """Lease what is wanted, without a device of `barred`; None where too few are free.

        Of devices that are shared those with the fewest sessions are taken. Raises `ValueError`
        for a session that has a lease.
        """
        if session in self._held:
            raise ValueError(f"session {session} has a lease already")
        free = [
            gpu
            for gpu in self._here.values()
            if want.fits(gpu) and gpu.uuid not in barred and self._free(gpu, want.shared)
        ]
        if len(free) < want.count:
            return None
        free.sort(key=lambda gpu: len(self._users(gpu)))
        lease = Lease(session, tuple(free[: want.count]), want.shared)
        self._held[session] = lease
        return lease

    def adopt(self, lease: Lease) -> bool:
        """Take up a lease from before; False where it does not fit beside those known."""
        taken = any(not self._free(gpu, lease.shared) for gpu in lease.gpus)
        if taken or lease.session in self._held:
            return False
        self._held[lease.session] = lease
        return True

    def give_back(self, session: str) -> Lease | None:
        """The session needs its devices no more; what it had."""
        return self._held.pop(session, None)

    def _reachable(self, gpu: Gpu) -> bool:
        here = self._here.get(gpu.uuid)
        return here is not None and (here.minor, here.capabilities) == (gpu.minor, gpu.capabilities)

    def _free(self, gpu: Gpu, shared: bool) -> bool:
        return all(
            shared and lease.shared and gpu.uuid in lease.uuids for lease in self._users(gpu)
        )

    def _users(self, gpu: Gpu) -> list[Lease]:
        return [
            lease for lease in self._held.values() if any(_overlap(gpu, has) for has in lease.gpus)
        ]


def _overlap(one: Gpu, other: Gpu) -> bool:
    return one.uuid in (other.uuid, other.parent) or one.parent == other.uuid
