"""Isolation: what a sandbox is (`spec`), and the ways to make one."""

from __future__ import annotations

from verifier.sandbox.spec import Backend


def get_backend() -> Backend:
    """The back end of this machine. Cheap; call its `require` to learn whether it works."""
    from verifier.sandbox.bubblewrap import Bubblewrap

    return Bubblewrap()
