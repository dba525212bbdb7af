"""The leaderboard as lines: models in harnesses, ranked, with what is uncertain about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut, cut_middle, fit, plain, wrapped
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views.layout import Column, between, pad, widths
from engine.analysis.counting import Entrant, Missing, entrant_of, standing
from engine.analysis.leaderboard import Estimate, Leaderboard, Row, leaderboard
from engine.analysis.persistence import Persistence, persistence
from engine.analysis.published import PublishedRow, published
from engine.state import SessionState, State
from verifier.numerals import numeral

PAGES = ("scores", "domains", "endings", "persistence")
_NAME = (
    Column("rank", "", 2, 3, align="right"),
    Column("model", "model", 18, 30),
    Column("harness", "harness", 7, 16, rank=2),
)
# How a session ended, as the bar tells it: what went well, what went wrong, what says nothing.
_ENDINGS: tuple[tuple[str, tuple[str, ...], Role], ...] = (
    ("ran on", ("ran_to_end", "converged"), "good"),
    ("ended", ("ended",), "text"),
    ("too early", ("premature_stop",), "warn"),
    ("burnt", ("budget_exhausted",), "accent"),
    ("regressed", ("regressed",), "run-verifying"),
    ("invalid", ("gate_failed", "no_valid_result"), "bad"),
    ("cut off", ("context_exhausted", "refused", "stopped_by_operator"), "dim"),
    ("tampered", ("tampered",), "verdict-suspect"),
    ("failed", ("infrastructure",), "run-failed"),
)
_FIGURES: tuple[tuple[str, str, Callable[[Persistence], float | None]], ...] = (
    ("used", "budget used", lambda p: p.used),
    ("last", "last gain at", lambda p: p.last_improvement),
    ("late", "late gain", lambda p: p.late_gain),
    ("auc", "area", lambda p: p.auc),
    ("improving", "gains", lambda p: float(p.improving)),
    ("verified", "verified", lambda p: float(p.verified)),
    ("regret", "regret", lambda p: p.regret),
)


@dataclass(frozen=True, slots=True)
class Board:
    """The leaderboard and what is said beside it. `endings` and `figures` are by entrant."""

    made: Leaderboard
    endings: Mapping[Entrant, Counter[str]]
    figures: Mapping[Entrant, Mapping[str, float | None]]


def board(
    state: State, sessions: Sequence[SessionState], missing: Missing, boot: str, now: float
) -> Board:
    """Make it all; with thousands of sessions that takes seconds."""
    endings: dict[Entrant, Counter[str]] = {}
    figures: dict[Entrant, list[Persistence]] = {}
    for session in sessions:
        who = entrant_of(session)
        if session.over:
            endings.setdefault(who, Counter())[session.outcome or "ended"] += 1
        if standing(session) == "counted":
            figures.setdefault(who, []).append(persistence(session, boot, now))
    means = {
        who: {key: _mean([of(one) for one in every]) for key, _, of in _FIGURES}
        for who, every in figures.items()
    }
    return Board(leaderboard(state, sessions, missing), endings, means)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def identity(row: Row) -> str:
    """What tells a row from the others."""
    return f"{row.model}\n{row.harness}\n{row.harness_hash}"


def counts(made: Leaderboard, cells: int) -> Line:
    """The denominators, in one line."""
    tally = made.tally
    said: list[Span] = [
        (" ", "text"),
        (f"{tally.counted} of {words.plural(tally.sessions, 'session')} count", "strong"),
    ]
    missing = "left out" if made.missing == "exclude" else "count as 0"
    remarks: tuple[tuple[int, str, Role], ...] = (
        (tally.not_judged, f"not judged, {missing}", "warn"),
        (tally.suspect, "suspect, left out", "warn"),
        (tally.unfinished, "unfinished", "dim"),
        (tally.stopped, "stopped", "dim"),
        (tally.assisted, "assisted", "dim"),
        (tally.unofficial, "unofficial", "warn"),
        (tally.timed_by_task, "timed_by: task", "warn"),
    )
    for number, text, role in remarks:
        if number:
            said.append((f"  {number} {text}", role))
    if tally.gpu_seconds:
        said.append((f"  GPU time {words.duration(tally.gpu_seconds)}", "dim"))
    said.append((f"  {words.plural(made.tasks, 'task')}", "text"))
    return tuple(pad(said, cells))


def table(
    shown: Board, page: str, overlay: bool, glyphs: Glyphs, cells: int
) -> tuple[Line, list[tuple[str, Sequence[Line]]]]:
    """The head and a row for each entrant; with `overlay` published models between them."""
    columns = (*_NAME, *_columns(shown, page))
    given = widths(columns, cells - 2)
    columns = tuple(column for column in columns if column.key in given)
    head: list[Span] = [(" ", "dim")]
    for column in columns:
        head += [(fit(column.title, given[column.key], column.align), "dim"), (" ", "dim")]
    rows: list[tuple[str, Sequence[Line]]] = []
    theirs = _published(page, shown.made.missing) if overlay else []
    for number, row in enumerate(shown.made.rows, 1):
        while theirs and _value(row.overall.avg) < theirs[0].figures["overall"].avg:
            rows.append(_overlay(theirs.pop(0), page, columns, given))
        spans: list[Span] = [(" ", "text")]
        for column in columns:
            cell = _cell(column.key, number, row, shown, cells=given[column.key], glyphs=glyphs)
            spans += [*pad(cell, given[column.key], column.align), (" ", "text")]
        rows.append((identity(row), (tuple(spans),)))
    rows += [_overlay(row, page, columns, given) for row in theirs]
    return tuple(pad(head, cells)), rows


def _columns(shown: Board, page: str) -> tuple[Column, ...]:
    if page == "scores":
        on_gpus = Column("gpu", "GPU time", 8, 9, rank=4, align="right")
        return (
            Column("n", "n", 3, 5, rank=1, align="right"),
            *([on_gpus] if shown.made.tally.gpu_seconds else []),
            Column("tasks", "tasks", 5, 7, rank=4, align="right"),
            Column("avg", "avg@k", 18, 20),
            Column("best", "best@k", 18, 20, rank=1),
            Column("dominance", "dominance", 17, 19, rank=2),
            Column("error", "se", 6, 6, rank=5, align="right"),
            Column("above", "above next", 10, 10, rank=3, align="right"),
        )
    if page == "domains":
        names = shown.made.rows[0].domains if shown.made.rows else {}
        return tuple(
            Column(f"domain {name}", plain(name).replace("_", " "), 12, 24, rank=1 + at)
            for at, name in enumerate(names)
        )
    if page == "endings":
        return (Column("ended", "n", 4, 5, align="right"), Column("bar", "how they ended", 20, 160))
    return tuple(
        Column(key, title, 8, 14, rank=1 + at, align="right")
        for at, (key, title, _) in enumerate(_FIGURES)
    )


def _cell(
    key: str, number: int, row: Row, shown: Board, *, cells: int, glyphs: Glyphs
) -> Sequence[Span]:
    made, who = shown.made, Entrant(row.model, row.harness, row.harness_hash)
    scores = row.overall
    plain_cells: dict[str, tuple[str, Role]] = {
        "rank": (str(number), "dim"),
        "model": (cut_middle(plain(row.model), cells), "strong"),
        "harness": (cut_middle(harness(made, row), cells), "text"),
        "n": (str(row.tally.counted), "text"),
        "gpu": (words.duration(row.tally.gpu_seconds), "text"),
        "tasks": (f"{scores.tasks}/{made.tasks}", "dim"),
        "error": (_number(scores.error), "dim"),
        "above": ("" if row.above_next is None else f"{row.above_next:.0%}", "dim"),
        "ended": (str(sum(shown.endings.get(who, Counter()).values())), "text"),
    }
    if key in plain_cells:
        return [plain_cells[key]]
    if key == "bar":
        return endings(shown.endings.get(who, Counter()), cells, glyphs)
    if key.startswith("domain "):
        found = row.domains[key.removeprefix("domain ")].avg
        return _estimate(found, cells)
    if key in ("avg", "best", "dominance"):
        estimates = {"avg": scores.avg, "best": scores.best, "dominance": scores.dominance}
        return _estimate(estimates[key], cells)
    figure = shown.figures.get(who, {}).get(key)
    share = key in ("used", "last")
    return [(words.UNKNOWN if figure is None else f"{figure:.0%}" if share else numeral(figure, 3),
             "text")]  # fmt: skip


def harness(made: Leaderboard, row: Row) -> str:
    """A row's harness, with its version where there are several."""
    versions = {r.harness_hash for r in made.rows if r.harness == row.harness}
    return plain(row.harness if len(versions) == 1 else f"{row.harness} {row.harness_hash[:8]}")


def _estimate(value: Estimate | None, cells: int) -> list[Span]:
    if value is None:
        return [(words.UNKNOWN, "dim")]
    spans: list[Span] = [(f"{value.value:.3f}", "strong")]
    if value.interval is not None and cells >= 17:
        spans.append((f" {value.interval.low:.2f}..{value.interval.high:.2f}", "dim"))
    return spans


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def endings(found: Counter[str], cells: int, glyphs: Glyphs) -> list[Span]:
    """How sessions ended: a bar with a part for each kind, then the kinds in words."""
    total = sum(found.values())
    if not total:
        return [("none is over", "dim")]
    parts = [
        (name, sum(found[outcome] for outcome in outcomes), role)
        for name, outcomes, role in _ENDINGS
    ]
    parts = [part for part in parts if part[1]]
    bar = min(24, max(6, cells // 3))
    spans: list[Span] = []
    drawn = passed = 0
    for _, count, role in parts:
        passed += count
        upto = round(passed / total * bar)
        spans.append((glyphs.bar_full * (upto - drawn), role))
        drawn = upto
    for name, count, role in sorted(parts, key=lambda part: -part[1]):
        spans.append((f"  {count} {name}", role))
    return [span for span in spans if span[0]]


def _published(page: str, missing: Missing) -> list[PublishedRow]:
    del missing
    if page not in ("scores", "domains"):
        return []
    rows = [row for row in published().rows if row.set == "main"]
    return sorted(rows, key=lambda row: -row.figures["overall"].avg)


def _overlay(
    row: PublishedRow, page: str, columns: Sequence[Column], given: Mapping[str, int]
) -> tuple[str, Sequence[Line]]:
    overall = row.figures["overall"]
    known: dict[str, str] = {
        "rank": "~",
        "model": cut(row.model, given["model"]),
        "harness": "published",
    }
    if page == "scores":
        known |= {"avg": f"{overall.avg:.2f}", "best": f"{overall.best:.2f}"}
        known["dominance"] = "" if overall.dominance is None else f"{overall.dominance:.2f}"
    else:
        known |= {f"domain {name}": f"{f.avg:.2f}" for name, f in row.figures.items()}
    spans: list[Span] = [(" ", "dim")]
    for column in columns:
        text = fit(known.get(column.key, ""), given[column.key], column.align)
        spans += [(text, "dim"), (" ", "dim")]
    return f"published\n{row.model}", (tuple(spans),)


def _value(estimate: Estimate | None) -> float:
    return -1.0 if estimate is None else estimate.value


def notes(shown: Board, overlay: bool, cells: int) -> list[Line]:
    """What a reader must know, below the table."""
    made = shown.made
    said: list[tuple[str, Role]] = [(plain(remark), "dim") for remark in made.remarks]
    for one in made.left_out:
        what = "not judged" if one.standing == "not_judged" else one.standing
        text = f"{what}: {plain(one.session)}, {plain(one.model)} on {plain(one.task)}: "
        said.append((text + plain(one.why), "warn"))
    if overlay:
        table = published()
        tasks = sum(table.tasks.values())
        said.insert(
            0,
            (
                f"dimmed: {table.title} ({table.source}), {tasks} tasks, {table.attempts} "
                f"attempts, {table.harness}; other tasks and machines than ours",
                "dim",
            ),
        )
    return [((f" {part}", role),) for text, role in said for part in wrapped(text, cells - 2)]


def tasks_of(made: Leaderboard, row: Row, cells: int) -> list[tuple[str, Sequence[Line]]]:
    """Every task of a row: the rewards of its attempts, their mean and best."""
    rows: list[tuple[str, Sequence[Line]]] = []
    for cell in row.cells:
        rewards = " ".join(words.reward(r) for r in cell.rewards) or "none that counts"
        left: list[Span] = [(" ", "text"), (cut_middle(plain(cell.task), cells // 3), "strong")]
        right: list[Span] = [(cut(rewards, cells // 2), "dim")]
        if cell.avg is not None and len(cell.rewards) > 1:
            right.append((f"   {cell.avg:.3f}", "text"))
        rows.append((cell.task, (between(left, [*right, (" ", "text")], cells),)))
    return rows


def as_text(head: Line, rows: Sequence[tuple[str, Sequence[Line]]]) -> str:
    """The table for the clipboard, its columns parted by tabs."""
    made = []
    for line in (head, *(lines[0] for _, lines in rows)):
        fields = "".join(text if text.strip() or text != " " else "\t" for text, _ in line)
        made.append("\t".join(field.strip() for field in fields.split("\t")).strip("\t"))
    return "\n".join(made)
