"""Why bubblewrap does not work here, and what to do about it."""

from __future__ import annotations

import contextlib
from pathlib import Path

_SWITCHES = (
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "run: sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "run: sysctl -w user.max_user_namespaces=10000",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "run: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give bwrap a profile",
    ),
)


def version(text: str) -> tuple[int, ...]:
    """The numbers in `bubblewrap 0.8.0`; empty when there are none."""
    words = text.split()
    numbers = words[-1].split(".") if words else []
    return tuple(int(n) for n in numbers) if all(n.isdigit() for n in numbers) else ()


def explain(stderr: str) -> str:
    """Why bwrap failed, and what to do, from its message and the kernel's switches."""
    message = stderr.strip().splitlines()[-1] if stderr.strip() else "bwrap said nothing"
    for switch, bad, remedy in _SWITCHES:
        with contextlib.suppress(OSError):
            if Path(switch).read_text().strip() == bad:
                return f"bubblewrap cannot isolate here ({message}): {switch} is {bad}; {remedy}"
    if "proc" in message.lower():
        return (
            f"bubblewrap cannot isolate here ({message}): this looks like a container that hides "
            "parts of /proc; start the container with --security-opt systempaths=unconfined"
        )
    return (
        f"bubblewrap cannot isolate here ({message}); user namespaces must be allowed: in a "
        "container, start it with --security-opt seccomp=unconfined --security-opt "
        "apparmor=unconfined"
    )
