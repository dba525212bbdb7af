"""`autolab --install-completion`: what a shell offers when Tab is pressed."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path

from autolab_tui.cli.failures import DONE, CommandError, UsageError

SHELLS = ("bash", "zsh")


def install(shell: str, parser: ArgumentParser) -> int:
    """Write a shell's completions of what `parser` knows into the folder where it looks for them.

    The shell is by default the one that $SHELL names.
    """
    import shtab

    chosen = shell or Path(os.environ.get("SHELL") or "").name
    if chosen not in SHELLS:
        named = f"$SHELL is {chosen!r}" if chosen else "$SHELL is not set"
        raise UsageError(f"{named}, for which there are no completions; name {' or '.join(SHELLS)}")
    path = place(chosen)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shtab.complete(parser, shell=chosen), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}; mend its rights") from error
    print(f"wrote {path}")
    if chosen == "bash":
        print("new shells have it where the package bash-completion is installed")
    else:
        print(f"add this to ~/.zshrc: fpath=({path.parent} $fpath); autoload -U compinit; compinit")
    return DONE


def place(shell: str) -> Path:
    """Where a shell looks for the completions of a user's commands."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    if shell == "bash":
        return data / "bash-completion" / "completions" / "autolab"
    return data / "zsh" / "site-functions" / "_autolab"
