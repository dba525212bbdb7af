"""What every session of an engine shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.clock import Clock
from engine.gpu.desk import GpuDesk
from engine.journal import Journal
from engine.journal.view import View
from engine.models.http import HttpClient
from engine.models.pace import Paces
from engine.oversight.trace import Trace
from engine.runs.scheduler import Scheduler
from engine.service.keeping import Keepers
from engine.settings import Settings
from engine.storage.disk import Disk
from engine.storage.snapshots import SnapshotStore
from engine.verdicts.queue import Verifications
from verifier.ledger.manifests import Manifests


@dataclass(frozen=True, slots=True)
class House:
    """Storage, time, and the ways to sandboxes, models and verdicts."""

    state_dir: Path
    clock: Clock
    journal: Journal
    view: View
    settings: Settings
    snapshots: SnapshotStore
    verifications: Verifications
    keepers: Keepers
    http: HttpClient
    paces: Paces
    agent_cpus: tuple[int, ...]
    scheduler: Scheduler
    disk: Disk
    manifests: Manifests
    trace: Trace
    gpus: GpuDesk
