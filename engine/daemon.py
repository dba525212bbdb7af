"""The engine's process: `python -m engine.daemon --state DIR`, or `autolab engine serve`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from importlib import metadata
from pathlib import Path

from engine.cpus import Cpus, usable
from engine.journal import Journal, JournalError
from engine.lock import StateLock, StateLockedError
from engine.oversight.trace import Trace
from engine.paths import (
    PathError,
    clear_address,
    journal_file,
    ledger_dir,
    make_private,
    runtime_dir,
    short_name,
    state_dir,
    write_address,
)
from engine.settings import Settings, SettingsError, load_settings
from verifier.ledger.keys import LedgerError
from verifier.ledger.ledger import Ledger

_log = logging.getLogger(__name__)


def version() -> str:
    """The installed version of autolab."""
    try:
        return metadata.version("autolab-tui")
    except metadata.PackageNotFoundError:
        return "unknown"


def serve(state: Path | None = None) -> int:
    """Run the engine of a state folder until it is asked to end; the exit code.

    Sessions live on this thread's loop; the API has a thread of its own.
    """
    os.umask(0o077)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    for noisy in ("httpx", "httpcore", "uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    folder = state_dir(state)
    try:
        with StateLock(folder):
            settings = load_settings()
            cpus = usable()
            cpus.keep_off_measuring()  # every other thread of ours is started by this one
            Ledger(ledger_dir(folder)).open()
            trace = Trace(make_private(folder) / "trace", version())
            journal = Journal(journal_file(folder), trace=trace)
            try:
                asyncio.run(_serve(folder, journal, settings, cpus, trace))
            finally:
                journal.close()
                clear_address(folder)
                trace.close()
    except (StateLockedError, PathError, SettingsError, JournalError, LedgerError) as error:
        print(f"autolab engine: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(
    folder: Path, journal: Journal, settings: Settings, cpus: Cpus, trace: Trace
) -> None:
    # Heavy imports wait until the lock is ours.
    from engine.api.server import Api
    from engine.garbage import look_less
    from engine.service.engine import Engine

    engine = Engine(folder, journal, settings, version(), cpus=cpus, trace=trace)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, engine.end)
    path = runtime_dir() / f"{short_name(folder)}.engine"
    api = Api(engine, path, version())
    await api.start()
    write_address(folder, path)
    look_less()
    _log.info("engine of %s listens at %s (pid %d)", folder, path, os.getpid())
    try:
        await engine.run()
    finally:
        await api.stop()
    _log.info("engine of %s has ended", folder)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m engine.daemon", description=__doc__)
    parser.add_argument("--state", type=Path, default=None, help="the state folder")
    return serve(parser.parse_args(arguments).state)


if __name__ == "__main__":
    sys.exit(main())
