"""What a piece of text on the screen is, apart from how it looks.

Views give every span a role; `app.tcss` gives every role a colour out of the theme; themes are
checked role by role. Nothing else in the app names a colour.
"""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal[
    "text",
    "dim",
    "faint",
    "strong",
    "title",
    "key",
    "accent",
    "good",
    "bad",
    "warn",
    "run-queued",
    "run-preparing",
    "run-running",
    "run-paused",
    "run-verifying",
    "run-finished",
    "run-failed",
    "verdict-pass",
    "verdict-fail",
    "verdict-suspect",
    "verdict-unjudged",
    "bar-used",
    "bar-left",
    "bar-tick",
    "spark",
    "plot-best",
    "plot-reference",
    "plot-now",
    "plot-cursor",
    "plot-shade",
    "plot-1",
    "plot-2",
    "plot-3",
    "plot-4",
    "plot-5",
    "plot-6",
    "axis",
    "said",
    "thought",
    "tool",
    "output",
]
ROLES: tuple[Role, ...] = get_args(Role)

# Drawn for order's sake only: nothing is lost to whoever cannot see them.
ORNAMENTS: frozenset[Role] = frozenset({"faint", "axis", "bar-left", "plot-shade"})
# Shapes rather than letters: WCAG asks less contrast of them.
GRAPHICS: frozenset[Role] = frozenset(
    {
        "bar-used",
        "bar-tick",
        "spark",
        "plot-best",
        "plot-reference",
        "plot-now",
        "plot-cursor",
        "plot-1",
        "plot-2",
        "plot-3",
        "plot-4",
        "plot-5",
        "plot-6",
    }
)

Span = tuple[str, Role]
Line = tuple[Span, ...]


def text_of(line: Line) -> str:
    """The characters of a line without their roles."""
    return "".join(text for text, _ in line)
