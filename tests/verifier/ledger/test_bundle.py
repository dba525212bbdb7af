"""A bundle of verdicts: checked offline, by us and by the script that it carries."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verifier.ledger.test_ledger import record
from verifier.ledger import bundle
from verifier.ledger.bundle import BundleError
from verifier.ledger.ledger import Ledger
from verifier.ledger.manifests import Manifests

Files = dict[str, bytes]


@pytest.fixture
def file(tmp_path: Path, task_dir: Path) -> Path:
    """The bundle of a ledger of three verdicts and one task, with a change of key."""
    ledger, kept = Ledger(tmp_path / "ledger"), Manifests(tmp_path / "tasks")
    task = kept.keep(task_dir)
    data = kept.data(task)
    assert data is not None
    ledger.append([record("v1"), record("v2")])
    ledger.rotate(lost=False)
    ledger.append([record("v3")])
    found = bundle.write(tmp_path / "all.tar.gz", ledger.lines(), {task: data})
    assert found.verdicts == 3
    return tmp_path / "all.tar.gz"


def unpacked(file: Path) -> Files:
    with tarfile.open(file) as tar:
        read = {each.name: tar.extractfile(each) for each in tar}
        return {name: data.read() for name, data in read.items() if data is not None}


def pack(file: Path, files: Files) -> Path:
    with tarfile.open(file, "w:gz") as tar:
        for name, data in files.items():
            facts = tarfile.TarInfo(name)
            facts.size = len(data)
            tar.addfile(facts, io.BytesIO(data))
    return file


def by_hand(folder: Path, files: Files) -> subprocess.CompletedProcess[str]:
    """The bundle's own check.py, without anything of AutoLab on its path."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    command = [sys.executable, "-I", "check.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _edit(files: Files) -> None:
    files["verdicts"] = files["verdicts"].replace(b'"reward":0.5', b'"reward":0.6', 1)


def _drop(files: Files) -> None:
    lines = files["verdicts"].split(b"\n")
    files["verdicts"] = b"\n".join(lines[:2] + lines[3:])


def _cut(files: Files) -> None:
    files["verdicts"] = b"\n".join(files["verdicts"].split(b"\n")[:-2]) + b"\n"


def _task(files: Files) -> None:
    [name] = [name for name in files if name.startswith("tasks/")]
    content = json.loads(files[name])
    content["files"]["tests/judge.py"] = "0" * 64
    files[name] = json.dumps(content).encode()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_bundle_is_whole_by_both_checks(file: Path, tmp_path: Path) -> None:
    found = bundle.read(file).audit()
    assert (found.problems, found.verdicts, len(found.keys)) == ([], 3, 2)
    done = by_hand(tmp_path / "out", unpacked(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert found.head is not None
    assert found.head in done.stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize("spoil", [_edit, _drop, _cut, _task])
def test_a_changed_bundle_is_not_whole_by_both_checks(
    file: Path, tmp_path: Path, spoil: Callable[[Files], None]
) -> None:
    files = unpacked(file)
    spoil(files)
    assert bundle.read(pack(tmp_path / "spoilt", files)).audit().problems
    done = by_hand(tmp_path / "out", files)
    assert (done.returncode, "NOT WHOLE" in done.stdout) == (3, True), done.stderr


def test_the_private_key_is_not_in_it(file: Path, tmp_path: Path) -> None:
    secret = (tmp_path / "ledger" / "key.pem").read_text().splitlines()[1]
    assert all(secret.encode() not in data for data in unpacked(file).values())


def test_what_is_no_bundle_is_refused_in_one_line(file: Path, tmp_path: Path) -> None:
    files = unpacked(file)
    cases = {
        "text": b"no archive",
        "empty": b"",
        "half": file.read_bytes()[:-200],
        "zeros": b"\x1f\x8b" + bytes(500),
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BundleError, match=name):
            bundle.read(tmp_path / name)
    without = {name: data for name, data in files.items() if name != "head.json"}
    with pytest.raises(BundleError, match=r"has no head\.json"):
        bundle.read(pack(tmp_path / "headless", without))
    with tarfile.open(tmp_path / "linked", "w:gz") as tar:
        link = tarfile.TarInfo("verdicts")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(BundleError, match="'verdicts' is not a file"):
        bundle.read(tmp_path / "linked")


def test_a_ledger_that_is_not_whole_is_not_exported(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append([record("v1"), record("v2")])
    lines = ledger.lines()
    with pytest.raises(BundleError, match="entry 2 says that it is entry 3"):
        bundle.write(tmp_path / "b", [lines[0], lines[2]], {})
    with pytest.raises(BundleError, match="nothing to export"):
        bundle.write(tmp_path / "b", [], {})
    assert not (tmp_path / "b").exists()


def test_what_a_task_was_cannot_be_changed_unnoticed(tmp_path: Path, task_dir: Path) -> None:
    kept = Manifests(tmp_path / "tasks")
    name = kept.keep(task_dir)
    assert kept.keep(task_dir) == name
    found = kept.get(name)
    assert found is not None
    assert "tests/judge.py" in found.files
    path = kept.folder / f"{name}.json"
    path.write_bytes(path.read_bytes().replace(b"tests/judge.py", b"tests/jugde.py"))
    assert kept.get(name) is None
    assert kept.get("../ledger/key") is None
