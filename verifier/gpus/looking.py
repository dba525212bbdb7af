"""The check from inside: which device nodes a sandbox really has, and which of them open."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

from verifier.gpus.access import Access

# Harmless nodes that every sandbox has; what is in /dev/pts are its own terminals.
_EVERYWHERE = {f"/dev/{n}" for n in ("null", "zero", "full", "random", "urandom", "tty", "console")}
_LOOK = """
import json, os, stat
found = []
for folder, folders, names in os.walk("/dev"):
    if folder == "/dev/pts":
        folders.clear()
        continue
    for name in names:
        path = os.path.join(folder, name)
        info = os.lstat(path)
        if not (stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode)):
            continue
        opens = ""
        if name.startswith("nvidia"):
            try:
                os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
            except OSError as error:
                opens = os.strerror(error.errno)
        found.append([path, os.major(info.st_rdev), os.minor(info.st_rdev), opens])
print(json.dumps(found))
"""
ARGV = ("/usr/bin/python3", "-I", "-S", "-c", _LOOK)
SCRIPT = shlex.join(ARGV)


def problem(printed: str, access: Access) -> str | None:
    """What is wrong with the nodes that `SCRIPT` printed, in words; None where they are exactly
    those of `access`, each of them opens, and nothing else of that kind is there."""
    try:
        found = {
            str(path): (int(major), int(minor), str(opens))
            for path, major, minor, opens in json.loads(printed)
        }
    except (ValueError, TypeError):
        return f"the look at its device nodes printed nothing of use: {printed[:200]!r}"
    granted = {target: source for source, target in access.nodes}
    more = sorted(found.keys() - granted.keys() - _EVERYWHERE)
    if more:
        return f"it has device nodes that were not granted: {', '.join(more)}"
    for target, source in granted.items():
        if target not in found:
            return f"the granted device node {target} is not there"
        major, minor, opens = found[target]
        real = Path(source).stat().st_rdev
        if (major, minor) != (os.major(real), os.minor(real)):
            return f"{target} is another device than the host's"
        if opens:
            return f"{target} does not open: {opens}; its mode on the host must let others use it"
    return None
