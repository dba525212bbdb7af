"""What Tab offers, in a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autolab_tui.cli import main
from autolab_tui.cli.completion import place


def offered(script: Path, *words: str) -> set[str]:
    line = " ".join(f"'{word}'" for word in words)
    asked = (
        f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
        '$(complete -p autolab | sed "s/.*-F //; s/ .*//") autolab; echo "${COMPREPLY[@]}"'
    )
    asked = asked.replace("$(complete", "f=$(complete").replace(" autolab; echo", '; "$f"; echo')
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_bash_completes_commands_verbs_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert main(["--install-completion"]) == 0
    assert str(place("bash")) in capsys.readouterr().out
    assert offered(place("bash"), "autolab", "ru") == {"run", "runs"}
    assert offered(place("bash"), "autolab", "runs", "") >= {"list", "rm", "gc"}
    assert "--unscored" in offered(place("bash"), "autolab", "rerun", "--un")


def test_zsh_is_written_and_another_shell_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["--install-completion", "zsh"]) == 0
    assert "#compdef autolab" in place("zsh").read_text()
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert main(["--install-completion"]) == 2
    assert "'fish'" in capsys.readouterr().err
