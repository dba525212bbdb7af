"""Making room in a conversation that no longer fits its model's context.

All that was said since the task gives way to one message: notes that the model itself writes
(`summary`), or the record of what was said without the older output (`drop-tool-output`). What
fits is not known beforehand, only what did not: each attempt is smaller than the last, and it is
over when a smaller one helps no more. Sizes are characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.agents import compaction_words as words
from engine.agents.bench import Bench
from engine.agents.conversation import conversation, weight
from engine.agents.record import (
    Part,
    first,
    newest,
    parts_of,
    shortened,
    text_of,
    without_output,
)
from engine.agents.toolbox import excerpt
from engine.entries import Entry
from engine.events import CompactedBecause, CompactedHow
from engine.models.types import ModelError

_RECORD_SHARE = 0.7  # of what did not fit, but for the task: the record for notes
_LEAST_RECORD = 1_000  # a model that cannot read this much of a record cannot go on either
_NOTES_SHARE, _NOTES_MOST = 0.25, 24_000  # of the record that fitted
_TOLD_SHARE = 0.1  # of the same, for what is repeated word for word
_STEPS_SHARE = 0.33  # of the same, for the newest steps as they were
_DROP_SHARE = 0.5  # of what did not fit, but for the task: where dropping output must lead
_HELPS = 0.9  # of the size before, above which a compaction was none


@dataclass(frozen=True, slots=True)
class Compaction:
    """What takes a conversation's place: `text`, in which entries from `recent` on are whole.

    `notes` are what the model wrote, in `turns` turns.
    """

    how: CompactedHow
    text: str
    recent: int
    notes: str = ""
    turns: int = 0


def is_due(bench: Bench) -> bool:
    """Whether the harness wants room to be made before the model is asked again.

    Its limit is compared with what the newest answer counted. Where a compaction leaves more than
    the limit, the next one waits until the conversation has doubled.
    """
    limit, entries = bench.harness.context_tokens, bench.entries
    if limit == 0 or bench.harness.context == "none":
        return False
    newest_first = reversed(entries)
    last = next((e for e in newest_first if e["kind"] in ("assistant", "summary")), None)
    if last is None or last["kind"] == "summary" or last.get("tokens", 0) < limit:
        return False
    before = next((e for e in newest_first if e["kind"] == "summary"), None)
    return before is None or weight(conversation(entries)) >= 2 * int(before["after"])


async def make_room(bench: Bench, because: CompactedBecause) -> bool:
    """Compact the conversation; False when that would not make it much smaller.

    Raises `ModelError` when notes are asked for and the model cannot be asked; of kind `context`
    when it cannot take the smallest record either.
    """
    entries = bench.entries
    before = weight(conversation(entries))
    # What stays in any case, and what can be made smaller.
    head = weight(conversation(entries[: _begin(entries)]))
    found = None
    if bench.harness.context == "drop-tool-output":
        found = _dropped(entries, before - head)
    if found is None or _after(entries, found) > _HELPS * before:
        found = await _noted(bench, before - head)
    after = _after(entries, found)
    if after > _HELPS * before:
        return False
    await bench.compact(because, before=before, after=after, **_fields(entries, found))
    return True


def _fields(entries: Sequence[Entry], found: Compaction) -> dict[str, Any]:
    """The entry, but for what the bench adds."""
    return {
        "how": found.how,
        "text": found.text,
        "notes": found.notes,
        "replaces": [_begin(entries), len(entries) - 1],
        "recent": found.recent,
        "turns": found.turns,
    }


def _after(entries: Sequence[Entry], found: Compaction) -> int:
    """How long the conversation would be."""
    return weight(conversation([*entries, {"kind": "summary", **_fields(entries, found)}]))


def _begin(entries: Sequence[Entry]) -> int:
    """The number of the first entry after the task."""
    return next((e["n"] for e in entries if e["kind"] == "user"), 0) + 1


def _since_notes(entries: Sequence[Entry]) -> tuple[str, Sequence[Entry]]:
    """The newest notes, and the entries that they say nothing of."""
    for entry in reversed(entries):
        if entry["kind"] == "summary" and entry["notes"]:
            return entry["notes"], entries[entry["recent"] :]
    return "", entries[_begin(entries) :]


def _dropped(entries: Sequence[Entry], size: int) -> Compaction | None:
    """The record without older output; None where that is not enough."""
    notes, since = _since_notes(entries)
    limit = int(_DROP_SHARE * size) - len(notes)
    record = without_output(parts_of(since), limit)
    if not record:
        return None
    recent = record[0].entry
    said = words.from_record(text_of(record))
    if notes:
        said = words.from_notes(notes, _told(entries[:recent], limit), text_of(record))
    return Compaction("drop-tool-output", said, recent, notes)


async def _noted(bench: Bench, size: int) -> Compaction:
    """Notes of the model's own, its newest steps, and what it was told from outside."""
    entries = bench.entries
    notes, since = _since_notes(entries)
    limit = max(_LEAST_RECORD, int(_RECORD_SHARE * size))
    writing = _Writing(bench, notes, limit)
    try:
        await writing.over(parts_of(since, thoughts=True))
    except ModelError as error:
        if error.kind != "refusal":
            raise  # else what notes there are must do, with the newest steps
    steps = newest(parts_of(since), int(_STEPS_SHARE * writing.limit))
    recent = steps[0].entry if steps else len(entries)
    told = _told(entries[:recent], writing.limit)
    if writing.notes:
        said = words.from_notes(writing.notes, told, text_of(steps))
    else:
        said = words.from_steps(told, text_of(steps))
    return Compaction("summary", said, recent, writing.notes, writing.turns)


def _told(forgotten: Sequence[Entry], limit: int) -> str:
    """What a model must not learn from its own notes: what the operator said, the last verdict."""
    kept: list[str] = []
    abouts = {"operator", "feedback"}
    for entry in reversed(forgotten):
        if entry.get("about") in abouts:
            kept.insert(0, entry["text"])
            abouts.discard("feedback")  # an older one says nothing that the last does not
    return excerpt("\n".join(kept), int(_TOLD_SHARE * limit))


class _Writing:
    """Notes in the making, on as much of a record at a time as fits.

    `limit` is what is tried with record and older notes together; it ends as what fitted.
    """

    def __init__(self, bench: Bench, notes: str, limit: int) -> None:
        self._bench = bench
        self._task = next((e["text"] for e in bench.entries if e["kind"] == "user"), "")
        self.notes = excerpt(notes, limit // 2)
        self.limit = limit
        self.turns = 0

    async def over(self, parts: Sequence[Part]) -> None:
        """Have notes written on these parts. Raises `ModelError`."""
        left = list(parts)
        while left:
            room = self.limit - len(self.notes)
            piece, rest = first(shortened(left, room), room)
            chars = min(_NOTES_MOST, int(_NOTES_SHARE * self.limit))
            asked = words.notes_request(self._task, self.notes, text_of(piece), bool(rest), chars)
            try:
                turn = await self._bench.consult(asked)
            except ModelError as error:
                if error.kind != "context" or self.limit <= _LEAST_RECORD:
                    raise
                self.limit = max(_LEAST_RECORD, self.limit // 2)
                self.notes = excerpt(self.notes, self.limit // 2)
                continue
            self.turns += 1
            if turn.stop == "refusal":
                raise ModelError("refusal", "the model would not write notes", turn.text)
            self.notes = excerpt(turn.text.strip(), chars) or self.notes
            left = left[len(left) - len(rest) :]
