"""What a task can need inside a sandbox, and the script that looks for it there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Literal, NamedTuple


class Need(NamedTuple):
    """One thing: a command of PATH, a module of /usr/bin/python3, or a header of the compiler."""

    kind: Literal["command", "module", "header"]
    name: str


# A module is looked for and not imported: that would take as long as the module likes.
_FIND = """
import importlib.util, sys
for word in sys.argv[1:]:
    number, name = word.split("=", 1)
    try:
        if importlib.util.find_spec(name):
            print(number)
    except (ImportError, ValueError):
        pass
"""
_COMPILERS = (("gcc", "c"), ("g++", "c++"))


def script(needs: Sequence[Need]) -> str:
    """A shell script that prints the position in `needs` of each thing that is there."""
    numbered = list(enumerate(needs))
    commands = [(n, need.name) for n, need in numbered if need.kind == "command"]
    modules = [f"{n}={need.name}" for n, need in numbered if need.kind == "module"]
    headers = [(n, need.name) for n, need in numbered if need.kind == "header"]
    lines = [
        f"command -v -- {shlex.quote(name)} >/dev/null 2>&1 && echo {n}" for n, name in commands
    ]
    if modules:
        lines.append(f"/usr/bin/python3 -I -c {shlex.quote(_FIND)} {shlex.join(modules)}")
    if headers:
        asked = "".join(f"#if __has_include(<{name}>)\n{n}\n#endif\n" for n, name in headers)
        lines += [
            f"printf %s {shlex.quote(asked)} | {compiler} -E -P -x {language} - 2>/dev/null"
            for compiler, language in _COMPILERS
        ]
    return "\n".join(lines)
