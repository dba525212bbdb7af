"""The `autolab` command: one module for each noun, imported light.

`main` is what the installed script calls. It turns every failure into one line on stderr and an
exit code: 0 done, 1 it failed, 2 wrong usage, 3 the result was negative, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

from autolab_tui.cli.failures import guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `autolab` command line (default: the process's own) and return its exit code."""

    def command() -> int:
        from autolab_tui.cli.nouns import parse

        return parse(argv)()

    return guarded(command)
