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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is known to take long may: half an hour, where the rest has `timeout` of pyproject."""
    for item in items:
        if item.get_closest_marker("slow") or item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.timeout(1800))
