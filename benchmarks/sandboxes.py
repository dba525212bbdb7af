"""A keeper without sandboxes: the narrowest place at which bubblewrap can be taken away.

It stands where `verifier.sandbox.keeper.client` stands. Workspaces are laid out and snapshots are
collected from them as always; commands are answered at once, and nothing is ever frozen.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.oversight.trace import Trace
from engine.service.keeping import Keepers
from verifier.sandbox.keeper import protocol
from verifier.sandbox.keeper.client import KeeperClient
from verifier.sandbox.keeper.protocol import CommandResult, SandboxInfo
from verifier.sandbox.spec import SandboxSpec


class NoSandboxes(KeeperClient):
    """Says of every sandbox that it lives and of every command that it printed `measured`."""

    def __init__(self) -> None:
        self._specs: dict[str, SandboxSpec] = {}

    @property
    def connected(self) -> bool:
        """Always."""
        return True

    async def create(self, sandbox_id: str, spec: SandboxSpec) -> SandboxInfo:
        """Remember its name."""
        self._specs[sandbox_id] = spec
        return self._info(sandbox_id)

    async def run(
        self,
        sandbox_id: str,
        command_id: str,
        script: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface of the keeper's client
        *,
        output_limit: int = protocol.OUTPUT_LIMIT,
        rate: int = 0,
    ) -> CommandResult:
        """What `echo measured` gives."""
        await asyncio.sleep(0)
        return CommandResult(output=b"measured\n", code=0, seconds=0.001)

    async def freeze(self, sandbox_id: str) -> SandboxInfo:
        """Nothing stands still, since nothing moves."""
        return self._info(sandbox_id)

    async def thaw(self, sandbox_id: str) -> SandboxInfo:
        """See `freeze`."""
        return self._info(sandbox_id)

    async def kill(self, sandbox_id: str) -> None:
        """Forget it."""
        self._specs.pop(sandbox_id, None)

    async def list(self) -> list[SandboxInfo]:
        """Those that were created."""
        return [self._info(name) for name in self._specs]

    async def shutdown(self) -> None:
        """Nothing to end."""

    async def close(self) -> None:
        """Nothing to close."""

    def _info(self, name: str) -> SandboxInfo:
        return SandboxInfo(id=name, alive=True, frozen=False)


class NoKeeper(Keepers):
    """Gives the keeper without sandboxes."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir, state_dir / "no.keeper", lambda _: None, Trace(None))
        self._none = NoSandboxes()

    async def get(self) -> KeeperClient:
        """The same one each time."""
        return self._none

    async def running(self) -> KeeperClient | None:
        """The same one each time."""
        return self._none

    async def shutdown(self) -> None:
        """Nothing to end."""
