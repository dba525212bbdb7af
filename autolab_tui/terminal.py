"""What the terminal can show."""

from __future__ import annotations

from collections.abc import Mapping

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from autolab_tui.glyphs import to_ascii


def refusal(environ: Mapping[str, str], is_terminal: bool) -> str:
    """Why the app cannot run here and what to do instead; empty when it can."""
    if not is_terminal:
        return "the app needs a terminal; `autolab watch` prints lines, `autolab status` a summary"
    if environ.get("TERM", "") in ("", "dumb", "unknown"):
        term = environ.get("TERM", "")
        return f"TERM={term!r} cannot show the app; `autolab watch` prints the same as plain lines"
    return ""


class AsciiFilter(LineFilter):
    """Turns all that is drawn, stock widgets too, into ASCII of the same width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments of one line in ASCII."""
        del background
        return [
            segment
            if segment.text.isascii()
            else Segment(to_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]
