"""What happens when the state folder is full or damaged: said, held still, and nothing lost."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.clock import Clock
from engine.oversight.vitals import Sign, Vitals, read_sign
from engine.storage.disk import Disk
from engine.storage.transcripts import Transcript, TranscriptDamagedError
from tests.engine.session.test_pausing import by_answers, launch, order, until
from tests.engine.support import (
    ChatServer,
    EngineProcess,
    running_engine,
    tool_turn,
    wait_for,
)

TURNS = [
    tool_turn("bash", {"command": "echo 60 > answer.txt; sleep 1.5; echo slept"}),
    tool_turn("bash", {"command": "echo 20 > answer.txt"}),
    tool_turn("submit", {}),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes, which only root can mount."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


@pytest.mark.usefixtures("sandboxes")
def test_a_full_disk_holds_everybody_still_until_there_is_room(
    small_disk: Path, suite: Path
) -> None:
    with ChatServer(by_answers(TURNS)) as server, running_engine(small_disk / "state") as engine:
        session = launch(engine, suite, server)
        wait_for(lambda: engine.session(session).activity.startswith("bash echo 60"))
        fill = fill_up(small_disk)
        said = wait_for(lambda: engine.client.engine()["trouble"])
        assert "cannot be written" in said
        assert "make room" in said
        time.sleep(1.0)
        assert engine.client.status()["sessions"][0]["id"] == session  # reads go on
        fill.unlink()
        facts = engine.until_over(session).sessions[session]
        assert engine.client.engine()["trouble"] == ""
        kinds = [e["kind"] for e in engine.client.transcript(session)["entries"]]
        outputs = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "tool"]
    assert facts.final_reward == pytest.approx(0.8)
    assert facts.clocks.causes["storage"] > 0.5
    assert kinds == ["system", "user", *["assistant", "tool"] * 3]
    assert "slept\n[exit code 0" in outputs[0]


@pytest.mark.usefixtures("sandboxes")
def test_an_engine_can_be_ended_on_a_full_disk_and_the_next_one_goes_on(
    small_disk: Path, suite: Path
) -> None:
    with ChatServer(by_answers(TURNS)) as server, running_engine(small_disk / "state") as engine:
        session = launch(engine, suite, server)
        wait_for(lambda: engine.session(session).activity.startswith("bash echo 60"))
        fill = fill_up(small_disk)
        wait_for(lambda: engine.client.engine()["trouble"])
        engine.client.shutdown()
        fill.unlink()
        engine.restart()
        facts = engine.until_over(session).sessions[session]
        entries = engine.client.transcript(session)["entries"]
    assert facts.final_reward == pytest.approx(0.8)
    assert [e["kind"] for e in entries if e["kind"] != "user"] == [
        "system",
        *["assistant", "tool"] * 3,
    ]


def fill_up(folder: Path) -> Path:
    """Take every byte that is left; the file that has them."""
    fill = folder / "fill"
    with fill.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    return fill


@pytest.mark.usefixtures("sandboxes")
@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_a_damaged_transcript_waits_for_the_operator_and_goes_on_with_what_is_left(
    engine: EngineProcess, suite: Path, damage: str
) -> None:
    with ChatServer(by_answers(TURNS)) as server:
        session = launch(engine, suite, server)
        wait_for(lambda: engine.session(session).activity.startswith("bash echo 60"))
        engine.kill()
        path = engine.state_dir / "sessions" / session / "transcript.jsonl"
        whole = path.read_bytes()
        path.write_bytes(whole[:-9] if damage == "cut" else whole[:-9] + b"\0" * 9)
        engine.restart()
        facts = until(engine, session, "paused")
        assert facts.pause is not None
        assert facts.pause.cause == "damaged"
        assert "is damaged after 2 entries" in facts.pause.why
        order(engine, "resume", session)
        facts = engine.until_over(session).sessions[session]
        entries = engine.client.transcript(session)["entries"]
        kept = list(path.parent.glob("transcript.jsonl.damaged-*"))
    assert len(kept) == 1
    assert kept[0].read_bytes()[: len(whole) - 9] == whole[:-9]
    assert [e["n"] for e in entries] == list(range(len(entries)))
    assert facts.final_reward == pytest.approx(0.8)


async def test_writes_are_tried_again_while_the_disk_is_full_and_the_trouble_is_said() -> None:
    disk, failures = Disk(), [errno.ENOSPC, errno.EROFS]

    async def write() -> str:
        if failures:
            raise OSError(failures.pop(0), "cannot")
        return "written"

    kept = asyncio.create_task(disk.keep("the book", write))
    while not disk.trouble:  # noqa: ASYNC110 - it has no event, since threads read it
        await asyncio.sleep(0.01)
    assert disk.trouble == (
        "the book cannot be written (cannot); make room on its disk or mend its rights, and work "
        "goes on"
    )
    assert await kept == "written"
    assert disk.trouble == ""

    async def denied() -> str:
        raise PermissionError(errno.EACCES, "denied")

    with pytest.raises(PermissionError):
        await disk.keep("the book", denied)
    assert disk.trouble == ""


async def test_a_transcript_is_taken_up_whole_or_named_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "s" / "transcript.jsonl"
    grown: list[Any] = []

    first = Transcript.open(path, grown.append, Clock(), 0)
    await first.add({"kind": "user", "text": "é\u2028x"}, {"kind": "note", "text": "two"})
    size = grown[-1].end
    with path.open("ab") as file:
        file.write(b'{"never": "acknowledged"}\n')
    again = Transcript.open(path, grown.append, Clock(), size)
    assert again.entries == first.entries
    assert path.stat().st_size == size
    os.truncate(path, size - 3)
    with pytest.raises(TranscriptDamagedError, match=r"damaged after 1 entries \(\d+ of \d+ bytes"):
        Transcript.open(path, grown.append, Clock(), size)
    mended = Transcript.mend(path, grown.append, Clock(), size)
    assert mended.entries == first.entries[:1]
    assert (grown[-1].entries, grown[-1].end) == (1, path.stat().st_size)
    await mended.add({"kind": "note", "text": "three"})
    assert [e["n"] for e in mended.entries] == [0, 1]


def test_a_sign_of_life_is_the_last_one_and_damage_is_no_sign(tmp_path: Path) -> None:
    assert read_sign(tmp_path) is None
    vitals = Vitals(tmp_path)
    vitals.sign("boot", 123456.789)
    vitals.sign("boot", 7.25)
    assert read_sign(tmp_path) == Sign("boot", 7.25)
    vitals.close()
    (tmp_path / "alive").write_bytes(b"\0" * 100)
    assert read_sign(tmp_path) is None
    Vitals(tmp_path / "missing").sign("boot", 1.0)  # nothing breaks
