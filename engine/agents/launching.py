"""An agent of somebody else's: what it is started with, and how it ended."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.entries import Entry
from engine.harnesses import COMMAND_SLOTS
from engine.models.types import ModelError
from verifier.inside.relay import PORT

FOLDER = "/run/agent"  # what an agent is started with, in memory inside the sandbox
PROGRAM = "/opt/agent"  # where it sees the folder that its harness names
BASE_URL = f"http://127.0.0.1:{PORT}"
_MOST_ARGUMENT = 128 * 1024 - 1  # bytes, the kernel's limit for one argument


class ArgumentTooLongError(ValueError):
    """A command that no kernel would take; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of the agent: its command, the text that tells it what to do, and where that is.

    The number is its name: whoever launches the same number again joins the one that runs.
    """

    number: int
    command: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        """What the sandbox's keeper calls it."""
        return f"agent-{self.number}"

    @property
    def instruction_file(self) -> str:
        """Where the text lies inside."""
        return instruction_file(self.number)

    def script(self) -> str:
        """The command as a line of shell. Raises `ArgumentTooLongError`."""
        words = [word.replace("{instruction}", self.text) for word in self.command]
        for word in words:
            if len(word.encode("utf-8", "replace")) > _MOST_ARGUMENT:
                raise ArgumentTooLongError(
                    f"an argument of the command has more than {_MOST_ARGUMENT} bytes; give the "
                    "agent {instruction_file} instead of {instruction}"
                )
        return f"/usr/bin/env -- {shlex.join(words)}"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a start ended: the exit code (None: none is known), in words, and its calls.

    `made` is how many answers the model gave to it, `failed` how its newest call failed, if it did.
    One that is `lost` has not ended by itself: the sandbox that it ran in is gone.
    """

    code: int | None
    note: str
    made: int
    failed: ModelError | None
    lost: bool = False


def instruction_file(number: int) -> str:
    """Where the text of a start lies inside the sandbox."""
    return f"{FOLDER}/instruction-{number}.md"


def filled_in(command: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """A harness's command with its slots filled in, but for `{instruction}`."""
    return tuple(_filled(word, values) for word in command)


def _filled(word: str, values: Mapping[str, str]) -> str:
    """One pass from left to right: what is filled in is not looked at again."""
    done, rest = "", word
    while rest:
        at, slot = min(
            ((rest.find(f"{{{s}}}"), s) for s in COMMAND_SLOTS if f"{{{s}}}" in rest),
            default=(-1, ""),
        )
        if at < 0:
            break
        end = at + len(slot) + 2
        shell = rest[:at].endswith("$")
        done += rest[:at] + (rest[at:end] if shell else values.get(slot, rest[at:end]))
        rest = rest[end:]
    return done + rest


def newest_start(entries: Sequence[Entry]) -> Entry | None:
    """The entry of the newest start, if there was one."""
    return next((e for e in reversed(entries) if e.get("about") == "start"), None)


def exit_of(entries: Sequence[Entry], number: int) -> Entry | None:
    """The entry that says how a start ended; None while it has not."""
    return next(
        (e for e in reversed(entries) if e.get("about") == "exit" and e["start"] == number), None
    )
