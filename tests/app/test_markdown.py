"""Markdown is coloured and nothing of it is lost, whatever it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autolab_tui.plain import width, wrapped
from autolab_tui.views.markdown import coloured

TEXT = """# Plan
1. measure **first**
- keep `solve.c` small
> as it was

```c
int a = 1; // **not bold**
# not a heading
```
after <!-- seen -->"""


def said(text: str, cells: int = 60) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in coloured(text, cells, "said"):
        for part, role in row:
            found.setdefault(role, set()).add(part)
    return found


def test_each_kind_has_its_role() -> None:
    found = said(TEXT)
    assert found["title"] == {"# Plan"}
    assert found["strong"] == {"**first**"}
    assert found["accent"] == {"`solve.c`"}
    assert found["key"] == {"1. ", "- "}
    assert "> as it was" in found["dim"]
    assert {"int a = 1; // **not bold**", "# not a heading"} <= found["output"]
    assert "after <!-- seen -->" in found["said"]


def test_a_fence_that_is_still_open_is_code_to_the_end() -> None:
    assert said("```\n# a\n# b")["output"] == {"# a", "# b"}


@given(
    st.text(st.sampled_from("ab `*_#>-~|\n\t1.\u00e9\u6f22\x1b[31m\u202e"), max_size=300),
    st.integers(1, 60),
)
def test_nothing_is_lost_or_too_wide(text: str, cells: int) -> None:
    rows = coloured(text, cells, "said")
    assert ["".join(part for part, _ in row) for row in rows] == wrapped(text, cells)
    assert all(sum(width(part) for part, _ in row) <= cells for row in rows)
