"""`autolab harness`: the ways in which a model can be put to work."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.failures import DONE
from autolab_tui.cli.output import emit, plain, table
from autolab_tui.cli.parser import Commands, command, group

if TYPE_CHECKING:
    from engine.harnesses import Harness

_APART = ("name", "description", "system")
_LIST_DETAILS = """\
Your own harnesses are TOML files in harnesses/ of the configuration folder. One that differs from
a preset in a single knob is two lines:

  extends = "minimal"
  time = "every-turn"

examples:
  autolab harness list
  autolab harness list --json | jq '.harnesses[] | [.name, .hash]'

docs/harnesses.md has every knob and what is known of it."""
_SHOW_DETAILS = "example:\n  autolab harness show persistent"
_DIFF_DETAILS = "example:\n  autolab harness diff minimal persistent"


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "harness", "how a model is put to work: list, show, diff")
    command(
        verbs, "list", list_harnesses, summary="the presets and your own", details=_LIST_DETAILS
    )
    show = command(
        verbs,
        "show",
        show_harness,
        summary="every knob of one, and its prompt",
        details=_SHOW_DETAILS,
    )
    show.add_argument("name", metavar="NAME")
    diff = command(
        verbs,
        "diff",
        diff_harnesses,
        summary="the knobs in which two differ",
        details=_DIFF_DETAILS,
    )
    diff.add_argument("first", metavar="A")
    diff.add_argument("second", metavar="B")


def list_harnesses(args: argparse.Namespace) -> int:
    """Print the harnesses by name, and what is wrong with the files of others."""
    from engine import harnesses

    sound, broken = harnesses.everything()
    if args.json:
        emit(
            "harnesses",
            {
                "harnesses": [_object(harness) for harness in sound.values()],
                "broken": [{"path": str(b.path), "error": b.error} for b in broken],
            },
        )
        return DONE
    rows = (
        (
            *(h.name, h.loop, h.feedback, h.time, h.stop, h.context, h.prompt, str(h.attempts)),
            *(h.hash[:12], _source(h)),
        )
        for h in sound.values()
    )
    head = ("harness", "loop", "feedback", "time", "stop", "context", "prompt", "attempts")
    print(table((*head, "hash", "file"), rows))
    for one in broken:
        print(f"broken: {plain(one.error)}")
    return DONE


def show_harness(args: argparse.Namespace) -> int:
    """Print one harness as it takes effect: what it inherits is filled in."""
    from engine import harnesses

    harness = harnesses.load(args.name)
    if args.json:
        emit("harness", _object(harness))
        return DONE
    print(f"{harness.name}: {plain(harness.description)}\n")
    rows = [("file", _source(harness)), ("hash", harness.hash)]
    rows += [(k, _value(v)) for k, v in harnesses.knobs(harness).items() if k not in _APART]
    width = max(len(key) for key, _ in rows)
    for key, value in rows:
        print(f"{key:{width}}  {plain(value)}")
    print(f"\nThe prompt {harness.prompt!r}; the knobs add their sentences to it:\n")
    print(_indented(harness.system))
    return DONE


def diff_harnesses(args: argparse.Namespace) -> int:
    """Print the knobs in which two harnesses differ, with both values."""
    from engine import harnesses

    first, second = harnesses.load(args.first), harnesses.load(args.second)
    found = harnesses.difference(first, second)
    if args.json:
        emit(
            "harness-diff",
            {
                "a": first.name,
                "b": second.name,
                "same": first.hash == second.hash,
                "differences": [{"knob": d.knob, "a": d.first, "b": d.second} for d in found],
            },
        )
        return DONE
    if not found:
        print(f"{first.name} and {second.name} differ in nothing but their names")
        return DONE
    shown = [d for d in found if d.knob != "system"]
    rows = ((d.knob, _value(d.first), _value(d.second)) for d in shown)
    print(table(("knob", first.name, second.name), rows))
    if len(shown) < len(found):
        print(f"\n{_prompts(first, second)}")
    return DONE


def _object(harness: Harness) -> dict[str, Any]:
    from engine.harnesses import knobs

    values = knobs(harness)
    head = {key: values.pop(key) for key in ("name", "description")}
    return {**head, "source": _source(harness), "hash": harness.hash, "knobs": values}


def _source(harness: Harness) -> str:
    from engine.harnesses import sources

    return str(sources()[harness.name])


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _indented(text: str) -> str:
    return "\n".join(f"  {plain(line)}" if line else "" for line in text.rstrip().splitlines())


def _prompts(first: Harness, second: Harness) -> str:
    """The two prompts as a difference of lines."""
    import difflib

    lines = difflib.unified_diff(
        first.system.splitlines(),
        second.system.splitlines(),
        f"prompt {first.prompt}",
        f"prompt {second.prompt}",
        lineterm="",
        n=0,
    )
    return "\n".join(plain(line) for line in lines)
