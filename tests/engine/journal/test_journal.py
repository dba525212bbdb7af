"""The journal: durable, gapless, and honest when it cannot write. Real SQLite files throughout."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import Clock
from engine.events import Noted, VerificationStarted
from engine.journal import Journal, JournalError, legible, read
from engine.journal.view import View
from tests.engine.support import wait_for


def texts(journal: Journal) -> list[str]:
    return [e.body.text for e in journal.events() if isinstance(e.body, Noted)]


def test_what_was_appended_is_there_after_reopening(tmp_path: Path) -> None:
    clock = Clock(boot=lambda: "b", now=lambda: 12.5, wall=lambda: 1_700_000_000.123_456)
    journal = Journal(tmp_path / "j", clock)
    event = journal.append(Noted(text="hello"), "s1").result(5)
    journal.close()

    again = Journal(tmp_path / "j")
    assert list(again.events()) == [event]
    assert (event.engine, event.seq, event.session) == (again.engine, 1, "s1")
    assert (event.at, event.boot, event.stamp) == (1_700_000_000.123, "b", 12.5)
    assert again.append(Noted(text="more")).result(5).seq == 2
    again.close()


def test_numbers_have_no_gaps_under_many_threads(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")

    def write(name: int) -> None:
        for n in range(50):
            journal.append(Noted(text=f"{name}-{n}"), str(name))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    stored = list(Journal(tmp_path / "j").events())
    assert [e.seq for e in stored] == list(range(1, 401))
    for name in range(8):  # each thread's own order is kept
        mine = [e.body.text for e in stored if e.session == str(name)]
        assert mine == [f"{name}-{n}" for n in range(50)]


def test_subscribers_hear_only_what_is_on_disk_and_before_the_writer_does(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    heard: list[tuple[int, bool]] = []
    waiting = []

    def listen(events: object) -> None:
        on_disk = max(e.seq for e in journal.events())
        heard.extend((e.seq, e.seq <= on_disk and not waiting[0].done()) for e in events)

    assert journal.subscribe(listen) == 0
    journal_lock = journal.append(Noted(text="first"))
    waiting.append(journal_lock)
    journal_lock.result(5)
    journal.unsubscribe(listen)
    journal.append(Noted(text="second")).result(5)
    journal.close()
    assert heard == [(1, True)]


def test_a_part_of_the_journal_and_of_one_session(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for n in range(5):
        journal.append(Noted(text=str(n)), f"s{n % 2}")
    journal.append(VerificationStarted(snapshot="x", stage="final"), "s1").result(5)
    assert [e.seq for e in journal.events(after=2, until=4)] == [3, 4]
    assert [e.seq for e in journal.of_session("s1", "noted")] == [2, 4]
    assert [e.seq for e in journal.of_session("s1", "verification.started")] == [6]
    journal.close()


def plan_of(path: Path, kind: str) -> str:
    """How SQLite looks for a session's events of a type: the plan of the query that is sent."""
    asked: list[str] = []
    real = sqlite3.connect

    class Watched(sqlite3.Connection):
        def execute(self, query: str, *values: object) -> sqlite3.Cursor:  # type: ignore[override]
            asked.append(query)
            return super().execute(query, *values)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=Watched))
        journal = Journal(path)
        list(journal.of_session("s1", kind))
        journal.close()
    with closing(real(path)) as db:
        rows = db.execute(f"EXPLAIN QUERY PLAN {asked[-1]}", ("s1", kind)).fetchall()
    return " ".join(str(row[-1]) for row in rows)


def test_what_is_asked_by_session_is_found_by_an_index(tmp_path: Path) -> None:
    for kind in ("verdict.given", "snapshot.taken", "session.moved"):
        assert "USING INDEX rare_events_by_session" in plan_of(tmp_path / "j", kind)
    assert "INDEX" not in plan_of(tmp_path / "j", "tool.started")


def test_the_index_of_an_older_journal_is_replaced(tmp_path: Path) -> None:
    Journal(tmp_path / "j").close()
    with closing(sqlite3.connect(tmp_path / "j")) as db, db:
        db.execute("DROP INDEX rare_events_by_session")
        db.execute("CREATE INDEX events_by_session ON events (session, type, seq)")
    journal = Journal(tmp_path / "j")
    journal.append(VerificationStarted(snapshot="x", stage="final"), "s1").result(5)
    assert [e.seq for e in journal.of_session("s1", "verification.started")] == [1]
    journal.close()
    with closing(sqlite3.connect(tmp_path / "j")) as db:
        names = [
            row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE sql LIKE '%INDEX%'")
        ]
    assert names == ["rare_events_by_session"]


async def test_what_is_recorded_is_durable_and_folded_and_wakes_the_loop_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    journal = Journal(tmp_path / "j")
    view = View(journal, loop)
    wakes: list[object] = []
    plain = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *values: object) -> object:
        wakes.append(callback)
        return plain(callback, *values)

    with journal._lock:  # the writer cannot commit before all have come
        view.note(Noted(text="nobody waits"))
        records = [view.record(Noted(text=str(n))) for n in range(100)]
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    numbers = [event.seq for event in await asyncio.gather(*records)]
    assert numbers == list(range(2, 102))  # after the one that was noted before them
    assert view.state.seq == 101
    assert [e.seq for e in journal.events()] == list(range(1, 102))
    assert len(wakes) < 10
    view.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        await view.record(Noted(text="late"))


WRITER = """
import sys
from pathlib import Path
from engine.events import Noted
from engine.journal import Journal
journal = Journal(Path(sys.argv[1]))
n = 0
while True:
    for future in [journal.append(Noted(text=str(n + i))) for i in range(7)]:
        print(future.result().seq, flush=True)
    n += 7
"""


def test_every_acknowledged_event_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "j"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = 0
    while acknowledged < 150:
        acknowledged = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split()
    acknowledged = max([acknowledged, *map(int, rest[:-1])])
    writer.wait()
    writer.stdout.close()

    journal = Journal(path)
    stored = list(journal.events())
    assert len(stored) >= acknowledged
    assert [e.seq for e in stored] == list(range(1, len(stored) + 1))
    assert texts(journal) == [str(n) for n in range(len(stored))]
    assert journal.append(Noted(text="on")).result(5).seq == len(stored) + 1
    journal.close()


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_a_torn_tail_costs_only_what_was_torn(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "j"
    script = WRITER.replace("while True:", "while n < 70:") + "\nimport os; os._exit(0)"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True)
    wal = path.with_name("j-wal")
    size = wal.stat().st_size
    assert size > 0
    with wal.open("r+b") as file:
        if damage == "garbage":
            file.seek(size)
            file.write(os.urandom(3000))
        else:
            file.truncate(size - 1000)
    journal = Journal(path)
    found = [e.seq for e in journal.events()]
    assert found == list(range(1, len(found) + 1))
    assert len(found) == 70 if damage == "garbage" else 0 < len(found) < 70
    assert journal.append(Noted(text="on")).result(5).seq == len(found) + 1
    journal.close()


FULL = """
import resource, sys, time
from pathlib import Path
from engine.events import Noted
from engine.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.append(Noted(text="before")).result()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
wal = Path(sys.argv[1] + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (wal + 20000, hard))
futures = [journal.append(Noted(text=str(n) * 3000)) for n in range(9)]
while not journal.trouble:
    time.sleep(0.01)
print(journal.trouble)
print(sum(f.done() for f in futures) < 9)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print([f.result(20).seq for f in futures], repr(journal.trouble))
journal.close()
"""


def test_a_full_disk_makes_it_wait_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j"
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], check=True, capture_output=True, text=True
    )
    trouble, waited, numbers = run.stdout.splitlines()
    assert str(path) in trouble
    assert "make room" in trouble
    assert waited == "True"
    assert numbers == f"{list(range(2, 11))} ''"
    assert [e.seq for e in Journal(path).events()] == list(range(1, 11))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)  # the limit was the child's alone


def test_a_journal_closed_in_trouble_fails_its_writers(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(Noted(text="before")).result(5)
    blocker = sqlite3.connect(tmp_path / "j", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")  # nobody else can write now
    future = journal.append(Noted(text="lost"))
    wait_for(lambda: journal.trouble, 20)
    journal.close()
    with pytest.raises(JournalError, match="cannot be written"):
        future.result(1)
    with pytest.raises(JournalError, match="is closed"):
        journal.append(Noted(text="late")).result(1)
    blocker.close()


async def test_a_waiter_may_be_cancelled_and_the_event_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    waiting = asyncio.wrap_future(journal.append(Noted(text="kept")))
    waiting.cancel()
    await asyncio.wrap_future(journal.append(Noted(text="next")))
    assert texts(journal) == ["kept", "next"]
    journal.close()


def test_what_cannot_be_json_raises_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(ValueError, match="surrogates"):
        journal.append(Noted(text="\ud800"))
    assert journal.append(Noted(text="fine")).result(5).seq == 1
    journal.close()


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"this is no database, but it is long enough to be one" * 30)
    with pytest.raises(JournalError, match="cannot open the journal"):
        Journal(tmp_path / "j")


def test_an_event_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for _ in range(3):
        journal.append(Noted(text="x")).result(10)
    journal.close()
    with closing(sqlite3.connect(tmp_path / "j")) as db, db:
        db.execute("UPDATE events SET data = '{\"bro' WHERE seq = 2")
    with pytest.raises(JournalError, match=r"event 2 of the journal .*another folder"):
        list(read(tmp_path / "j"))
    journal = Journal(tmp_path / "j")
    with pytest.raises(JournalError, match="event 2 of the journal"):
        list(journal.events())
    journal.close()


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j").close()
    with sqlite3.connect(tmp_path / "j") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match=r"format 99, this one reads 1.*--state"):
        Journal(tmp_path / "j")
    with pytest.raises(JournalError, match="format 99, this one reads 1"):
        list(read(tmp_path / "j"))  # without an engine, too


def test_a_journal_with_a_hole_is_refused_in_words(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for number in range(300):
        last = journal.append(Noted(text=f"{number} " * 40))
    last.result(10)
    journal.close()
    size = (tmp_path / "j").stat().st_size
    with (tmp_path / "j").open("r+b") as file:
        file.seek(size // 8192 * 4096)
        file.write(bytes(16384))
    journal = Journal(tmp_path / "j")
    with pytest.raises(JournalError, match=r"cannot read the journal .* restore it"):
        list(journal.events())
    journal.close()


def test_the_engines_identity_stays(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j")
    first.close()
    second = Journal(tmp_path / "j")
    assert second.engine == first.engine
    second.close()
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["cut", "zeroed", "record", "missing"])
def test_what_stands_before_the_damage_can_be_read(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = Journal(path)
    for number in range(400):
        last = journal.append(Noted(text=f"{number} {'x' * 200}"))
    last.result()
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if damage == "record":
            db.execute("UPDATE events SET data = substr(data, 1, 40) WHERE seq = 300")
        elif damage == "missing":
            db.execute("DELETE FROM events WHERE seq = 300")
        db.commit()
    whole = path.read_bytes()
    half = len(whole) // 2
    if damage == "cut":
        path.write_bytes(whole[: half + 77])
    elif damage == "zeroed":
        path.write_bytes(whole[:half] + bytes(8192) + whole[half + 8192 :])
    if damage != "missing":
        with pytest.raises(JournalError):
            list(read(path))
    told = [event.body.text.split()[0] for event in legible(path)]
    assert 50 < len(told) < 400
    assert told == [str(number) for number in range(len(told))]


def test_what_is_no_journal_has_nothing_to_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    for content in (b"hello\n" * 100, b"SQLite format 3\0"):
        path.write_bytes(content)
        with pytest.raises(JournalError, match="restore it from a copy"):
            list(legible(path))
