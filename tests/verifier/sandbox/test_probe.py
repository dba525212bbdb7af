from __future__ import annotations

import os

import pytest

from verifier.sandbox import probe
from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.hierarchy import Controllers
from verifier.sandbox.spec import SandboxUnavailableError

NAMES = [
    *("bubblewrap", "isolation", "no network inside", "uids", "memory limit", "process limit"),
    *("cpu quota", "cpu set", "freezer"),
    *("python3 inside", "tmux inside", "bash inside", "gcc inside"),
]


def test_every_check_says_what_it_found_and_what_to_do(sandbox_backend):
    checks = probe.checks()
    assert [check.name for check in checks] == NAMES
    for check in checks:
        assert check.found and bool(check.remedy) is not check.ok, check
    by_name = {check.name: check for check in checks}
    assert by_name["freezer"].ok and by_name["process limit"].ok and by_name["cpu set"].ok
    assert by_name["uids"].ok is (os.geteuid() == 0)


def test_without_control_groups_the_doctor_is_honest(sandbox_backend):
    by_name = {c.name: c for c in probe.checks(Bubblewrap(controllers=Controllers()))}
    assert not by_name["memory limit"].ok and "per process" in by_name["memory limit"].found
    assert not by_name["cpu quota"].ok and "Delegate" in by_name["cpu quota"].remedy
    assert by_name["freezer"].ok and by_name["process limit"].ok


def test_commands_are_looked_up_inside(sandbox_backend, tmp_path, monkeypatch):
    (tmp_path / "only-on-the-host").write_text("#!/bin/sh\n")
    (tmp_path / "only-on-the-host").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = probe.commands_inside(["sh", "only-on-the-host", "odd; touch /tmp/x", "-v", "sh"])
    assert found == {"sh": True, "only-on-the-host": False, "odd; touch /tmp/x": False, "-v": False}


def test_a_machine_without_bubblewrap_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailableError, match="apt-get install bubblewrap"):
        Bubblewrap(controllers=Controllers()).require()
    checks = probe.checks(Bubblewrap(controllers=Controllers()))
    assert [(c.name, c.ok) for c in checks] == [("bubblewrap", False), ("isolation", False)]
    with pytest.raises(SandboxUnavailableError):
        probe.commands_inside(["sh"])


def fake_bwrap(folder, version, then):
    script = folder / "bwrap"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit 0\n{then}\n')
    script.chmod(0o755)


@pytest.fixture
def fakes(monkeypatch):
    """A folder at the head of PATH that every uid can reach."""
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="al-")
    from pathlib import Path

    Path(folder).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    yield Path(folder)
    shutil.rmtree(folder)


def test_an_old_bubblewrap_is_refused(fakes):
    fake_bwrap(fakes, "bubblewrap 0.4.1", "exit 1")
    with pytest.raises(SandboxUnavailableError, match=r"0\.4\.1.*0\.8\.0 or newer"):
        Bubblewrap(controllers=Controllers()).require()


@pytest.mark.parametrize(
    ("complaint", "remedy"),
    [
        ("bwrap: Creating new namespace failed: Operation not permitted", "security-opt seccomp"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths"),
    ],
)
def test_a_bubblewrap_that_cannot_isolate_is_explained(fakes, complaint, remedy):
    fake_bwrap(fakes, "bubblewrap 0.8.0", f'echo "{complaint}" >&2; exit 1')
    with pytest.raises(SandboxUnavailableError) as error:
        Bubblewrap(controllers=Controllers()).require()
    assert complaint in str(error.value) and remedy in str(error.value)
