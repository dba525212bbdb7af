"""`autolab compare`: two models, two harnesses or two runs on the same tasks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from autolab_tui.cli.failures import DONE, CommandError
from autolab_tui.cli.leaderboard import add_missing, estimate, tally_in_words
from autolab_tui.cli.output import emit, number, plain, table
from autolab_tui.cli.parser import Commands, command
from autolab_tui.words import plural

if TYPE_CHECKING:
    from engine.analysis.comparison import Comparison, Order, Side

_DETAILS = """\
examples:
  autolab compare acme/big acme/small
  autolab compare harness:minimal harness:persistent --run 'ab*'
  autolab compare run:abcd run:efgh --json | jq .difference

A and B are model:GLOB, harness:GLOB or run:GLOB, or the bare name of one. Sessions are paired by
task and by what else the sides share; docs/analysis.md defines every figure."""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands, "compare", run, summary="two models, harnesses or runs", details=_DETAILS
    )
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument(
        "--run", action="append", default=[], metavar="RUN", help="only these runs (globs)"
    )
    add_missing(parser)


def run(args: argparse.Namespace) -> int:
    """Print the paired differences and what they amount to."""
    import msgspec

    from autolab_tui.cli.known import everything, sessions_of
    from engine.analysis.comparison import ComparisonError, compare

    state, _ = everything(args.state)
    sessions = sessions_of(state, args.run)
    try:
        made = compare(state, sessions, args.a, args.b, missing=args.missing)
    except ComparisonError as error:
        raise CommandError(str(error)) from error
    if args.json:
        emit("compare", msgspec.to_builtins(made))
    else:
        _show(made)
    return DONE


def _show(made: Comparison) -> None:
    missing = "left out" if made.missing == "exclude" else "counted as 0"
    for name, side in (("A", made.a), ("B", made.b)):
        print(f"{name}  {_side(side)}; {tally_in_words(side.tally, missing)}")
    print()
    if made.difference is None:
        print("They share no task with a judged session on both sides.")
    else:
        _pairs(made)
        test = made.sign_test
        print(f"\nA - B  {estimate(made.difference)} over {plural(made.tasks, 'task')}"
              f"{'' if made.error is None else f', standard error {made.error:.3f}'}")  # fmt: skip
        if made.probability is not None:
            print(f"A is better in {made.probability:.0%} of {made.replicates} replicates")
        print(f"sign test: A {test.a}, B {test.b}, ties {test.ties}; p = {test.p:.3g}")
    if made.order is not None:
        _order(made.order)
    for text in made.unpaired:
        print(f"unpaired: {plain(text)}")
    for text in made.remarks:
        print(f"note: {plain(text)}")


def _side(side: Side) -> str:
    mean = f", mean {side.mean:.3f}" if side.mean is not None else ""
    return f"{side.kind} {plain(', '.join(side.members), 80)}{mean}"


def _pairs(made: Comparison) -> None:
    rows = (
        (
            pair.task,
            pair.shared,
            *(" ".join(f"{reward:.3f}" for reward in side) for side in (pair.a, pair.b)),
            f"{pair.difference:+.3f}",
        )
        for pair in made.pairs
    )
    print(table(("task", "with", "a", "b", "a - b"), rows, right=(4,)))


def _order(order: Order) -> None:
    rows = (
        (s.name, f"{s.rank_a:g}", f"{s.rank_b:g}", f"{s.rank_a - s.rank_b:+g}")
        for s in sorted(order.standings, key=lambda s: (s.rank_a, s.name))
    )
    print()
    print(table(("order", "with a", "with b", "rises by"), rows, right=(1, 2, 3)))
    print(f"Kendall's tau {estimate(order.tau, 2)}")
    for reversal in order.reversals:
        print(
            f"{plain(reversal.first)} is above {plain(reversal.second)} with A and below with B "
            f"in {_share(reversal.probability)} of the replicates"
        )


def _share(value: float | None) -> str:
    return number(None) if value is None else f"{value:.0%}"
