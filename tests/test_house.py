"""The house rules that no linter knows: which way imports run, and what stays light."""

from __future__ import annotations

import ast
import graphlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("autolab_tui", "engine", "verifier", "tasks")  # each may import itself and what follows
ENGINE_DOORS = {
    "engine.analysis",
    "engine.client",
    "engine.clock",
    "engine.entries",
    "engine.events",
    "engine.harnesses",
    "engine.models",
    "engine.money",
    "engine.offline",
    "engine.paths",
    "engine.settings",
    "engine.state",
}
HEAVY = {
    "aiofiles",
    "genai_prices",
    "httpx",
    "httpx2",
    "pycuda",
    "pynvml",
    "pydantic",
    "pydantic_settings",
    "shtab",
    "starlette",
    "textual",
    "uvicorn",
}


def modules(room: str) -> list[Path]:
    """The Python modules of a room; a task's own files are data, not modules."""
    found = sorted((ROOT / room).rglob("*.py"))
    if room == "tasks":
        kept = {"template"}
        found = [
            p
            for p in found
            if len(p.relative_to(ROOT).parts) == 2
            or ((p.parent / "__init__.py").exists() and not kept & set(p.parts))
        ]
    return [p for p in found if "__pycache__" not in p.parts]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at whatever depth; `from a import b` gives a and a.b."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


ALL = [(room, path) for room in ROOMS for path in modules(room)]


def test_every_room_has_modules() -> None:
    assert {room for room, _ in ALL} == set(ROOMS)


def test_imports_run_one_way() -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for room, path in ALL
        for name in imports(path)
        if name.split(".")[0] in {*ROOMS[: ROOMS.index(room)], "tests"}
    ]
    assert not wrong


def test_the_app_knows_the_engine_by_its_doors_only() -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in modules("autolab_tui")
        for name in imports(path)
        if name.startswith("engine.") and ".".join(name.split(".")[:2]) not in ENGINE_DOORS
    ]
    assert not wrong


def test_nobody_but_its_command_knows_the_demo() -> None:
    wrong = [
        name_of(path)
        for _, path in ALL
        if not name_of(path).startswith("autolab_tui.demo")
        and name_of(path) not in ("autolab_tui.cli.demo", "autolab_tui.cli.demo_run")
        and any(name.startswith("autolab_tui.demo") for name in imports(path))
    ]
    assert not wrong


def test_no_modules_need_each_other_in_a_circle() -> None:
    names = {name_of(path) for _, path in ALL}
    needs = {
        # Whatever is inside a package needs it, and is none the less a part of it.
        name_of(path): {
            n for n in imports(path) if n in names and not f"{name_of(path)}.".startswith(f"{n}.")
        }
        for _, path in ALL
    }
    graphlib.TopologicalSorter(needs).prepare()  # CycleError names the circle


MOST_LINES = 400


def test_modules_are_small() -> None:
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for _, path in ALL}
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert not long, "find the second reason to change, and give it a module of its own"


def test_every_module_says_what_it_is() -> None:
    silent = [
        name_of(path)
        for _, path in ALL
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def loaded_by(*line: str, state: Path) -> tuple[set[str], int]:
    """Which modules a command line loads, and its exit code."""
    script = (
        "import json, sys\n"
        "from autolab_tui.cli import main\n"
        "try:\n"
        "    code = main(sys.argv[1:])\n"
        "except SystemExit as error:\n"
        "    code = error.code\n"
        "print('\\n' + json.dumps([code, sorted(sys.modules)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *line],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "AUTOLAB_STATE": str(state)},
        timeout=60,
        check=True,
    )
    code, names = json.loads(done.stdout.splitlines()[-1])
    return set(names), code


@pytest.mark.parametrize(
    "line",
    [("--help",), ("status",), ("status", "--json"), ("watch", "--help"), ("run", "--help")],
    ids=" ".join,
)
def test_light_commands_stay_light(line: tuple[str, ...], tmp_path: Path) -> None:
    names, code = loaded_by(*line, state=tmp_path)
    assert code == 0
    assert not {name.split(".")[0] for name in names} & HEAVY
    assert not {name for name in names if name.startswith("engine.models")}


def test_the_modules_of_watch_stay_light(tmp_path: Path) -> None:
    script = (
        "import sys, autolab_tui.cli.watch, autolab_tui.cli.following, autolab_tui.cli.lines\n"
        "import engine.client, engine.state, engine.events\n"
        "print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert not set(done.stdout.split()) & HEAVY


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_no_file_names_a_place_of_one_machine() -> None:
    files = tracked()
    if not files:
        pytest.skip("this is no git checkout")
    place = re.compile(rb"(?<![\w./])/(?:work|Users)/[a-z]|" + re.escape(bytes(ROOT)))
    wrong = []
    for path in files:
        if path == Path(__file__).resolve() or not path.is_file():
            continue
        for number, text in enumerate(path.read_bytes().splitlines(), 1):
            if place.search(text):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {text[:80]!r}")
    assert not wrong
