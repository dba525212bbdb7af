"""Compiler flags as an artifact: read by an allow-list, never by a shell.

The file is text: flags separated by white space, `#` to the end of a line is a comment. Each flag
must match one entry of the task's `allow` list in full. In an entry,

    [text]      may stand or be left out             -f[no-]unroll-loops
    INT         is a number of one to nine digits    -fmax-errors=INT
    NAME        is a word of small letters, digits and hyphens   --param=NAME=INT

and everything else stands for itself. Whatever the list says, a flag that names a file, loads code
or hides further flags is refused: a careless entry opens nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from verifier.artifact import ArtifactRefusedError, printable

_MOST_BYTES = 16_384
_MOST_FLAGS = 200
_HOLES = {"INT": r"[0-9]{1,9}", "NAME": r"[a-z](?:[a-z0-9-]*[a-z0-9])?"}
_TOKENS = re.compile(r"(\[[^\[\]]+\]|\bINT\b|\bNAME\b)")
_NEVER = re.compile(
    r"(?:[^-].*)?|-|--|.*[/\\].*|.*\.\..*"
    r"|-B.*|-I.*|-L.*|-l.*|-o.*|-x.*|-X.*|-W[alp],.*|-T.*|-u.*|-z.*|-A.*"
    r"|-i.*|-specs.*|--specs.*|--include.*|--imacros.*|--sysroot.*|-no-canonical.*|-wrapper.*"
    r"|-fplugin.*|-fpre-include.*|-fdump.*|-fprofile-.*=.*|-fauto-profile.*|-fuse-ld=.*"
    r"|-dumpdir.*|-dumpbase.*|-M.*|-save-temps.*|-E|-S|-c|-v|-###|-pipe|-pass-exit-codes",
    re.DOTALL,
)


@functools.lru_cache(maxsize=512)
def _pattern(entry: str) -> re.Pattern[str]:
    return re.compile(_source(entry))


def _source(entry: str) -> str:
    out = []
    for piece in _TOKENS.split(entry):
        if piece in _HOLES:
            out.append(_HOLES[piece])
        elif piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
            out.append(f"(?:{_source(piece[1:-1])})?")
        else:
            out.append(re.escape(piece))
    return "".join(out)


def allowed(flag: str, allow: Sequence[str]) -> bool:
    """Whether `flag` matches an entry of `allow` and is none that is always refused."""
    if _NEVER.fullmatch(flag):
        return False
    return any(_pattern(entry).fullmatch(flag) for entry in allow)


def parse(path: str, data: bytes, allow: Sequence[str]) -> tuple[str, ...]:
    """The flags in `data`, in order.

    Raises `ArtifactRefusedError` naming the line and the flag that is not allowed.
    """
    if len(data) > _MOST_BYTES:
        raise ArtifactRefusedError(path, f"more than {_MOST_BYTES} bytes of flags")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise ArtifactRefusedError(path, f"byte {error.start} is not ASCII") from error
    flags: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        for flag in line.partition("#")[0].split():
            if not allowed(flag, allow):
                why = f"line {number}: {printable(flag, 80)} is not an allowed flag"
                raise ArtifactRefusedError(path, why)
            flags.append(flag)
    if len(flags) > _MOST_FLAGS:
        raise ArtifactRefusedError(path, f"more than {_MOST_FLAGS} flags")
    return tuple(flags)
