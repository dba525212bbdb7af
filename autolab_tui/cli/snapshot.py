"""`autolab snapshot`: the states that a session's files had; read, compared, copied, put back."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.output import emit, number, table
from autolab_tui.cli.parser import Commands, command, group
from autolab_tui.cli.values import short_duration
from autolab_tui.operators import operator

if TYPE_CHECKING:
    from engine.offline.differences import FileDifference
    from engine.offline.snapshots import SnapshotsObject, Stored

_WHICH = (
    "SNAPSHOT is the beginning of an id (4 digits or more), or baseline (the untouched task),\n"
    "first, last, best (the highest reward), final (what the final verdict was given on)."
)
_OFFLINE = "Reads the state folder, and needs no engine."


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "snapshot", "the states that a session's files had")
    listing = command(
        verbs,
        "list",
        list_snapshots,
        summary="a session's snapshots, the newest last, with their verdicts",
        details=f"{_OFFLINE}\n\nexamples:\n  autolab snapshot list SESSION\n"
        "  autolab snapshot list 'task:median*' --json | jq '.sessions[].best'",
    )
    listing.add_argument("globs", nargs="+", metavar="SESSION|GLOB", help="which sessions")
    diff = command(
        verbs,
        "diff",
        diff_snapshots,
        summary="what differs between two snapshots, as a unified diff",
        details=f"{_WHICH}\n{_OFFLINE}\n\nexamples:\n"
        "  autolab snapshot diff SESSION                       what the session has done so far\n"
        "  autolab snapshot diff SESSION best                  its best state against the task\n"
        "  autolab snapshot diff SESSION 3fa2 --against previous",
    )
    _session(diff)
    diff.add_argument(
        "snapshot", nargs="?", default="last", metavar="SNAPSHOT", help="default: last"
    )
    diff.add_argument(
        "--against",
        default="baseline",
        metavar="SNAPSHOT",
        help="what it is compared with: baseline (the default), previous, or any other",
    )
    export = command(
        verbs,
        "export",
        export_snapshot,
        summary="write a snapshot's files into a folder",
        details=f"{_WHICH}\n{_OFFLINE}\n\nexamples:\n"
        "  autolab snapshot export SESSION best ./best\n"
        "  autolab snapshot export SESSION 3fa2 ./work --force",
        dry_run=True,
    )
    _session(export)
    export.add_argument("snapshot", metavar="SNAPSHOT")
    export.add_argument("directory", metavar="DIR", type=Path, help="made where it is missing")
    export.add_argument("--force", action="store_true", help="replace files that are there")
    judging = command(
        verbs,
        "verify",
        verify_now,
        summary="judge what sessions' files are now, before other checkpoints",
        details="A snapshot is taken at once, also in the middle of a command or in a pause.\n"
        "Files that were judged as they are, are not judged again.\n"
        "`autolab verify` judges any directory, without an engine.\n\n"
        "examples:\n  autolab snapshot verify SESSION\n"
        "  autolab snapshot verify 'task:median*' --dry-run",
        dry_run=True,
    )
    judging.add_argument("globs", nargs="+", metavar="SESSION|GLOB", help="which sessions")
    judging.add_argument("--why", default="", metavar="TEXT", help="the reason, for the journal")
    restore = command(
        verbs,
        "restore",
        restore_snapshot,
        summary="set a running session's files to a snapshot; the session counts as assisted",
        details=f"{_WHICH}\n"
        "Every process of the session stands still meanwhile, what its files were is a snapshot,\n"
        "too, and the model is told. It is an intervention: the journal has who and why.\n\n"
        "example:\n  autolab snapshot restore SESSION best --why 'it deleted its kernel'",
        dry_run=True,
    )
    _session(restore)
    restore.add_argument("snapshot", metavar="SNAPSHOT")
    restore.add_argument("--why", default="", metavar="TEXT", help="the reason, for the journal")


def _session(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION", help="an id, or a glob that matches one")


def list_snapshots(args: argparse.Namespace) -> int:
    """Print the snapshots of each session."""
    import msgspec

    source = stored(args)
    found = [source.listing(source.history_of(s)) for s in source.choose(args.globs)]
    if args.json:
        emit("snapshots", {"sessions": msgspec.to_builtins(found)})
        return 0
    print("\n\n".join(_listing(each) for each in found))
    return 0


def diff_snapshots(args: argparse.Namespace) -> int:
    """Print what differs."""
    source = stored(args)
    history = source.history(args.session)
    old, new, files = source.difference(history, args.snapshot, args.against)
    if args.json:
        emit(
            "snapshot-diff",
            {
                "session": history.facts.id,
                "old": old.id,
                "new": new.id,
                "files": [_file_object(file) for file in files],
            },
        )
        return 0
    print(f"{history.facts.id}: {old.id[:12]} -> {new.id[:12]}")
    if not files:
        print("no difference")
    for file in files:
        print("\n".join(_file(file)))
    return 0


def export_snapshot(args: argparse.Namespace) -> int:
    """Write the files."""
    source = stored(args)
    history = source.history(args.session)
    directory = args.directory.expanduser().absolute()
    found = source.export(history, args.snapshot, directory, force=args.force, dry_run=args.dry_run)
    if args.json:
        emit(
            "snapshot-export",
            {
                "session": history.facts.id,
                "snapshot": found.id,
                "directory": str(directory),
                "files": sorted(found.files),
                "dry_run": args.dry_run,
            },
        )
    else:
        verb = "would write" if args.dry_run else "wrote"
        print(f"{verb} {_count(found.files, 'file')} of {found.id[:12]} below {directory}")
    return 0


def verify_now(args: argparse.Namespace) -> int:
    """Order verdicts on what sessions' files are now."""
    from autolab_tui.cli.orders import give

    return give(args, "verify", {}, "to be judged now", "judge", schema="snapshot-verify")


def restore_snapshot(args: argparse.Namespace) -> int:
    """Ask the engine to set the files."""
    from engine.client import connect

    client = connect(args.state, start=False)
    session = stored(args).history(args.session).facts.id
    done = client.restore(session, args.snapshot, by=operator(), why=args.why, dry_run=args.dry_run)
    if args.json:
        emit("snapshot-restore", done)
        return 0
    verb = "would set" if args.dry_run else "set"
    print(f"{verb} the files of {session} to {done['snapshot'][:12]}: {', '.join(done['files'])}")
    if done["removed"]:
        print(f"{'would remove' if args.dry_run else 'removed'}: {', '.join(done['removed'])}")
    if done["before"]:
        print(f"what they {'are' if args.dry_run else 'were'}: snapshot {done['before'][:12]}")
    return 0


def stored(args: argparse.Namespace) -> Stored:
    """The journal and the snapshots of the state folder that is meant."""
    from engine.offline.snapshots import Stored
    from engine.paths import state_dir

    return Stored(state_dir(args.state))


def _listing(found: SnapshotsObject) -> str:
    from autolab_tui.plain import plain

    title = f"{found.session} on {plain(found.task)}, {found.state}"
    if not found.snapshots:
        return f"{title}: no snapshot, since its files have not changed"
    rows = [
        (
            taken.id[:12],
            taken.at[:19].replace("T", " "),
            short_duration(taken.active),
            str(len(taken.files)),
            str(taken.size),
            number(taken.reward),
            " ".join(
                [*taken.marks, *([f"gate {taken.failed_gate} failed"] * bool(taken.failed_gate))]
            ),
            "refused: " + taken.refused if taken.refused else "",
        )
        for taken in found.snapshots
    ]
    head = ("snapshot", "taken (UTC)", "active", "files", "bytes", "reward", "marks", "")
    return f"{title}\n{table(head, rows, right=(2, 3, 4, 5))}"


def _file_object(file: FileDifference) -> dict[str, Any]:
    return {
        "path": file.path,
        "change": file.change,
        "binary": file.binary,
        "removed": file.removed,
        "added": file.added,
        "lines": list(file.lines),
        "left_out": file.left_out,
    }


def _file(file: FileDifference) -> Iterator[str]:
    from autolab_tui.plain import plain

    path = plain(file.path)
    yield f"--- {'/dev/null' if file.change == 'added' else path}"
    yield f"+++ {'/dev/null' if file.change == 'removed' else path}"
    if file.binary:
        yield f"{path} is no text; it was {file.change}"
    yield from map(_line, file.lines)
    if file.left_out:
        yield (
            f"... {file.left_out} more lines; `autolab snapshot export` writes the files themselves"
        )


def _line(line: str) -> str:
    """One line of a difference as one line on the screen, whatever it holds."""
    from autolab_tui.plain import MARK, lines

    return MARK.join(lines(line))


def _count(things: Sequence[object] | dict[str, Any], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"
