"""Who gives an order, for the journal."""

from __future__ import annotations

import getpass


def operator() -> str:
    """The user's name; "operator" for a uid without one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
