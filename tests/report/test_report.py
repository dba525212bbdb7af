"""A report of a run: one file, nothing from elsewhere, and text that is only text."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autolab_tui.plain import plain
from autolab_tui.report.facts import Facts, gather
from autolab_tui.report.markup import element, text
from autolab_tui.report.page import page
from autolab_tui.report.table import HEAD, comma_separated
from autolab_tui.report.trajectory import trajectory
from engine.clock import Clock
from engine.state import SessionState
from tests.app.journal import Journal
from tests.engine.analysis.making import BOOT, over, point, session, state

CLOCK = Clock(lambda: BOOT, lambda: 0.0, lambda: 1e9)
HOSTILE = (
    "</svg></style><script src=//evil.example>x</script>\x1b[31m\u202e\"'><img onerror=x>&amp;"
)
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "section", "footer"),
    *("h1", "h2", "h3", "p", "a", "br", "span", "div", "code", "details", "summary"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "line", "path", "rect", "circle", "text"),
}
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Reads a page as a browser would, and notes what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(document: str) -> Reader:
    reader = Reader()
    reader.feed(document)
    reader.close()
    assert reader.open == []
    return reader


def facts(*sessions: SessionState) -> Facts:
    made = state(*sessions)
    return gather(made, made.runs["r"], CLOCK, "exclude")


def hostile_session(**more: Any) -> SessionState:
    points = [
        point(5.0, 0.2, reason=HOSTILE),
        point(9.0, 0.0, gate=HOSTILE, reason=HOSTILE),
        point(10.0, None, reason=HOSTILE),
        point(20.0, 0.4, stage="final", status="suspect", reason=HOSTILE),
    ]
    return over(
        "r-01", 0.4, points=points, model=HOSTILE, task=HOSTILE, harness=HOSTILE, domain=HOSTILE,
        metric_name=HOSTILE, metric_unit=HOSTILE, **more,
    )  # fmt: skip


def test_hostile_text_stays_text() -> None:
    one = hostile_session()
    one.outcome_evidence = HOSTILE
    document = page(facts(one, session("r-02", [point(3.0, 0.1)], model=HOSTILE, used=90.0)))
    found = read(document)
    assert found.tags <= TAGS
    for name, value in found.attributes:
        assert not name.startswith("on"), name
        assert name not in ("src", "srcset", "style", "action", "xlink:href")
        if name == "href":
            assert value.startswith("#")
    assert not re.search(r"url\(|@import|https?:", document)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", document)
    assert plain(HOSTILE) in "".join(found.words)


def test_it_says_what_it_is_about() -> None:
    scored = [
        over(f"r-{n}", reward, model=model, task=task, domain=task[0],
             points=[point(10.0, reward / 2), point(40.0, reward, stage="final")])
        for n, (model, task, reward) in enumerate(
            [("lab/a", "t1", 0.6), ("lab/a", "u2", 0.7), ("lab/b", "t1", 0.2), ("lab/b", "u2", 0.3)]
        )
    ]  # fmt: skip
    going = session("r-9", used=800.0, budget=1000.0)
    document = page(facts(*scored, over("r-8", None), going))
    said = " ".join(read(document).words)
    for words in (
        "Run r", "6 sessions", "4 counted", "1 not judged", "1 unfinished", "Forecast",
        "lab/a", "0.650", "why r-8", "plateau", "Trajectories", "Clocks and budgets",
        "Harnesses", "a" * 64, "Its knobs are not known",
    ):  # fmt: skip
        assert words in said, words
    assert document.count('class="trajectory"') == 6
    assert page(facts(*scored, over("r-8", None), going)) == document


def test_an_empty_run_is_a_page_too() -> None:
    made = state(session("r-01", used=0.0, begun=False, state="queued", budget=None))
    read(page(gather(made, made.runs["r"], CLOCK, "zero")))
    made.sessions.clear()
    read(page(gather(made, made.runs["r"], CLOCK, "zero")))


def test_thousands_of_verdicts_are_thinned_and_said_to_be() -> None:
    many = [point(float(n), 0.0, gate="correct") for n in range(5000)]
    drawn = trajectory(session("r-01", [*many, point(5001.0, 0.9)]), 5001.0, 6000.0)
    found = read(drawn)
    assert drawn.count("mark gate") == 599
    assert drawn.count("mark improved") == 1
    assert "4401 more marks are not drawn" in "".join(found.words)


@given(st.text(), st.text())
def test_whatever_is_given_comes_back_as_text(child: str, attribute: str) -> None:
    found = read(element("p", child, title=attribute))
    assert found.tags == {"p"}
    assert "".join(found.words) == plain(child)
    assert found.attributes == [("title", plain(attribute))]
    assert "<" not in text(child)


points = st.lists(
    st.builds(
        point,
        st.floats(0, 1e5),
        st.none() | st.floats(0, 1),
        status=st.sampled_from([None, "suspect"]),
        gate=st.none() | st.just("correct"),
        stage=st.sampled_from(["checkpoint", "final"]),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(points, st.floats(0, 1e5), st.none() | st.floats(0.1, 1e5), st.booleans())
def test_every_trajectory_can_be_drawn(
    drawn: list[Any], used: float, budget: float | None, ended: bool
) -> None:
    one = session("r-01", drawn, used=used, budget=budget, state="finished" if ended else "running")
    picture = trajectory(one, used, budget)
    read(picture)
    assert not re.search(r"nan|inf\b", picture)


def test_the_table_has_a_line_for_each_session() -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(facts(
        over("r-01", 0.5, model="=cmd()|x", task="-2+3", harness="a,b\n\"c\""),
        session("r-02", used=12.5, budget=None),
    )))))  # fmt: skip
    assert set(rows[0]) == set(HEAD)
    assert [row["id"] for row in rows] == ["r-01", "r-02"]
    assert (rows[0]["model"], rows[0]["task"]) == ("'=cmd()|x", "'-2+3")
    assert rows[0]["harness"] == 'a,b "c"'
    assert (rows[0]["final"], rows[0]["official"], rows[0]["standing"]) == (
        "0.5",
        "true",
        "counted",
    )
    assert (rows[1]["final"], rows[1]["auc"], rows[1]["active_seconds"]) == ("", "", "12.5")


def test_a_harness_is_shown_with_its_knobs_where_it_is_the_same() -> None:
    from engine.harnesses import load

    hash_ = load("minimal").hash
    found = facts(over("r-01", 0.5, harness_hash=hash_), over("r-02", 0.5))
    known = {h.hash: h for h in found.harnesses}
    assert known[hash_].knobs is not None and known[hash_].knobs["loop"] == "tools"
    assert known["a" * 64].knobs is None and "another one now" in known["a" * 64].why_not


@pytest.mark.parametrize("scheme", ["prefers-color-scheme: dark", "@media print"])
def test_the_page_adapts(scheme: str) -> None:
    assert scheme in page(facts(over("r-01", 0.5)))


def test_rewards_that_no_verifier_gives_are_drawn_within_the_plot() -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1", run="r-1")
    journal.start("s-1")
    for at, reward in enumerate((-1e308, 1e308, 5.0)):
        journal.wait(10)
        journal.verdict("s-1", 10.0 * at, reward, speedup=1e308, reason="odd")
    journal.end("s-1", 1e308, "ended", "over")
    folded = journal.state()
    assert [p.reward for p in folded.sessions["s-1"].points] == [0.0, 1.0, 1.0]
    assert folded.sessions["s-1"].final_reward == 1.0
    clock = Clock(boot=lambda: journal.events[0].boot, now=lambda: journal.now, wall=lambda: 0.0)
    made = page(gather(folded, folded.runs["r-1"], clock, "exclude"))
    assert not re.search(r"\b(nan|inf)\b", made)
    assert max(map(len, re.findall(r"\d+", made))) < 80
