"""Iterations: an editable file was changed, and then the change was measured.

The journal knows an edit by the snapshot that it led to, and a measurement by the command: one that
names a benchmark, check, test or score. What a script of the agent's own does inside is not seen.
"""

from __future__ import annotations

import re

import msgspec

_COMMANDS = ("bash", "keys")
_MEASURES = re.compile(
    r"(?<![a-z0-9])(?:bench(?:mark)?|check|test|score|eval(?:uate)?|measure|verify|time|perf)"
    r"(?:s|er|ing)?(?![a-z0-9])",
    re.IGNORECASE,
)


def measures(tool: str, summary: str) -> bool:
    """Whether a tool call runs a benchmark or a check, by the words of its command."""
    return tool in _COMMANDS and _MEASURES.search(summary) is not None


class Cycles(msgspec.Struct):
    """How many iterations there were, and what the next one still lacks."""

    count: int = 0
    edit_waits: bool = False
    measured_now: bool = False

    def called(self, tool: str, summary: str) -> None:
        """A tool call began."""
        self.measured_now = measures(tool, summary)
        if self.measured_now and self.edit_waits:
            self._complete()

    def edited(self) -> None:
        """A snapshot of changed editable files was taken."""
        if self.measured_now:  # one command that edits and then measures
            self._complete()
        else:
            self.edit_waits = True

    def _complete(self) -> None:
        self.count += 1
        self.edit_waits = self.measured_now = False
