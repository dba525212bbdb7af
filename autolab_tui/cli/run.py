"""`autolab run`: launch tasks x models x attempts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from autolab_tui.cli.failures import UsageError
from autolab_tui.cli.output import emit, note
from autolab_tui.cli.parser import Commands, Parser, command
from autolab_tui.cli.values import budgets
from verifier.numerals import numeral

if TYPE_CHECKING:
    from engine.client import EngineClient

MOST_LISTED = 12  # ids of sessions that are printed one by one

_DETAILS = """\
The run is the product of its tasks, models (or agents), harnesses and attempts. It goes on when
this command and the terminal are gone.

agents without a model:
  nop       does nothing; must score 0
  oracle    applies the final reference
  ladder    applies the reference's stages one after another

A file has the same keys as the line, without the dashes (docs/usage.md has an example):
  model = ["openai/gpt-5.6"]          a list or one value
  budget = {active = "2h", cost = 5}  or "active=2h,cost=5"
  provider.local = "http://127.0.0.1:8000/v1"

examples:
  autolab run -f run.toml --dry-run
  autolab run --task 'median*' --agent ladder --size quick --watch
  autolab run --task '*' --model local/qwen --provider local=http://127.0.0.1:8000/v1
  autolab run --model openai/gpt-5.6 --provider openai=https://api.openai.com/v1 \\
              --provider-key-env openai=OPENAI_API_KEY --attempts 3 --budget active=2h,cost=5

budgets: active, wall (90s, 15m, 2h), turns, tokens, cost (USD), gpu (time)"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "run",
        run,
        summary="launch tasks x models x attempts",
        details=_DETAILS,
        dry_run=True,
    )
    parser.add_argument(
        "-f",
        "--file",
        type=Path,
        metavar="RUN.toml",
        help="read these options from a file; what the line gives wins over it",
    )
    parser.stray = "name a task with --task {0}, a file with -f {0}"
    what = parser.add_argument_group("what runs")
    what.add_argument("--suite", type=Path, metavar="DIR", help="default: the shipped tasks")
    what.add_argument("--task", action="append", metavar="GLOB", default=[], help="default: all")
    what.add_argument(
        "--model",
        action="append",
        metavar="P/NAME",
        default=[],
        help="a provider and its model; `autolab models list` has the providers",
    )
    what.add_argument(
        "--agent",
        action="append",
        metavar="NAME",
        default=[],
        help="an agent without a model: nop, oracle, ladder",
    )
    what.add_argument(
        "--harness",
        action="append",
        metavar="NAME",
        default=[],
        help="how models are put to work (default: minimal); `autolab harness list`",
    )
    what.add_argument(
        "--attempts", type=int, metavar="K", help="default: what the harness says (presets: 1)"
    )
    what.add_argument("--size", choices=("quick", "full"), help="default: full")
    what.add_argument(
        "--anchors",
        choices=("task", "calibrated"),
        help="what rewards are anchored to: the task's own figures, or those that `autolab tasks "
        "calibrate` measured on this machine (default: what the settings say)",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--budget",
        action="append",
        metavar="KEY=AMOUNT,...",
        default=[],
        help="the ends of a session (default: its task's active time, three times that as wall)",
    )
    limits.add_argument(
        "--soft",
        action="append",
        metavar="KEY=AMOUNT,...",
        default=[],
        help="pause at these, before the end",
    )
    limits.add_argument(
        "--run-budget",
        action="append",
        metavar="KEY=AMOUNT,...",
        default=[],
        help="for all sessions of the run together",
    )
    limits.add_argument(
        "--run-soft",
        action="append",
        metavar="KEY=AMOUNT,...",
        default=[],
        help="pause the whole run at these",
    )
    limits.add_argument(
        "--clock",
        choices=("active", "wall"),
        help="what a task's own time limit counts: work alone (default), or the wall clock, as "
        "AutoLab's authors did",
    )
    limits.add_argument("--concurrency", type=int, metavar="N", help="sessions at the same time")
    providers = parser.add_argument_group("model providers")
    providers.add_argument(
        "--provider",
        action="append",
        metavar="NAME=BASE_URL",
        default=[],
        help="where the models NAME/... are, such as local=http://127.0.0.1:8000/v1",
    )
    providers.add_argument(
        "--provider-key-env",
        action="append",
        metavar="NAME=ENVVAR",
        default=[],
        help="the environment variable that holds the key; the key itself is never stored",
    )
    add_attached(parser)


def add_attached(parser: Parser) -> None:
    """Whether the command stays with the run that it launched."""
    attached = parser.add_mutually_exclusive_group()
    attached.add_argument("--watch", action="store_true", help="print events until it ends")
    attached.add_argument("--detach", action="store_true", help="return at once (the default)")


def run(args: argparse.Namespace) -> int:
    """Check the request, hand it to the engine, and watch when asked to."""
    from engine.client import connect

    if args.file is not None:
        from autolab_tui.cli.run_file import fill

        fill(args)
    spec = spec_of(args)
    return launch(args, connect(args.state), spec)


def launch(args: argparse.Namespace, client: EngineClient, spec: dict[str, Any]) -> int:
    """Create the run and say so, or watch it; what `run` and `rerun` have in common."""
    before = client.state() if args.watch and not args.dry_run else None
    created = client.create_run(spec, dry_run=args.dry_run)
    if args.dry_run or before is None:
        _announce(args, created)
        return 0
    from autolab_tui.cli.watch import follower_for, printer, watch_own

    return watch_own(client, follower_for(args.state, created["run"], before, printer(args.json)))


def spec_of(args: argparse.Namespace) -> dict[str, Any]:
    """The run spec that the engine is sent. Raises `UsageError` for what cannot be meant."""
    if not args.model and not args.agent:
        raise UsageError("nobody to run: give --model P/NAME or --agent nop|oracle|ladder")
    if args.harness and not args.model:
        raise UsageError(
            f"--harness {args.harness[0]} puts a model to work, and --agent {args.agent[0]} has "
            "none; leave it out, or give --model P/NAME"
        )
    for name in ("attempts", "concurrency"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value} is below 1; give a whole number from 1 on")
    for task in args.task:
        if args.suite is None and "/" in task and Path(task).is_dir():
            raise UsageError(f"--task {task} is a directory; give it with --suite {task}")
    spec: dict[str, Any] = {
        "tasks": args.task or ["*"],
        "models": args.model,
        "agents": args.agent,
        "attempts": args.attempts,
        "budget": budget_of(args.budget, args.soft),
        "size": args.size or "full",
        "providers": providers_of(args.provider, args.provider_key_env, args.model),
    }
    whole = budget_of(args.run_budget, args.run_soft, "--run-budget", "--run-soft")
    if whole:
        spec["run_budget"] = whole
    if args.clock not in (None, "active"):
        spec["clock"] = args.clock
    if args.anchors is not None:
        spec["anchors"] = args.anchors
    if args.suite is not None:
        spec["suite"] = str(args.suite.absolute())
    if args.harness:
        spec["harnesses"] = args.harness
    if args.concurrency is not None:
        spec["concurrency"] = args.concurrency
    return spec


def budget_of(
    hard: list[str],
    soft: list[str],
    hard_name: str = "--budget",
    soft_name: str = "--soft",
) -> dict[str, dict[str, float]]:
    """{key: {hard, soft}} from the two options. Raises `UsageError`."""
    ends, pauses = _amounts(hard_name, hard), _amounts(soft_name, soft)
    merged: dict[str, dict[str, float]] = {}
    for name, amounts in (("hard", ends), ("soft", pauses)):
        for key, amount in amounts.items():
            merged.setdefault(key, {})[name] = amount
    for key, limit in merged.items():
        if limit.get("soft", 0.0) > limit.get("hard", float("inf")):
            raise UsageError(
                f"{soft_name} {key}={numeral(limit['soft'])} is above {hard_name} "
                f"{key}={numeral(limit['hard'])}; "
                "the pause must come before the end"
            )
    return merged


def _amounts(option: str, pairs: list[str]) -> dict[str, float]:
    try:
        return budgets(pairs)
    except ValueError as error:
        raise UsageError(f"{option} {error}") from None


def providers_of(urls: list[str], keys: list[str], models: list[str]) -> dict[str, Any]:
    """{name: {base_url, key_env}} from the two options. Raises `UsageError`."""
    providers: dict[str, dict[str, str]] = {}
    for text in urls:
        name, _, url = text.partition("=")
        if not name or not _is_address(url):
            raise UsageError(
                f"--provider {text} is not NAME=BASE_URL; write local=http://127.0.0.1:8000/v1"
            )
        providers[name] = {"base_url": url.rstrip("/")}
    for text in keys:
        name, _, variable = text.partition("=")
        if name not in providers:
            raise UsageError(
                f"--provider-key-env {text} names no provider given with --provider; "
                f"write --provider {name or 'NAME'}=BASE_URL too"
            )
        if not variable.isidentifier():
            raise UsageError(
                f"--provider-key-env {name}=... must name an environment variable, "
                f"such as {name}=OPENAI_API_KEY; never write the key itself"
            )
        providers[name]["key_env"] = variable
    for model in models:
        if "/" not in model.strip("/"):
            example = f"openai/{model.strip('/') or 'gpt-5.6'}"
            raise UsageError(f"model {model!r} is not PROVIDER/NAME; write {example}")
    return providers


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, a bracket too many
        return False


def _announce(args: argparse.Namespace, created: dict[str, Any]) -> None:
    # The ids of a dry run name nothing: the next run gets others.
    run, sessions = None if args.dry_run else created["run"], created["sessions"]
    notes = created["notes"]
    for said in () if args.json else notes:
        note(said)
    if args.json:
        facts = {"run": run, "sessions": sessions, "notes": notes, "dry_run": args.dry_run}
        facts["forecast"] = created.get("forecast")  # that of a run that began is in its status
        emit("run-created", facts)
    elif args.dry_run:
        print(f"would create a run with {_count(sessions)}; nothing was changed")
        print(outlook_in_words(created["forecast"]))
    else:
        print(f"run {run} with {_count(sessions)}: {_listed(sessions)}")
        print(f"follow it with `autolab watch {run}` or in the app with `autolab`")


def _listed(sessions: list[str]) -> str:
    """All of a few ids, the first and the last of many."""
    return (
        ", ".join(sessions) if len(sessions) <= MOST_LISTED else f"{sessions[0]} to {sessions[-1]}"
    )


def _count(sessions: list[str]) -> str:
    return f"{len(sessions)} session{'' if len(sessions) == 1 else 's'}"


def outlook_in_words(found: dict[str, Any] | None) -> str:
    """What a run would come to, in one line."""
    from autolab_tui import words

    if found is None:
        return "nothing would run"
    parts = []
    for key, name, shown in (
        ("active", "active time", words.duration),
        ("cost", "cost", words.money),
        *([("gpu", "GPU time", words.duration)] if found.get("gpu") else []),
    ):
        amount = found[key]
        if amount is None:
            parts.append(f"{name} not known")
        else:
            low, high = shown(amount["low"]), shown(amount["high"])
            between = "" if low == high else f" ({low} to {high})"
            parts.append(f"{name} {shown(amount['expected'])}{between}")
    return f"{', '.join(parts)}; {found['level']:.0%} intervals from {found['basis']}"
