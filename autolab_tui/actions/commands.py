"""What is done by a command only, or as well: the palette finds it and copies the command."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Command(msgspec.Struct, frozen=True):
    """A command line; `{run}` and `{session}` stand for those under the cursor."""

    name: str
    line: str
    help: str
    label: str = ""

    def filled(self, run: str, session: str) -> str:
        """The line, with words in capitals where there is no such run or session."""
        return self.line.format(run=run or "RUN", session=session or "SESSION")


COMMANDS: tuple[Command, ...] = (
    Command("command.csv", "autolab report {run} --csv {run}.csv",
            "Write a run as a table (CSV)"),
    Command("command.html", "autolab report {run} --html {run}.html",
            "Write a run as one page to keep or send (HTML report)"),
    Command("command.leaderboard", "autolab leaderboard --json",
            "Print the leaderboard as data (JSON)"),
    Command("command.export", "autolab snapshot export {session} best ./best",
            "Export the best files of a session into a folder"),
    Command("command.snapshots", "autolab snapshot list {session}",
            "List every snapshot of a session"),
    Command("command.restore", "autolab snapshot restore {session} best",
            "Restore a session's files to its best snapshot"),
    Command("command.logs", "autolab logs {session}",
            "Print a session's transcript (logs)"),
    Command("command.write", "autolab attach {session} --write",
            "Type into a session's terminal"),
    Command("command.replay", "autolab replay {run}",
            "Replay a run: every screen at any moment of it"),
    Command("command.watch", "autolab watch {run}",
            "Watch a run's events as lines"),
    Command("command.rerun", "autolab rerun {run}",
            "Launch a run again (rerun)"),
    Command("command.remove", "autolab runs rm {run}",
            "Remove (delete) a run that is over, and its files"),
    Command("command.proof", "autolab verdicts verify",
            "Prove the ledger of verdicts: signed and whole"),
    Command("command.harbor", "autolab export {run} --harbor ./{run}",
            "Export a run as a Harbor job"),
    Command("command.settings", "autolab config show",
            "Show the settings (config): providers, keys, notifications"),
    Command("command.models", "autolab models list",
            "List providers and models, and whether their keys are there"),
    Command("command.engine", "autolab engine restart",
            "Restart the engine, for another key or version; sandboxes live on"),
    Command("command.metrics", "autolab engine metrics",
            "Print the engine's metrics (Prometheus)"),
    Command("command.anomalies", "autolab engine anomalies",
            "Say what the engine is at, even when it hangs (stuck, debug)"),
    Command("command.doctor", "autolab doctor",
            "Check this machine: what is missing, and its remedy (doctor)"),
)  # fmt: skip


def available(orders: bool) -> Iterable[Command]:
    """All commands; without `orders` those that only look."""
    changing = ("restore", "write", "rerun", "remove", "engine")
    return (c for c in COMMANDS if orders or c.name.partition(".")[2] not in changing)
