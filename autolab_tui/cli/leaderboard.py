"""`autolab leaderboard`: models in harnesses, ranked, with what is uncertain about it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autolab_tui import words
from autolab_tui.cli.failures import DONE
from autolab_tui.cli.output import emit, number, plain, table
from autolab_tui.cli.parser import Commands, Parser, command
from autolab_tui.words import plural

if TYPE_CHECKING:
    from engine.analysis.counting import Tally
    from engine.analysis.harness_effect import HarnessEffect
    from engine.analysis.leaderboard import Estimate, Leaderboard, Row
    from engine.analysis.persistence_index import Correlation

_DETAILS = """\
examples:
  autolab leaderboard                       every session that the journal knows
  autolab leaderboard RUN RUN --missing zero
  autolab leaderboard --published           beside AutoLab's own table
  autolab leaderboard --json | jq '.rows[] | [.model, .overall.avg.value]'

Avg@k and Best@k are means over tasks with 95 % intervals; docs/analysis.md defines every figure."""
_DOMAIN_NAMES = 24


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands, "leaderboard", run, summary="models and harnesses, ranked", details=_DETAILS
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="only these runs (globs)")
    add_missing(parser)
    parser.add_argument(
        "--published", action="store_true", help="AutoLab's published results beside ours"
    )


def add_missing(parser: Parser) -> None:
    """The option that says how sessions that could not be judged are counted."""
    parser.add_argument(
        "--missing",
        choices=("exclude", "zero"),
        default="exclude",
        help="sessions that could not be judged: left out (the default), or a reward of 0",
    )


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    from autolab_tui.cli.known import everything, sessions_of
    from engine.analysis.harness_effect import harness_effect
    from engine.analysis.leaderboard import leaderboard
    from engine.analysis.persistence_index import persistence_index

    state, clock = everything(args.state)
    sessions = sessions_of(state, args.runs)
    made = leaderboard(state, sessions, args.missing)
    effect = harness_effect(state, sessions, args.missing)
    index = persistence_index(sessions, clock.boot(), clock.now())
    if args.json:
        emit("leaderboard", content(made, effect, index, args.published))
        return DONE
    if not made.rows:
        print("No session yet: try `autolab demo`, or `autolab run --help`.")
        return DONE
    print(counts_in_words(made))
    print()
    print(_table(made))
    if len(made.rows[0].domains) > 1:
        print()
        print(_domains(made))
    if effect is not None:
        print()
        print(_effect(effect))
    if any(c.rho is not None for c in index):
        print("\nrank correlation of the final reward with " + "; ".join(map(_correlation, index)))
    if args.published:
        print()
        print(_published())
    _footnotes(made)
    return DONE


def content(
    made: Leaderboard,
    effect: HarnessEffect | None,
    index: Sequence[Correlation],
    with_published: bool,
) -> dict[str, Any]:
    """The object of `--json`, without its schema."""
    import msgspec

    from engine.analysis.published import published

    answer: dict[str, Any] = msgspec.to_builtins(made)
    answer["harness_effect"] = msgspec.to_builtins(effect)
    answer["persistence_index"] = msgspec.to_builtins(list(index))
    answer["published"] = None
    if with_published:
        shown = published()
        head = {k: v for k, v in msgspec.to_builtins(shown).items() if k not in ("figures", "rows")}
        rows = [
            {
                "model": row.model,
                "set": row.set,
                "figures": {
                    domain: {"avg": f.avg, "best": f.best, "dominance": f.dominance}
                    for domain, f in row.figures.items()
                },
            }
            for row in shown.rows
        ]
        answer["published"] = {**head, "rows": rows}
    return answer


def counts_in_words(made: Leaderboard) -> str:
    """The denominators in one line."""
    least, most = _attempts(made.rows)
    k = f"k = {least}" if least == most else f"k = {least} to {most}"
    missing = "left out" if made.missing == "exclude" else "counted as 0"
    tasks = f"{made.tasks} task{'' if made.tasks == 1 else 's'}"
    return f"{tally_in_words(made.tally, missing)}; {tasks}, {k}"


def tally_in_words(tally: Tally, missing: str) -> str:
    """How many sessions, and what became of them."""
    parts = [f"{tally.counted} counted"]
    special = (
        (tally.stopped, "stopped"),
        (tally.assisted, "assisted"),
        (tally.unofficial, "unofficial"),
        (tally.timed_by_task, "timed_by: task"),
    )
    among = ", ".join(f"{count} {what}" for count, what in special if count)
    if among:
        parts[0] += f" (of these {among})"
    parts.append(f"{tally.not_judged} not judged ({missing})" if tally.not_judged else "")
    parts.append(f"{tally.suspect} suspect (left out)" if tally.suspect else "")
    parts.append(f"{tally.unfinished} unfinished" if tally.unfinished else "")
    parts.append(f"GPU time {words.duration(tally.gpu_seconds)}" if tally.gpu_seconds else "")
    plural = "" if tally.sessions == 1 else "s"
    return f"{tally.sessions} session{plural}: " + ", ".join(part for part in parts if part)


def _attempts(rows: Sequence[Row]) -> tuple[int, int]:
    known = [row.attempts for row in rows if row.attempts[1]]
    return min((a for a, _ in known), default=0), max((b for _, b in known), default=0)


def estimate(value: Estimate | None, digits: int = 3) -> str:
    """`0.412 [0.30, 0.55]`, or a dash."""
    if value is None:
        return "-"
    shown = f"{value.value:.{digits}f}"
    if value.interval is None:
        return shown
    return f"{shown} [{value.interval.low:.2f}, {value.interval.high:.2f}]"


def _table(made: Leaderboard) -> str:
    head = ("model", "harness", "tasks", "n", "avg@k", "best@k", "dominance", "se", "above next")
    rows = (
        (
            row.model,
            _harness(made, row),
            f"{row.overall.tasks}/{made.tasks}",
            str(row.tally.counted),
            estimate(row.overall.avg),
            estimate(row.overall.best),
            estimate(row.overall.dominance, 2),
            number(row.overall.error),
            "-" if row.above_next is None else f"{row.above_next:.0%}",
        )
        for row in made.rows
    )
    return table(head, rows, right=(2, 3, 7, 8))


def _harness(made: Leaderboard, row: Row) -> str:
    versions = {r.harness_hash for r in made.rows if r.harness == row.harness}
    return row.harness if len(versions) == 1 else f"{row.harness} {row.harness_hash[:8]}"


def _domains(made: Leaderboard) -> str:
    names = list(made.rows[0].domains)
    head = ("avg@k by domain", "harness", *(plain(name, _DOMAIN_NAMES) for name in names))
    rows = (
        (row.model, _harness(made, row), *(estimate(row.domains[name].avg) for name in names))
        for row in made.rows
    )
    return table(head, rows)


def _effect(effect: HarnessEffect) -> str:
    rows = (
        (model, *(f"{value:.3f}" for value in values))
        for model, values in zip(effect.models, effect.grid, strict=True)
    )
    columns = range(1, 1 + len(effect.harnesses))
    shown = table(("avg by harness", *effect.harnesses), rows, right=tuple(columns))
    v, swing = effect.variances, effect.swings[0]
    parts = [("model", v.model), ("harness", v.harness), ("interaction", v.interaction),
             ("task", v.task), ("rest", v.rest), ("attempt", v.attempt)]  # fmt: skip
    said = ", ".join(f"{name} {number(value, 4)}" for name, value in parts)
    return (
        f"{shown}\n\nover {plural(len(effect.tasks), 'task')}; variance: {said}\n"
        f"largest swing: {plain(swing.model)}, {swing.low:.3f} in {plain(swing.worst)} to "
        f"{swing.high:.3f} in {plain(swing.best)}"
    )


def _correlation(found: Correlation) -> str:
    value = number(found.rho, 2)
    if found.interval is not None:
        value += f" [{found.interval.low:.2f}, {found.interval.high:.2f}]"
    return f"{found.figure} {value} (n = {found.sessions})"


def _published() -> str:
    from engine.analysis.published import published

    shown = published()
    domains = list(shown.tasks)
    rows = (
        (
            row.model,
            row.set,
            *(f"{x:.2f}" for x in (row.figures["overall"].avg, row.figures["overall"].best)),
            number(row.figures["overall"].dominance, 2),
            *(f"{row.figures[domain].avg:.2f}" for domain in domains),
        )
        for row in shown.rows
    )
    head = ("published", "set", "avg", f"best of {shown.attempts}", "dominance", *domains)
    count = sum(shown.tasks.values())
    return (
        f"{shown.title} ({shown.source}): {count} tasks, {shown.attempts} attempts, "
        f"{shown.harness}; other tasks and machines than ours\n"
        + table(head, rows, right=tuple(range(2, len(head))))
    )


def _footnotes(made: Leaderboard) -> None:
    if made.left_out or made.remarks:
        print()
    for one in made.left_out:
        what = "not judged" if one.standing == "not_judged" else one.standing
        print(f"{what}: {one.session} ({plain(one.model)} on {plain(one.task)}): "
              f"{plain(one.why, 160)}")  # fmt: skip
    for remark in made.remarks:
        print(f"note: {plain(remark)}")
