"""`autolab verdicts`: the ledger in which every verdict is recorded, and proof that it is whole."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.failures import DONE, NEGATIVE, CommandError
from autolab_tui.cli.output import emit, note, number, plain, table
from autolab_tui.cli.parser import Commands, command, group
from autolab_tui.words import plural

if TYPE_CHECKING:
    from engine.offline.ledgers import Cross
    from verifier.ledger.audit import Audit

_SHOWN = 20
_VERIFY = """\
Every entry has the hash of the one before it and a signature; the journal has every entry of a
session once more. Without --bundle all of this is checked in the state folder, and no engine is
needed. Note the head that is printed (or hand a bundle to somebody): --head proves later that
nothing up to there was written anew, which the owner of the key could do.

examples:
  autolab verdicts verify
  autolab verdicts verify --head 41f0c2...        as it was noted earlier
  autolab verdicts verify --bundle verdicts.tar.gz --key 3fa2...

exit codes: 0 all is whole, 3 something was changed, dropped, added or reordered"""
_EXPORT = """\
The bundle has every entry, the public key, what each task was, a README, and a check.py that needs
Python and openssl only. The private key is not in it.

example:
  autolab verdicts export verdicts.tar.gz"""
_RELEASE = """\
A verdict is suspect when its speedup is beyond what the task calls possible, or when something was
found that honest work does not do. It counts nowhere until a person has looked at it: the reason is
in `autolab verdicts list`, the files in `autolab snapshot export`. The journal keeps who released
it, when and why; the verdict itself stays in the ledger as it was given.

example:
  autolab verdicts release v-41f0c2d91c3b77aa --why 'a better algorithm; the bound was wrong'"""
_ROTATE = """\
The old key signs the new one's name, so that whoever trusts the old one can trust the new one. With
--lost nobody does: the ledger goes on, and every check of it says where.

examples:
  autolab verdicts rotate
  autolab verdicts rotate --lost       the key's file is gone, or is another one's"""

_LIST = """\
examples:
  autolab verdicts list
  autolab verdicts list --session RUN --json | jq '.verdicts[] | [.id, .reward]'"""


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(
        commands, "verdicts", "the ledger of verdicts: list, verify, export, release, rotate"
    )
    listing = command(
        verbs, "list", list_verdicts, summary="every verdict that is recorded", details=_LIST
    )
    listing.add_argument("--session", metavar="ID", help="of this session or run only")
    verify = command(
        verbs,
        "verify",
        verify_verdicts,
        summary="prove that no verdict was changed, dropped or reordered",
        details=_VERIFY,
    )
    verify.add_argument("--bundle", type=Path, metavar="FILE", help="check what was exported")
    verify.add_argument("--head", metavar="HASH", help="a head that must be in it")
    verify.add_argument(
        "--key", metavar="FINGERPRINT", help="the key that it must have begun with and never lost"
    )
    export = command(
        verbs,
        "export",
        export_verdicts,
        summary="write all of it into a file that anybody can check offline",
        details=_EXPORT,
        dry_run=True,
    )
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument("--force", action="store_true", help="replace a file that is there")
    release = command(
        verbs,
        "release",
        release_verdicts,
        summary="let suspect verdicts count, once a person has looked at them",
        details=_RELEASE,
        dry_run=True,
    )
    release.add_argument("verdicts", nargs="+", metavar="VERDICT", help="the verdict's id")
    release.add_argument("--why", required=True, metavar="TEXT", help="the reason, for the journal")
    rotate = command(
        verbs,
        "rotate",
        rotate_key,
        summary="go on with a new key",
        details=_ROTATE,
        dry_run=True,
    )
    rotate.add_argument("--lost", action="store_true", help="without the old key")


def release_verdicts(args: argparse.Namespace) -> int:
    """Order the release and print what was released."""
    from autolab_tui.operators import operator
    from engine.client import connect

    order = {"globs": args.verdicts, "by": operator(), "why": args.why}
    done = connect(args.state).order("release", order, dry_run=args.dry_run)
    if args.json:
        emit("verdicts-release", {"verdicts": done, "dry_run": args.dry_run})
    elif not done:
        print("Each of them was released before.")
    else:
        print(f"{'would release' if args.dry_run else 'released'}: {', '.join(done)}")
    return DONE


def list_verdicts(args: argparse.Namespace) -> int:
    """Print the verdicts, the oldest first."""
    from engine.offline.ledgers import ledger_of
    from engine.paths import state_dir
    from verifier.ledger.entries import EntryError, parse

    rows: list[dict[str, Any]] = []
    for place, line in enumerate(ledger_of(state_dir(args.state)).lines(), 1):
        try:
            entry = parse(line)
        except EntryError as error:
            raise CommandError(
                f"entry {place} of the ledger cannot be read: {error}; `autolab verdicts verify`"
            ) from error
        held = entry.content.verdict
        if held is None or not _wanted(args.session, str(held.get("session") or "")):
            continue
        rows.append(
            {
                "entry": entry.content.n,
                **{key: held.get(key) for key in ("id", "session", "task", "stage", "status")},
                **{key: held.get(key) for key in ("reward", "regrade_of", "at")},
                "unofficial": _unofficial(held.get("seal")),
                "hash": entry.hash,
            }
        )
    if args.json:
        emit("verdicts", {"verdicts": rows})
        return DONE
    if not rows:
        print("No verdict is recorded yet.")
        return DONE
    head = ("entry", "verdict", "session", "task", "stage", "status", "reward", "")
    print(table(head, (_cells(row) for row in rows), right=(0, 6)))
    return DONE


def _wanted(asked: str | None, session: str) -> bool:
    return asked is None or session == asked or session.startswith(f"{asked}-")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    reward = row["reward"]
    said = [f"regrade of {row['regrade_of']}"] if row["regrade_of"] else []
    said += [f"unofficial: {row['unofficial']}"] if row["unofficial"] else []
    return (
        str(row["entry"]),
        *(str(row[key] or "-") for key in ("id", "session", "task", "stage", "status")),
        number(reward if isinstance(reward, int | float) else None),
        plain("; ".join(said), 96),
    )


def _unofficial(seal: object) -> str:
    """Why a verdict is unofficial; empty for an official one."""
    if not isinstance(seal, dict) or seal.get("official") is not False:
        return ""
    return str(seal.get("why") or "no reason given")


def verify_verdicts(args: argparse.Namespace) -> int:
    """Check the ledger, or a bundle; exit code 3 when it is not whole."""
    from engine.offline.ledgers import Cross, audited
    from engine.paths import state_dir

    if args.bundle is not None:
        from verifier.ledger import bundle

        found, cross = bundle.read(args.bundle).audit(key=args.key, head=args.head), Cross()
    else:
        found, cross = audited(state_dir(args.state), key=args.key, head=args.head)
    if args.json:
        _emit(found, cross, args.bundle)
    else:
        _show(found, cross, args.bundle)
    return NEGATIVE if found.problems else DONE


def _emit(found: Audit, cross: Cross, bundle: Path | None) -> None:
    import msgspec

    emit(
        "verdicts-verify",
        {
            "ok": not found.problems,
            "bundle": None if bundle is None else str(bundle),
            "entries": len(found.entries),
            "verdicts": found.verdicts,
            "head": found.head,
            "keys": msgspec.to_builtins(found.keys),
            "problems": msgspec.to_builtins(found.problems),
            "journal": None if bundle is not None else msgspec.to_builtins(cross),
        },
    )


def _show(found: Audit, cross: Cross, bundle: Path | None) -> None:
    for problem in found.problems[:_SHOWN]:
        where = "the ledger" if problem.entry is None else f"entry {problem.entry}"
        print(plain(f"WRONG: {where}: {problem.what}"))
    if len(found.problems) > _SHOWN:
        print(f"and {len(found.problems) - _SHOWN} more")
    for span in found.keys:
        again = " (the one before was lost, so none vouches for it)" if span.lost else ""
        print(f"key   {span.fingerprint} from entry {span.entry} on{again}")
    if found.head is not None:
        print(f"head  {found.head}")
    many = plural(found.verdicts, "verdict")
    print(f"{many}: {'NOT WHOLE' if found.problems else 'whole'}")
    if bundle is not None:
        return
    for count, words in (
        (cross.unchained, "were given before there was a ledger, so nothing proves them"),
        (cross.pending, "are in the ledger, and in the journal as soon as an engine runs"),
        (cross.elsewhere, "are of sessions that this journal does not know"),
        (cross.manual, "were recorded by hand"),
    ):
        if count:
            print(f"{count} {words}")


def export_verdicts(args: argparse.Namespace) -> int:
    """Write the bundle."""
    from engine.offline.ledgers import ledger_of, manifests_of
    from engine.paths import state_dir
    from verifier.ledger import bundle
    from verifier.ledger.entries import EntryError, parse

    file = args.file.expanduser().absolute()
    if file.exists() and not args.force:
        raise CommandError(f"{file} is there already; name another file, or replace it: --force")
    state = state_dir(args.state)
    lines, kept = ledger_of(state).lines(), manifests_of(state)
    hashes = set()
    for line in lines:
        try:
            held = parse(line).content.verdict
        except EntryError:
            continue  # `write` refuses a ledger that is not whole, and says where
        hashes |= {str(held["task_hash"])} if held and held.get("task_hash") else set()
    tasks = {name: data for name in hashes if (data := kept.data(name)) is not None}
    found = bundle.write(file, lines, tasks, dry_run=args.dry_run)
    missing = sorted(hashes - tasks.keys())
    if args.json:
        emit(
            "verdicts-export",
            {
                "file": str(file),
                "entries": len(found.entries),
                "verdicts": found.verdicts,
                "head": found.head,
                "key": found.keys[0].fingerprint,
                "tasks": sorted(tasks),
                "tasks_unknown": missing,
                "dry_run": args.dry_run,
            },
        )
        return DONE
    verb = "would write" if args.dry_run else "wrote"
    many = f"{plural(found.verdicts, 'verdict')} and {plural(len(tasks), 'task')}"
    print(f"{verb} {many} into {file}")
    print(f"key   {found.keys[0].fingerprint}\nhead  {found.head}")
    if missing:
        note(
            f"the files of {len(missing)} tasks are not known: {', '.join(n[:12] for n in missing)}"
        )
    return DONE


def rotate_key(args: argparse.Namespace) -> int:
    """Make a new key and record it."""
    from engine.offline.ledgers import ledger_of
    from engine.paths import state_dir

    ledger = ledger_of(state_dir(args.state))
    entry = ledger.rotate(lost=args.lost, dry_run=args.dry_run)
    new = None if args.dry_run else entry.next_key
    if args.json:
        emit(
            "verdicts-rotate",
            {"entry": entry.content.n, "key": new, "lost": args.lost, "dry_run": args.dry_run},
        )
    elif args.dry_run:
        print(f"would make a new key in entry {entry.content.n}")
    else:
        print(f"entry {entry.content.n} names the new key {new}")
    return DONE
