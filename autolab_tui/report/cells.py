"""What every part of the page is put together from: sections, tables, figures in cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autolab_tui import words
from autolab_tui.report.markup import Child, Markup, element, join
from engine.analysis.leaderboard import Estimate
from engine.state import SessionState

REASON = 400  # characters of what a verdict says that are shown
UNKNOWN = words.UNKNOWN


def section(title: str, *children: Child) -> Markup:
    """A part of the page under a heading."""
    return element("section", element("h2", title), *children)


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[Markup]],
    right: set[int] | frozenset[int] = frozenset(),
    caption: str | None = None,
) -> Markup:
    """A table that scrolls by itself; `right` has the columns of figures, from 0."""
    heads = [element("th", h, class_="n" if i in right else None) for i, h in enumerate(head)]
    return element(
        "div",
        element(
            "table",
            element("caption", caption) if caption else None,
            element("thead", element("tr", *heads)),
            element("tbody", *(element("tr", *row) for row in rows)),
        ),
        class_="scroll",
    )


def anchor(session: SessionState) -> str:
    """Where on the page a session is, for links."""
    return f"session-{session.id}"


def figure(value: Child) -> Markup:
    """A cell with a figure."""
    return element("td", value, class_="n")


def name(value: str) -> Markup:
    """A cell with a name."""
    return element("td", value, class_="name")


def estimate(found: Estimate | None) -> Markup:
    """A mean with its interval."""
    if found is None:
        return join(UNKNOWN)
    if found.interval is None:
        return join(f"{found.value:.3f}")
    spread = f"{found.interval.low:.2f} to {found.interval.high:.2f}"
    return join(f"{found.value:.3f} ", element("span", spread, class_="range"))


def value_of(found: Estimate | None) -> str:
    """A mean alone."""
    return UNKNOWN if found is None else f"{found.value:.3f}"


def number(value: float | None) -> str:
    """A reward, or another figure of three places."""
    return UNKNOWN if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share."""
    return UNKNOWN if value is None else f"{value:.0%}"


def minute(stamp: str) -> str:
    """`2026-01-31 12:00 UTC` of RFC 3339 in UTC."""
    return f"{stamp[:10]} {stamp[11:16]} UTC"


def money(value: float | None) -> str:
    """US dollars."""
    return "not known" if value is None else words.money(value)
