"""The globs of `[autolab] editable`: `*` and `?` stay within one folder, `**` crosses folders."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable


def problem(glob: str) -> str | None:
    """Why `glob` cannot be used, or None. It must stay below the workspace."""
    if not glob:
        return "is empty"
    if not glob.isprintable() or "\\" in glob:
        return "has a backslash or an unprintable character"
    if glob.startswith(("/", "~")):
        return "is not relative to environment/app"
    if any(part in ("", ".", "..") for part in glob.split("/")):
        return "has an empty, '.' or '..' part"
    if glob.count("[") != glob.count("]"):
        return "has an unbalanced bracket"
    return None


@functools.lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    out = []
    parts = glob.split("/")
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            out.append(r"(?:[^/]+/)*[^/]+" if last else r"(?:[^/]+/)*")
        else:
            out.append(_segment(part) + ("" if last else "/"))
    return re.compile("".join(out))


def _segment(part: str) -> str:
    out, at = [], 0
    while at < len(part):
        char = part[at]
        end = part.find("]", at + 2) if char == "[" else -1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif end > 0:
            inner = part[at + 1 : end]
            negated = inner[0] in "!^"
            inner = re.escape(inner[1:] if negated else inner).replace(r"\-", "-")
            out.append(f"(?!/)[{'^' if negated else ''}{inner}]")
            at = end
        else:
            out.append(re.escape(char))
        at += 1
    return "".join(out)


def matches(glob: str, path: str) -> bool:
    """Whether the relative posix `path` is one that `glob` names."""
    return _pattern(glob).fullmatch(path) is not None


def matches_any(globs: Iterable[str], path: str) -> bool:
    """Whether any of `globs` names `path`."""
    return any(matches(glob, path) for glob in globs)
