"""Transcripts read from the state folder, while no engine runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.offline import Tell, folded
from engine.paths import state_dir
from engine.state import State
from engine.storage.transcripts import TranscriptReader, transcript_path


class Transcripts:
    """What an engine would answer of the transcripts that the last one left.

    Raises as `folded` does.
    """

    def __init__(self, state: Path | None = None, tell: Tell | None = None) -> None:
        self._folder = state_dir(state)
        known = folded(state, tell)
        self._state = known[0] if known is not None else State()
        self._readers: dict[str, TranscriptReader] = {}

    def transcript(self, session: str, after: int = 0, limit: int = 200) -> dict[str, Any]:
        """Up to `limit` entries from number `after` on. Raises `KeyError` for no such session."""
        known = self._state.sessions[session]
        path = transcript_path(self._folder, known.id)
        reader = self._readers.setdefault(known.id, TranscriptReader(path))
        found = reader.read(after, limit, known.transcript_bytes)
        return {"entries": found, "next": after + len(found)}

    @property
    def sessions(self) -> list[str]:
        """The sessions that the journal knows."""
        return list(self._state.sessions)
