"""`autolab themes`: how the app can look."""

from __future__ import annotations

import argparse

from autolab_tui.cli.failures import DONE, NEGATIVE
from autolab_tui.cli.output import emit, plain, table
from autolab_tui.cli.parser import Commands, command, group

_LIST = """\
Your own are TOML files in themes/ of the configuration folder; docs/terminal-app.md has one.

examples:
  autolab themes list
  autolab --theme autolab-paper         the app in one, and from now on"""
_CHECK = """\
example:
  autolab themes check

exit codes: 0 all are sound, 3 something was found"""


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "themes", "how the app can look: list, check")
    command(verbs, "list", list_themes, summary="the themes, shipped and your own", details=_LIST)
    command(
        verbs,
        "check",
        check_themes,
        summary="whether every theme file is sound and readable (WCAG AA)",
        details=_CHECK,
    )


def list_themes(args: argparse.Namespace) -> int:
    """Print the themes by name."""
    from autolab_tui.themes import everything
    from engine.paths import config_dir

    themes, broken = everything(config_dir())
    rows = [
        {"name": t.name, "title": t.title, "dark": t.dark, "ansi": t.ansi, "source": t.source}
        for t in themes.values()
    ]
    if args.json:
        emit("themes", {"themes": rows})
        return DONE
    cells = ((str(r["name"]), "dark" if r["dark"] else "light", str(r["source"])) for r in rows)
    print(table(("theme", "ground", "file"), cells))
    for error in broken:
        print(f"broken: {plain(str(error))}")
    return DONE


def check_themes(args: argparse.Namespace) -> int:
    """Print what is wrong; exit code 3 when anything is."""
    from autolab_tui.themes import everything, shortfalls
    from engine.paths import config_dir

    themes, broken = everything(config_dir())
    faint = {
        theme.name: [
            f"{s.role} on {s.ground} has contrast {s.ratio:.2f}, needs {s.needed:.1f}"
            for s in shortfalls(theme)
        ]
        for theme in themes.values()
    }
    ok = not broken and not any(faint.values())
    if args.json:
        rows = [{"name": name, "problems": problems} for name, problems in faint.items()]
        emit("themes-check", {"ok": ok, "themes": rows, "broken": [str(e) for e in broken]})
    else:
        for error in broken:
            print(f"broken: {error}")
        for name, problems in faint.items():
            print(f"{name}: {'ok' if not problems else '; '.join(problems)}")
    return DONE if ok else NEGATIVE
