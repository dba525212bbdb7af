"""What a session does: its clock, its model turns and its tool calls."""

from __future__ import annotations

from engine.clock import ClockCause, ClockState
from engine.events.body import Body, CompactedBecause, CompactedHow
from engine.usage import Usage


class ClockMoved(Body, frozen=True, kw_only=True, tag="clock.moved"):
    """The session's clock changed state, because of `cause` and, in words, `reason`.

    `moment` (boottime) may lie before the event's stamp, and in the boot `moment_boot` if given.
    """

    to: ClockState
    reason: str = ""
    moment: float
    cause: ClockCause = ""
    moment_boot: str = ""


class ActivityChanged(Body, frozen=True, kw_only=True, tag="activity.changed"):
    """What the session is doing, in words ("generating", "bash make bench")."""

    activity: str


class TurnStarted(Body, frozen=True, kw_only=True, tag="turn.started"):
    """A model turn went out."""

    turn: int


class TurnFinished(Body, frozen=True, kw_only=True, tag="turn.finished"):
    """A model turn came back whole."""

    turn: int
    usage: Usage
    seconds: float
    stop_reason: str = ""


class TurnFailed(Body, frozen=True, kw_only=True, tag="turn.failed"):
    """A model turn ended without an answer; `usage` is what it cost all the same, as far as known.

    `cause` is short, `detail` what the provider said; it is tried again if `model.retried` follows.
    """

    turn: int
    cause: str
    detail: str = ""
    usage: Usage = Usage()


class TurnAbandoned(Body, frozen=True, kw_only=True, tag="turn.abandoned"):
    """A model turn that had gone out was given up; the provider may charge for it all the same.

    `usage` is what the provider had reported by then.
    """

    turn: int
    why: str
    usage: Usage = Usage()


class ModelRetried(Body, frozen=True, kw_only=True, tag="model.retried"):
    """A model call failed and is tried again after `wait` seconds."""

    attempt: int
    cause: str
    wait: float
    detail: str = ""


class ModelPaced(Body, frozen=True, kw_only=True, tag="model.paced"):
    """From now on `limit` calls at once go to the provider's account, because of `cause`."""

    provider: str
    limit: int
    cause: str


class ContextCompacted(Body, frozen=True, kw_only=True, tag="context.compacted"):
    """Transcript entry `entry` took the place of what was said before it, from the task on.

    `because` the provider refused the conversation, or its harness's limit was reached. Sizes are
    the conversation's characters; `turns` were asked for notes, and are turns like any other.
    """

    entry: int
    how: CompactedHow
    because: CompactedBecause
    before: int
    after: int
    turns: int = 0

    @property
    def in_words(self) -> str:
        """What happened, for a person."""
        what = "notes of its own" if self.how == "summary" else "its record without old output"
        why = "it no longer fitted" if self.because == "overflow" else "its limit was reached"
        return (
            f"the conversation of {self.before:,} characters became {what} ({self.after:,}): {why}"
        )


class ToolStarted(Body, frozen=True, kw_only=True, tag="tool.started"):
    """A tool call began in the sandbox."""

    call: str
    tool: str
    summary: str


class ToolFinished(Body, frozen=True, kw_only=True, tag="tool.finished"):
    """A tool call ended. `code` is null when it was cut off."""

    call: str
    tool: str
    code: int | None
    seconds: float


class TranscriptGrew(Body, frozen=True, kw_only=True, tag="transcript.grew"):
    """The transcript file now has `entries` lines; the new ones are bytes [start, end)."""

    start: int
    end: int
    entries: int
