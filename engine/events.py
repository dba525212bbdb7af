"""Everything that can happen, as typed records.

The journal is a sequence of `Event`s: an envelope (who, when, in which order) around one body. On
the wire and in the journal an event is one flat JSON object,
`{"engine", "seq", "at", "boot", "stamp", "session", "type", ...}`. Whatever is not an event did not
happen. Bodies of types unknown to this version are kept as `Unknown`, never dropped.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from engine.clock import ClockCause, ClockState, PauseCause
from engine.money import Price
from verifier.gpus.device import Gpu, Want
from verifier.verdict import Anchors, Direction, Stage, Verdict

SessionPhase = Literal[
    "queued", "preparing", "running", "paused", "verifying", "finished", "failed"
]
Outcome = Literal[
    "infrastructure",
    "stopped_by_operator",
    "tampered",
    "context_exhausted",
    "refused",
    "no_valid_result",
    "gate_failed",
    "regressed",
    "premature_stop",
    "budget_exhausted",
    "ran_to_end",
    "converged",
    "ended",
]
CompactedHow = Literal["summary", "drop-tool-output"]
CompactedBecause = Literal["overflow", "limit"]
EndedBy = Literal["agent", "budget", "operator", "infrastructure", "context", "refusal"]
Counts = Literal["active", "wall"]
BUDGET_KEYS = ("active", "wall", "turns", "tokens", "cost", "gpu")


class Limit(msgspec.Struct, frozen=True):
    """One budget: the session is paused at `soft` and ended at `hard`."""

    hard: float | None = None
    soft: float | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens, turns and money; unknown cost is null, never 0.

    `input`, `cached` (read from a cache) and `cache_write` (written to one) add up to what was
    sent; `reasoning` is a part of `output`. `cost` is what is known to have been spent: the whole
    only while `unpriced`, the calls whose cost is unknown or known in part, is 0. `stated` are the
    calls whose cost the server itself told.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    turns: int = 0
    cost: float | None = None
    cache_write: int = 0
    unpriced: int = 0
    stated: int = 0

    def __add__(self, other: Usage) -> Usage:
        costs = [c for c in (self.cost, other.cost) if c is not None]
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.turns + other.turns,
            sum(costs) if costs else None,
            self.cache_write + other.cache_write,
            self._unpriced() + other._unpriced(),
            self.stated + other.stated,
        )

    def _unpriced(self) -> int:
        """Journals before this field say of a call without a price no more than `cost` null."""
        silent = self.cost is None and (self.turns > 0 or self.tokens > 0)
        return 1 if silent and not self.unpriced else self.unpriced

    @property
    def sent(self) -> int:
        """All tokens of the requests."""
        return self.input + self.cached + self.cache_write

    @property
    def tokens(self) -> int:
        """All tokens that count against a token budget."""
        return self.sent + self.output


class Body(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True, gc=False
):
    """What happened; the tag is the event's type."""


class EngineStarted(Body, frozen=True, kw_only=True, tag="engine.started"):
    """A daemon took the state directory."""

    version: str
    pid: int
    host: str = ""


class EngineStopped(Body, frozen=True, kw_only=True, tag="engine.stopped"):
    """The daemon ended in good order."""

    reason: str = ""


class RunCreated(Body, frozen=True, kw_only=True, tag="run.created"):
    """Tasks x models x attempts were launched together. `spec` is what the operator asked.

    `budget` is for all of its sessions together.
    """

    run: str
    sessions: tuple[str, ...]
    spec: dict[str, Any]
    budget: dict[str, Limit] = {}


class SessionCreated(Body, frozen=True, kw_only=True, tag="session.created"):
    """One model (or scripted agent), one task, one sandbox to come.

    `reference_reward` is a horizontal line of its plot; `metric_*` name what the verifier measures.
    `counts` is the clock that the task's own time limit is held against. `price` is what its
    model's tokens cost for the session's whole life, null where that is unknown. `anchors` are what
    all its verdicts are scored by; null, in older journals, is the task's own. `timed_by` "task" is
    a foreign task, judged by its own test.sh. `want` are the GPUs that it needs.
    """

    run: str
    task: str
    task_path: str
    task_hash: str
    domain: str
    model: str | None
    agent: str
    harness: str
    harness_hash: str
    attempt: int
    budget: dict[str, Limit]
    metric_name: str = ""
    metric_unit: str = ""
    metric_direction: Direction = "lower"
    reference_reward: float = 0.5
    counts: Counts = "active"
    price: Price | None = None
    anchors: Anchors | None = None
    timed_by: Literal["driver", "task"] = "driver"
    want: Want = Want()


class SessionMoved(Body, frozen=True, kw_only=True, tag="session.moved"):
    """The session entered another phase."""

    state: SessionPhase
    reason: str = ""


class SessionPaused(Body, frozen=True, kw_only=True, tag="session.paused"):
    """From now on it may not work, because of `cause` and, in words, `why`.

    A model turn in flight may finish first, unless `now`. At Unix time `until` the pause ends by
    itself. `limit` is the budget (of the session or its run, as `scope` says) whose soft limit was
    reached. With `release` its processes are asked to end, and its GPUs are given back.
    """

    cause: PauseCause
    why: str = ""
    by: str = "engine"
    now: bool = False
    until: float | None = None
    limit: str = ""
    scope: Literal["session", "run"] = "session"
    release: bool = False


class SessionResumed(Body, frozen=True, kw_only=True, tag="session.resumed"):
    """It may work again."""

    by: str
    why: str = ""


class StopAsked(Body, frozen=True, kw_only=True, tag="stop.asked"):
    """It shall end in good order and be scored."""

    by: str
    why: str = ""


class BudgetChanged(Body, frozen=True, kw_only=True, tag="budget.changed"):
    """The whole budget from now on: the session's, or that of `run` where no session is named."""

    budget: dict[str, Limit]
    by: str
    why: str = ""
    run: str = ""


class MessageLeft(Body, frozen=True, kw_only=True, tag="message.left"):
    """Something to say to the model before its next turn; an operator's makes it assisted."""

    text: str
    by: str
    origin: Literal["operator", "engine"] = "operator"


class MessageTold(Body, frozen=True, kw_only=True, tag="message.told"):
    """The message that event number `message` left stands in the conversation."""

    message: int


class SessionRebuilt(Body, frozen=True, kw_only=True, tag="session.rebuilt"):
    """Its sandbox was gone and was built anew: around the `workspace` as it lay on disk, or from
    the newest `snapshot`, or from the `task` where there was none. No process lived on."""

    source: Literal["workspace", "snapshot", "task"]
    why: str = ""
    snapshot: str = ""


class LeaseGranted(Body, frozen=True, kw_only=True, tag="lease.granted"):
    """These GPUs are the session's, alone or `shared` with others that share, until returned."""

    gpus: tuple[Gpu, ...]
    shared: bool = False


class LeaseReturned(Body, frozen=True, kw_only=True, tag="lease.returned"):
    """The session has no GPU any more, because of `why`."""

    why: str = ""


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


class SnapshotTaken(Body, frozen=True, kw_only=True, tag="snapshot.taken"):
    """The editable files changed and were stored under `snapshot` (sha256).

    `active`, `wall`, `tokens`, `turns` and `cost` say where the session stood.
    """

    snapshot: str
    files: tuple[str, ...]
    size: int
    active: float
    wall: float = 0.0
    tokens: int = 0
    turns: int = 0
    cost: float | None = None


class BaselineKept(Body, frozen=True, kw_only=True, tag="baseline.kept"):
    """The task's untouched editable files were stored under `snapshot` when the session began."""

    snapshot: str
    files: tuple[str, ...]
    size: int


class Intervened(Body, frozen=True, kw_only=True, tag="session.intervened"):
    """A person took part: `what` ("restore", "attach", ...), `by` whom and `why`, in their words.

    `snapshot` is what the files were set to. What the model hears of it is a `message.left`.
    """

    what: str
    by: str
    why: str = ""
    snapshot: str | None = None


class VerificationStarted(Body, frozen=True, kw_only=True, tag="verification.started"):
    """The verifier began to judge a snapshot."""

    snapshot: str
    stage: Stage


class VerdictGiven(Body, frozen=True, kw_only=True, tag="verdict.given"):
    """The verifier judged a snapshot that was taken at `active` seconds (`wall`, `tokens`, ...)."""

    verdict: Verdict
    active: float
    wall: float
    tokens: int = 0
    turns: int = 0
    cost: float | None = None


class VerdictRegraded(Body, frozen=True, kw_only=True, tag="verdict.regraded"):
    """The facts of an earlier verdict (its `regrade_of`) were graded anew, because of `why`."""

    verdict: Verdict
    by: str
    why: str


class VerdictReleased(Body, frozen=True, kw_only=True, tag="verdict.released"):
    """A person looked at a suspect verdict, `by` whom and `why`: its reward counts from now on."""

    verdict: str
    by: str
    why: str = ""


class SessionEnded(Body, frozen=True, kw_only=True, tag="session.ended"):
    """It is over: how, its class (see `engine.runs.outcomes`), and the evidence in words."""

    ended_by: EndedBy
    outcome: Outcome
    evidence: str
    final_reward: float | None


class AlertRaised(Body, frozen=True, kw_only=True, tag="alert.raised"):
    """Something needs the operator."""

    alert: str
    text: str


class AlertsAcknowledged(Body, frozen=True, kw_only=True, tag="alert.acknowledged"):
    """Somebody knows of these alerts; they stay until they are cleared, but ask no more."""

    alerts: tuple[str, ...]
    by: str


class AlertCleared(Body, frozen=True, kw_only=True, tag="alert.cleared"):
    """It no longer does."""

    alert: str


class GpuMinute(msgspec.Struct, frozen=True):
    """One GPU over a minute: least, mean and most; null where the driver does not tell.

    Percent, bytes, watts, degrees Celsius.
    """

    uuid: str
    utilization: tuple[float, float, float] | None = None
    memory: tuple[float, float, float] | None = None
    power: tuple[float, float, float] | None = None
    temperature: tuple[float, float, float] | None = None


class GpusSampled(Body, frozen=True, kw_only=True, tag="gpu.sampled"):
    """What the GPUs did in the last `seconds`."""

    seconds: float
    gpus: tuple[GpuMinute, ...]


class GpusNoted(Body, frozen=True, kw_only=True, tag="gpu.state"):
    """A GPU, or the driver (`device` "driver"), is in another state; "ok" is as it should be."""

    device: str
    name: str
    state: str


class Noted(Body, frozen=True, kw_only=True, tag="noted"):
    """A remark for the operator that changes nothing."""

    text: str


class Unknown(msgspec.Struct, frozen=True):
    """An event of a type this version does not know, kept as it came."""

    type: str
    data: dict[str, Any]


KnownBody = (
    EngineStarted
    | EngineStopped
    | RunCreated
    | SessionCreated
    | SessionMoved
    | SessionPaused
    | SessionResumed
    | SessionRebuilt
    | LeaseGranted
    | LeaseReturned
    | StopAsked
    | BudgetChanged
    | MessageLeft
    | MessageTold
    | ClockMoved
    | ActivityChanged
    | TurnStarted
    | TurnFinished
    | TurnFailed
    | TurnAbandoned
    | ModelRetried
    | ModelPaced
    | ContextCompacted
    | ToolStarted
    | ToolFinished
    | TranscriptGrew
    | SnapshotTaken
    | BaselineKept
    | Intervened
    | VerificationStarted
    | VerdictGiven
    | VerdictReleased
    | VerdictRegraded
    | SessionEnded
    | AlertRaised
    | AlertCleared
    | AlertsAcknowledged
    | Noted
    | GpusSampled
    | GpusNoted
)
AnyBody = KnownBody | Unknown


class Event(msgspec.Struct, frozen=True, gc=False):
    """One line of the journal. `at` is Unix time (display only); `stamp` is boottime in `boot`."""

    engine: str
    seq: int
    at: float
    boot: str
    stamp: float
    session: str | None
    body: AnyBody


class _Envelope(msgspec.Struct):
    engine: str
    seq: int
    at: str
    boot: str
    stamp: float
    session: str | None
    type: str


_body_decoder: msgspec.json.Decoder[KnownBody] = msgspec.json.Decoder(KnownBody)
_envelope_decoder = msgspec.json.Decoder(_Envelope)
_encoder = msgspec.json.Encoder()
_ENVELOPE = frozenset(_Envelope.__struct_fields__)
KNOWN_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in KnownBody.__args__)


def rfc3339(at: float) -> str:
    """Unix time as RFC 3339 in UTC, to the millisecond."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


def type_of(body: AnyBody) -> str:
    """The event's type, such as "verdict.given"."""
    return body.type if isinstance(body, Unknown) else str(body.__struct_config__.tag)


def encode_body(body: AnyBody) -> bytes:
    """The body alone as a JSON object with its `type`."""
    if isinstance(body, Unknown):
        return _encoder.encode({"type": body.type, **body.data})
    return _encoder.encode(body)


def encode(event: Event) -> bytes:
    """The flat JSON object that the journal, the stream and `--json` carry."""
    return flat(event, encode_body(event.body))


def flat(event: Event, body: bytes) -> bytes:
    """What `encode` gives, from the body that `encode_body` gave already."""
    head = _encoder.encode(
        {
            "engine": event.engine,
            "seq": event.seq,
            "at": rfc3339(event.at),
            "boot": event.boot,
            "stamp": event.stamp,
            "session": event.session,
        }
    )
    return head[:-1] + b"," + body[1:]


def decode(data: bytes | str) -> Event:
    """Read what `encode` wrote, by this version or another.

    Raises `msgspec.ValidationError` (a `ValueError`) naming the field that does not fit.
    """
    head = _envelope_decoder.decode(data)
    if head.type in KNOWN_TYPES:
        body: AnyBody = _body_decoder.decode(data)
    else:
        everything = msgspec.json.decode(data, type=dict[str, Any])
        body = Unknown(head.type, {k: v for k, v in everything.items() if k not in _ENVELOPE})
    at = datetime.fromisoformat(head.at).timestamp()
    return Event(head.engine, head.seq, at, head.boot, head.stamp, head.session, body)
