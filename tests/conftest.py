"""What every room's tests may use."""

from __future__ import annotations

import pytest

from verifier.sandbox.spec import Backend, SandboxUnavailableError


@pytest.fixture(scope="session")
def sandbox_backend() -> Backend:
    """The machine's sandbox back end; skips, with the remedy, where none can be started."""
    from verifier.sandbox import get_backend

    backend = get_backend()
    try:
        backend.require()
    except SandboxUnavailableError as error:
        pytest.skip(f"needs sandboxes: {error}")
    return backend
