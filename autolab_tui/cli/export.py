"""`autolab export`: a run's conversations and results in the formats of others."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from autolab_tui.cli.failures import DONE, CommandError
from autolab_tui.cli.output import emit, note
from autolab_tui.cli.parser import Commands, command
from autolab_tui.cli.writing import write_all
from autolab_tui.words import plural

if TYPE_CHECKING:
    from engine.offline.recordings import Recording
    from engine.state import State

_DETAILS = """\
--atif writes one trajectory in ATIF 1.8 for each session, SESSION.json. --harbor writes the folder
that Harbor leaves of a job: RUN/result.json, RUN/SESSION/result.json, agent/trajectory.json,
verifier/reward.json. Reads the state folder, and needs no engine; of a run that goes on, what there
is up to now. What an agent wrote is in these files as it wrote it.

examples:
  autolab export RUN --atif ./trajectories
  autolab export RUN --harbor ./jobs --dry-run"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "export",
        run,
        summary="a run in ATIF or as a Harbor job",
        details=_DETAILS,
        dry_run=True,
    )
    parser.add_argument("run", metavar="RUN")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--atif", type=Path, metavar="DIR", help="a trajectory for each session")
    how.add_argument("--harbor", type=Path, metavar="DIR", help="a job with its trials")
    parser.add_argument("--force", action="store_true", help="replace files that are there already")


def run(args: argparse.Namespace) -> int:
    """Write the files, or say what would be written."""
    from engine.offline.recordings import Recording
    from engine.paths import state_dir

    recording = Recording.open(state_dir(args.state), args.run, note)
    state = recording.at(recording.end)
    trajectories = _trajectories(recording, state)
    folder: Path = args.atif or args.harbor
    if args.atif:
        files = {f"{name}.json": text for name, text in trajectories.items() if text is not None}
    else:
        files = _job(recording, state, trajectories)
    silent = [name for name, text in trajectories.items() if text is None]
    existing = next((folder / name for name in files if (folder / name).exists()), None)
    if existing is not None and not args.force:
        raise CommandError(f"{existing} is there already; name another folder, or give --force")
    if not args.dry_run:
        write_all(folder, files)
    if args.json:
        emit(
            "export",
            {
                "run": recording.run,
                "format": "atif" if args.atif else "harbor",
                "directory": str(folder),
                "files": sorted(files),
                "silent": silent,
                "dry_run": args.dry_run,
            },
        )
        return DONE
    said = "would write" if args.dry_run else "wrote"
    print(f"{said} {plural(len(files), 'file')} into {folder}")
    if silent:
        print(f"without a conversation yet: {', '.join(silent)}")
    return DONE


def _trajectories(recording: Recording, state: State) -> dict[str, str | None]:
    from autolab_tui import __version__
    from engine.offline.atif import trajectory

    made: dict[str, str | None] = {}
    for name in state.runs[recording.run].sessions:
        session = state.sessions.get(name)
        if session is None:
            continue
        entries = recording.transcript(
            name, 0, session.transcript_entries, session.transcript_bytes
        )
        found = trajectory(session, entries, recording.turns(name), __version__)
        made[name] = None if found is None else json.dumps(found, ensure_ascii=False, indent=2)
    return made


def _job(recording: Recording, state: State, trajectories: dict[str, str | None]) -> dict[str, str]:
    from autolab_tui import __version__
    from engine.offline.harbor import job

    run = state.runs[recording.run]
    sessions = [state.sessions[name] for name in trajectories]
    made = job(run, sessions, trajectories, __version__)
    return {f"{run.id}/{name}": text for name, text in made.items()}
