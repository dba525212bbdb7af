"""The envelope around what happened, and its JSON: written by this version, read from any."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from engine.events.gpus import GpusNoted, GpusSampled, LeaseGranted, LeaseReturned
from engine.events.interventions import (
    AlertCleared,
    AlertRaised,
    AlertsAcknowledged,
    BudgetChanged,
    Intervened,
    MessageLeft,
    MessageTold,
    SessionPaused,
    SessionResumed,
    StopAsked,
)
from engine.events.judging import (
    BaselineKept,
    SnapshotTaken,
    VerdictGiven,
    VerdictRegraded,
    VerdictReleased,
    VerificationAsked,
    VerificationDropped,
    VerificationStarted,
)
from engine.events.lives import (
    EngineStarted,
    EngineStopped,
    Noted,
    RunCreated,
    RunRemoved,
    SessionCreated,
    SessionEnded,
    SessionMoved,
    SessionRebuilt,
)
from engine.events.work import (
    ActivityChanged,
    ClockMoved,
    ContextCompacted,
    ModelPaced,
    ModelRetried,
    ToolFinished,
    ToolStarted,
    TranscriptGrew,
    TurnAbandoned,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)


class Unknown(msgspec.Struct, frozen=True):
    """An event of a type this version does not know, kept as it came."""

    type: str
    data: dict[str, Any]


KnownBody = (
    EngineStarted
    | EngineStopped
    | RunCreated
    | RunRemoved
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
    | VerificationAsked
    | VerificationDropped
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


_FIRST, _LAST = -62135596800.0, 253402300799.0  # the first and the last second of the calendar


def rfc3339(at: float) -> str:
    """Unix time as RFC 3339 in UTC, to the millisecond; years 1 to 9999, beyond them their ends."""
    stamp = datetime.fromtimestamp(min(max(at, _FIRST), _LAST), UTC).isoformat(
        timespec="milliseconds"
    )
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
