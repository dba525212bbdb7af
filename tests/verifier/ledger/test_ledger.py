"""The ledger: whole after whatever happens to its writers, and never whole after a change."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.ledger import keys
from verifier.ledger.audit import Audit, audit
from verifier.ledger.entries import Where, encode, hash_of, parse, signed_bytes
from verifier.ledger.keys import LedgerError
from verifier.ledger.ledger import Ledger, Record
from verifier.verdict import Metric, Seal, Verdict

ROOT = Path(__file__).resolve().parents[3]
WRITER = """
import resource, signal, sys
from pathlib import Path
from tests.verifier.ledger.test_ledger import record
from verifier.ledger.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    ledger.append([record(f"{sys.argv[2]}-{number}")])
    print(number, flush=True)
"""


def record(name: str, reason: str = "fine") -> Record:
    verdict = Verdict(
        id=name,
        session="a-01",
        task="t",
        task_hash="h" * 64,
        snapshot="s" * 64,
        stage="checkpoint",
        metric=Metric("runtime", 0.125, "s", "lower", (0.125, 0.25)),
        reward=0.5,
        status="scored",
        seal=Seal("full", "driver", True),
        reason=reason,
        seconds=1.5,
        at="2026-01-01T00:00:00.000Z",
    )
    return Record(verdict, Where(1.0, 2.5, 300, 4, None))


def audited(ledger: Ledger) -> Audit:
    return audit(ledger.lines(), ledger.head())


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger")
    made.open()
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Eight entries, a change of key among them."""
    made = Ledger(tmp_path_factory.mktemp("whole") / "ledger")
    made.append([record("v1", 'é\n"\u2028'), record("v2")])
    made.rotate(lost=False)
    made.append([record("v3")])
    made.append([record("v4"), record("v5"), record("v6")])
    assert audited(made).problems == []
    return made


def test_what_is_appended_is_given_back_with_its_place(ledger: Ledger) -> None:
    [first] = ledger.append([record("v1")])
    [second] = ledger.append([record("v2")])
    assert second.verdict.previous_hash == first.verdict.hash == first.hash
    assert first.content.where == record("v1").where
    found = audited(ledger)
    assert (found.problems, found.verdicts, found.head) == ([], 2, second.hash)
    assert [e.verdict for e in found.entries[1:]] == [first.verdict, second.verdict]


def test_files_are_the_owners_alone(ledger: Ledger) -> None:
    assert ledger.folder.stat().st_mode & 0o777 == 0o700
    assert ledger.key_file.stat().st_mode & 0o777 == 0o600
    assert ledger.file.stat().st_mode & 0o777 == 0o600


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_byte_that_is_changed_is_found(written: Ledger, data: st.DataObject) -> None:
    whole = written.file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != whole[at]))
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    found = audit(changed.split(b"\n")[:-1], written.head())
    assert found.problems
    entry = found.problems[0].entry
    place = whole[:at].count(b"\n") + 1
    assert entry is None or entry in (place, place + 1)


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_any_entry_dropped_moved_or_doubled_is_found(written: Ledger, data: st.DataObject) -> None:
    lines = written.lines()
    one, other = data.draw(
        st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True)
    )
    match data.draw(st.sampled_from(("drop", "cut", "swap", "double", "move"))):
        case "drop":
            del lines[one]
        case "cut":
            del lines[one:]
        case "swap":
            lines[one], lines[other] = lines[other], lines[one]
        case "double":
            lines.insert(other, lines[one])
        case _:
            lines.insert(other, lines.pop(one))
    assert audit(lines, written.head()).problems


def test_the_first_wrong_entry_is_named_with_what_is_wrong(written: Ledger) -> None:
    lines = written.lines()
    changed = [*lines[:4], lines[4].replace(b'"reward":0.5', b'"reward":0.9'), *lines[5:]]
    assert audit(changed).problems[0].entry == 5
    assert "was changed" in audit(changed).problems[0].what
    assert "some were dropped" in audit([*lines[:4], *lines[5:]]).problems[0].what
    assert "once more" in audit([*lines[:4], lines[3], *lines[4:]]).problems[0].what
    assert audit(lines[:-2], written.head()).problems[0].what.startswith("2 entries at the end")


def test_an_entry_that_a_stranger_wrote_is_found(written: Ledger, tmp_path: Path) -> None:
    lines = written.lines()
    entry = parse(lines[5])
    held = {**(entry.content.verdict or {}), "reward": 1.0}
    data = encode(msgspec.structs.replace(entry.content, verdict=held))
    stranger = keys.make(tmp_path / "key.pem")
    signed = stranger.sign(signed_bytes(hash_of(data)))
    forged = b"%s %s %s" % (hash_of(data).encode(), signed.encode(), data)
    problem = audit([*lines[:5], forged, *lines[6:]]).problems[0]
    assert (problem.entry, "its signature is wrong" in problem.what) == (6, True)


def test_a_signature_is_written_in_one_way_only(written: Ledger) -> None:
    hash_, signature, data = written.lines()[1].split(b" ", 2)
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = digits[digits.index(chr(signature[-3])) ^ 1]  # the same 64 bytes, in other words
    other = signature[:-3] + last.encode() + b"=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    line = b" ".join((hash_, other, data))
    assert audit([written.lines()[0], line]).problems


def test_a_number_that_is_none_is_not_recorded(ledger: Ledger) -> None:
    bad = record("v1")
    bad = Record(msgspec.structs.replace(bad.verdict, reward=float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.append([bad])
    assert audited(ledger).verdicts == 0


def test_writers_at_the_same_time_make_one_chain(ledger: Ledger) -> None:
    processes = [writer(ledger.folder, name, 12) for name in "abc"]
    ledger.append([record("mine")])
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for process in processes:
        if process.stdout is not None:
            process.stdout.close()
    found = audited(ledger)
    assert (found.problems, found.verdicts) == ([], 37)


def test_a_killed_writer_loses_nothing_that_it_was_told_of(ledger: Ledger) -> None:
    process = writer(ledger.folder, "a", 100_000)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(3)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.read().splitlines()
    process.wait(30)
    process.stdout.close()
    ledger.append([record("after")])
    found = audited(ledger)
    assert found.problems == []
    assert found.verdicts - 1 >= len(told)


def test_half_a_line_is_cut_off_by_the_next_writer(ledger: Ledger) -> None:
    [first] = ledger.append([record("v1")])
    with ledger.file.open("ab") as file:
        file.write(first.line[:40])
    assert audited(ledger).verdicts == 1
    [second] = ledger.append([record("v2")])
    assert second.content.previous_hash == first.hash
    assert audited(ledger).problems == []


def test_a_verdict_that_came_as_far_as_the_disk_is_not_recorded_twice(ledger: Ledger) -> None:
    both = ledger.append([record("v1"), record("v2")])
    again = ledger.append([record("v1"), record("v2")])
    assert [entry.line for entry in again] == [entry.line for entry in both]
    assert audited(ledger).verdicts == 2


def test_a_full_disk_leaves_the_ledger_as_it_was(ledger: Ledger) -> None:
    ledger.append([record("v1")])
    before = ledger.file.read_bytes()
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from tests.verifier.ledger.test_ledger import record\n"
        "from verifier.ledger.ledger import Ledger\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100}, {len(before) + 100}))\n"
        "try: Ledger(Path(sys.argv[1])).append([record('v2')])\n"
        "except OSError as error: print(error.strerror)\n"
    )
    command = [sys.executable, "-c", script, str(ledger.folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert ledger.file.read_bytes() == before
    ledger.append([record("v2")])
    assert (audited(ledger).problems, audited(ledger).verdicts) == ([], 2)


def test_a_key_that_others_may_have_read_is_refused(ledger: Ledger) -> None:
    ledger.key_file.chmod(0o640)
    with pytest.raises(LedgerError, match=r"has mode 0640.*chmod 600"):
        ledger.append([record("v1")])
    ledger.key_file.chmod(0o600)
    ledger.append([record("v1")])


def test_a_key_that_is_gone_broken_or_anothers_is_named(ledger: Ledger, tmp_path: Path) -> None:
    kept = tmp_path / "kept.pem"
    ledger.key_file.rename(kept)
    for spoil, said in (
        (lambda: None, "is missing"),
        (lambda: ledger.key_file.write_text("no key"), "cannot be used"),
        (lambda: keys.make(ledger.key_file), "is not the key of the ledger"),
        (lambda: ledger.key_file.symlink_to(kept), "cannot be read"),
    ):
        ledger.key_file.unlink(missing_ok=True)
        spoil()
        if ledger.key_file.exists() and not ledger.key_file.is_symlink():
            ledger.key_file.chmod(0o600)
        with pytest.raises(LedgerError, match=said):
            ledger.append([record("v1")])
    assert audited(ledger).verdicts == 0


def test_a_ledger_with_a_damaged_end_is_not_written_on(ledger: Ledger) -> None:
    ledger.append([record("v1")])
    whole = ledger.file.read_bytes()
    ledger.file.write_bytes(whole[:-20] + b"x" + whole[-19:])
    with pytest.raises(LedgerError, match="damaged"):
        ledger.append([record("v2")])


def test_a_new_key_is_vouched_for_by_the_old_one(ledger: Ledger) -> None:
    ledger.append([record("v1")])
    first = audited(ledger).keys[0].fingerprint
    ledger.rotate(lost=False)
    ledger.append([record("v2")])
    found = audit(ledger.lines(), ledger.head(), key=first)
    assert (found.problems, len(found.keys)) == ([], 2)
    ledger.key_file.unlink()
    ledger.rotate(lost=True)
    ledger.append([record("v3")])
    assert audited(ledger).problems == []
    assert [span.lost for span in audited(ledger).keys] == [False, False, True]
    assert "none vouched" in audit(ledger.lines(), key=first).problems[0].what


def test_a_head_that_was_noted_is_asked_for(ledger: Ledger) -> None:
    [first] = ledger.append([record("v1")])
    ledger.append([record("v2")])
    assert audit(ledger.lines(), head=first.hash).problems == []
    shutil.rmtree(ledger.folder)
    ledger.append([record("v1"), record("v2")])  # all of it written anew, by its owner
    assert audited(ledger).problems == []
    assert "is not in it" in audit(ledger.lines(), head=first.hash).problems[0].what
