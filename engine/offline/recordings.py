"""A run as it was at any moment of it: its events, and the state folded up to a time.

Needs no engine. A run that goes on can be looked at as well, up to the event that was last when it
was opened.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from engine.events import (
    EngineStarted,
    Event,
    GpusNoted,
    GpusSampled,
    RunCreated,
    RunRemoved,
    TurnFinished,
    Usage,
    VerdictGiven,
)
from engine.gpu.leases import holders
from engine.gpu.recorded import recorded
from engine.journal import JournalError, legible, of_run, read_run, read_runs
from engine.offline import Tell, before_damage
from engine.offline.snapshots import OfflineError
from engine.paths import journal_file
from engine.state import State, reduce
from engine.storage.transcripts import TranscriptReader, transcript_path
from tasks.nearest import hint

_EVERY = 2000  # events between two states that are kept


def _meant(events: Iterable[Event], glob: str) -> RunCreated:
    """How the newest run that a glob means was created. Raises `OfflineError`."""
    known: dict[str, RunCreated] = {}
    for event in events:
        if isinstance(event.body, RunCreated):
            known[event.body.run] = event.body
        elif isinstance(event.body, RunRemoved):
            known.pop(event.body.run, None)
    runs = [body for name, body in known.items() if fnmatchcase(name, glob)]
    if not runs:
        raise OfflineError(
            f"no run matches {glob!r}; "
            + hint(glob, known, "`autolab runs list` names those there are")
        )
    return runs[-1]


class Recording:
    """One run. Times are Unix times, in order of the events; the last moment is `end`.

    Opening it reads the whole run once. `at` folds at most a few thousand events, whichever way
    one goes.
    """

    def __init__(self, state: Path, run: str, events: Sequence[Event]) -> None:
        self.run = run
        self._folder = state
        self._events = events
        # Wall clocks can be set back; a recording's own time never is.
        self._times: list[float] = []
        for event in events:
            self._times.append(max(event.at, self._times[-1] if self._times else event.at))
        self._kept: list[bytes] = []
        folded = State()
        encoder = msgspec.json.Encoder()
        for number, event in enumerate(events):
            if number % _EVERY == 0:
                self._kept.append(encoder.encode(folded))
            reduce(folded, event)
        self._decoder = msgspec.json.Decoder(State)
        self._readers: dict[str, TranscriptReader] = {}
        self._cached: tuple[int, State] | None = None
        self._gpus = [
            (at, event.body)
            for at, event in zip(self._times, events, strict=True)
            if isinstance(event.body, (GpusSampled, GpusNoted, EngineStarted))
        ]

    @classmethod
    def open(cls, state: Path, glob: str, tell: Tell | None = None) -> Recording:
        """The run that a glob means; of several the newest. Raises `OfflineError`.

        Of a damaged journal it is what stands before the damage, of which `tell` is told; without
        that, or where nothing can be read, `engine.journal.JournalError` is raised.
        """
        journal = journal_file(state)
        if not journal.is_file():
            raise OfflineError(f"there is no journal in {state}; name another with --state DIR")
        try:
            chosen = _meant(read_runs(journal), glob)
            return cls(state, chosen.run, list(read_run(journal, chosen.run, chosen.sessions)))
        except JournalError as error:
            whole = list(legible(journal)) if tell is not None else []
            if tell is None or not whole:
                raise
            chosen = _meant(whole, glob)
            tell(before_damage(error, whole[-1]))
            return cls(state, chosen.run, list(of_run(whole, chosen.run, chosen.sessions)))

    @property
    def start(self) -> float:
        """When it began."""
        return self._times[0] if self._times else 0.0

    @property
    def end(self) -> float:
        """When its last event was."""
        return self._times[-1] if self._times else 0.0

    @property
    def verdicts(self) -> list[float]:
        """When each verdict was given."""
        pairs = zip(self._times, self._events, strict=True)
        return [at for at, event in pairs if isinstance(event.body, VerdictGiven)]

    def at(self, time: float) -> State:
        """The state at a time. It is the caller's until the next call, which may go on from it."""
        until = bisect_right(self._times, time)
        begin = until // _EVERY
        if begin >= len(self._kept):
            begin = len(self._kept) - 1
        number, folded = begin * _EVERY, None
        if self._cached is not None and number <= self._cached[0] <= until:
            number, folded = self._cached
        if folded is None:
            folded = self._decoder.decode(self._kept[begin]) if self._kept else State()
        for event in self._events[number:until]:
            reduce(folded, event)
        self._cached = (until, folded)
        return folded

    def boottime(self, time: float) -> tuple[str, float]:
        """The engine's boot and boottime at a time, as its newest event had them."""
        number = bisect_right(self._times, time) - 1
        if number < 0:
            return "", 0.0
        event = self._events[number]
        return event.boot, event.stamp + max(0.0, time - self._times[number])

    def transcript(self, session: str, after: int, limit: int, size: int) -> list[dict[str, Any]]:
        """Up to `limit` entries from number `after` on, of the first `size` bytes."""
        reader = self._readers.get(session)
        if reader is None:
            path = transcript_path(self._folder, session)
            reader = self._readers[session] = TranscriptReader(path)
        return reader.read(after, limit, size)

    def turns(self, session: str) -> dict[int, Usage]:
        """What each whole turn of a session's model used, by its number."""
        bodies = (event.body for event in self._events if event.session == session)
        return {body.turn: body.usage for body in bodies if isinstance(body, TurnFinished)}

    def gpus(self, time: float, seconds: float, state: State) -> dict[str, Any]:
        """What the GPUs did at a time and in the `seconds` before, as an engine tells it.

        `state` is that of the time, and says who had which: of this run (`run`), since what others
        had is not in its recording.
        """
        leases = holders((s.id, s.lease) for s in tuple(state.sessions.values()))
        until = bisect_right(self._gpus, time, key=itemgetter(0))
        reading, history = recorded(self._gpus[:until], time, seconds, leases)
        return {"reading": msgspec.to_builtins(reading), "history": history, "run": self.run}

    def verdicts_of(self, session: str, time: float) -> list[dict[str, Any]]:
        """Every verdict of a session up to a time, whole."""
        until = bisect_right(self._times, time)
        return [
            msgspec.to_builtins(event.body.verdict)
            for event in self._events[:until]
            if event.session == session and isinstance(event.body, VerdictGiven)
        ]
