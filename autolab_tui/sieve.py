"""What of an agent's terminal may reach the operator's: text, colours, and moves of the cursor.

The bytes of an attached terminal are written by whatever runs in the sandbox. A terminal obeys
bytes: it writes its clipboard, sets its title, answers questions into its input, stores files, and
changes modes that outlive the program. So only a few sequences pass, each rebuilt from its checked
parts; all else is left out, also what is cut in two by the reading. `Sieve.take` gives text that
may be written at once: it never ends within a sequence.

Rows are clamped to the part of the screen that belongs to the agent, so that the operator's own
line below it stays theirs; what a move could still reach there, the operator's side draws again.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

_LONGEST = 256  # characters of one sequence; no terminal program writes longer ones that pass
_MOST_NUMBERS = 32

# Direction controls and what is invisible could reorder or hide text; a joiner and variation
# selectors only join what is drawn in one cell.
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
_PIECES = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<string>(?:\x1b[\]PX^_k]|[\x90\x98\x9d-\x9f]))"
    r"|(?P<csi>(?:\x1b\[|\x9b)(?P<prefix>[<-?]?)(?P<numbers>[0-9:;]*)(?P<final>[@-~]))"
    r"|(?P<odd>(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~])"
    r"|(?P<broken>(?:\x1b\[|\x9b)[0-?]*(?:[ -/]+(?=[0-?])|[ -/]*(?=[^ -~])))"
    r"|(?P<escape>\x1b(?:[ -/]+[0-~]|(?P<letter>[0-OQ-WYZ\\`a-jl-~])))"
    r"|(?P<lone>\x1b[ -/]*(?=[^ -~])|[\x80-\x8f\x91-\x97\x99\x9a\x9c])"
)
# The end of a string: its terminator, or what makes a terminal give it up.
_STRING_END = re.compile(r"\x07|\x1b\\|\x9c|\x18|\x1a|(?=\x1b[^\\])")
_PASSED_CONTROLS = "\b\t\n\r"
_PASSED_LETTERS = "DEM"  # down, next line, up
_COUNTED = "ABCDEFGILMPSTXZ@`ae"  # moves, and insertions and deletions in place
_ERASING = "JK"


class Sieve:
    """Takes a stream apart; `rows` is how many rows of the screen are the agent's, from the top."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._in_string = False

    def take(self, data: bytes) -> str:
        """What may be shown of the next bytes of the stream."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        passed: list[str] = []
        at = 0
        while at < len(text):
            if self._in_string:
                end = _STRING_END.search(text, at)
                if end is None:
                    self._rest = "\x1b" if text.endswith("\x1b") else ""
                    break
                at, self._in_string = end.end(), False
                continue
            found = _PIECES.match(text, at)
            if found is None:  # a sequence that goes on in the next bytes
                self._rest = text[at:]
                if len(self._rest) > _LONGEST:  # too long to pass; only its grammar counts
                    self._rest = self._rest[:_LONGEST] + self._rest[-1]
                break
            at = found.end()
            passed.append(self._piece(found))
        return "".join(passed)

    def _piece(self, found: re.Match[str]) -> str:
        match found.lastgroup:
            case "text":
                return _UNSEEN.sub("", found[0])
            case "control" if found[0] in _PASSED_CONTROLS:
                return found[0]
            case "string":
                self._in_string = True
                return ""
            case "csi" if len(found[0]) <= _LONGEST:
                return self._control(found["prefix"], found["numbers"], found["final"])
            case "escape" if found["letter"] and found["letter"] in _PASSED_LETTERS:
                return found[0]
            case _:
                return ""

    def _control(self, prefix: str, numbers: str, final: str) -> str:
        if prefix == "?" and final in "hl":
            # The cursor may be hidden and shown; every other mode stays as it is.
            return f"\x1b[?25{final}" if "25" in numbers.split(";") else ""
        if prefix:
            return ""
        if final == "m":
            whole = numbers.count(";") + numbers.count(":") < _MOST_NUMBERS
            return f"\x1b[{numbers}m" if whole and not _over(numbers) else ""
        if ":" in numbers or _over(numbers):
            return ""
        given = numbers.split(";")
        build: Callable[[list[str]], str] | None = None
        match final:
            case "H" | "f" if len(given) <= 2:
                build = self._place
            case "d" if len(given) == 1:
                build = self._row
            case "r" if len(given) <= 2:
                build = self._margins
            case _ if len(given) == 1 and (
                final in _COUNTED or (final in _ERASING and numbers in ("", "0", "1", "2"))
            ):
                return f"\x1b[{numbers}{final}"
        return build(given) if build is not None else ""

    def _place(self, given: list[str]) -> str:
        row = min(int(given[0] or 1), self.rows)
        column = int((given[1:] or [""])[0] or 1)
        return f"\x1b[{row};{column}H"

    def _row(self, given: list[str]) -> str:
        return f"\x1b[{min(int(given[0] or 1), self.rows)}d"

    def _margins(self, given: list[str]) -> str:
        """Lines scroll within the agent's part, whatever is asked."""
        top = int(given[0] or 1)
        bottom = min(int((given[1:] or [""])[0] or self.rows), self.rows)
        return f"\x1b[{top};{bottom}r" if top < bottom else ""


def _over(numbers: str) -> bool:
    """Whether some number has more digits than any screen has cells."""
    return any(len(number) > 4 for number in re.split("[;:]", numbers))
