"""Which host uid a sandbox runs under.

Started as root, every (role, slot) has a uid of its own, far from the uids of people and services,
so that even a process that broke out of its namespaces could not signal, trace or read another
role's. An ordinary user has one uid, and the namespaces are all that keeps sandboxes apart.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from verifier.sandbox.spec import Level, Role

SLOTS = 1000
_ROLES: tuple[Role, ...] = ("agent", "build", "run", "judge")
_BASES = (1_900_000_000, 61_000)  # the second one for containers with 65536 uids
_NOBODY = 65_534


@dataclass(frozen=True, slots=True)
class Identity:
    """Where sandboxes' uids come from: `base` is None when all share `single`."""

    level: Level
    base: int | None
    single: int

    def host_uid(self, role: Role, slot: int = 0) -> int:
        """The uid on the host (also the gid) of a sandbox; `slot` from 0 to 999.

        Raises `ValueError` for a slot outside of that range.
        """
        if not 0 <= slot < SLOTS:
            raise ValueError(f"slot {slot} is out of range: use 0 to {SLOTS - 1}")
        if self.base is None:
            return self.single
        return self.base + SLOTS * _ROLES.index(role) + slot


def mapped_ranges(uid_map: str) -> list[range]:
    """The uids that exist in this user namespace, from the text of /proc/self/uid_map."""
    ranges = []
    for line in uid_map.splitlines():
        inside, _, count = (int(field) for field in line.split())
        ranges.append(range(inside, inside + count))
    return ranges


def choose(euid: int, uid_map: str, gid_map: str) -> Identity:
    """The identity for a process with this effective uid and these maps."""
    if euid != 0:
        return Identity("single-uid", None, euid)
    uids, gids = mapped_ranges(uid_map), mapped_ranges(gid_map)

    def exists(number: int) -> bool:
        return any(number in r for r in uids) and any(number in r for r in gids)

    for base in _BASES:
        if exists(base) and exists(base + SLOTS * len(_ROLES) - 1):
            return Identity("full", base, base)
    # Root of a namespace that maps few uids: the kernel still keeps it apart from the host's root.
    return Identity("single-uid", None, _NOBODY if exists(_NOBODY) else 0)


def identity() -> Identity:
    """The identity for this process."""
    return choose(
        os.geteuid(),
        Path("/proc/self/uid_map").read_text(),
        Path("/proc/self/gid_map").read_text(),
    )
