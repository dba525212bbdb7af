"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

import pytest

from tasks.nearest import hint, nearest


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("median_filtr", ["median_filter", "build_flags"], "median_filter"),
        ("MINIMAL", ["minimal", "persistent"], "minimal"),
        ("med", ["median_filter", "build_flags"], "median_filter"),  # it begins one only
        ("a", ["ab", "ac"], None),  # it begins two
        ("8s", ["8sjq", "8sjq-01", "8sjq-02"], "8sjq"),  # a run before its sessions
        ("time", ["active", "wall"], None),
        ("", ["active"], None),
        ("x", [], None),
        ("a-1", ["a-01", "b-01"], "a-01"),
    ],
)
def test_the_nearest_name(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant
    assert hint(word, known, "or else") == (f"did you mean {meant!r}?" if meant else "or else")
