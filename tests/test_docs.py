"""What README, CONTRIBUTING and docs/ name is there: files, modules, commands, settings, JSON."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import inspect
import io
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter

from autolab_tui import themes
from autolab_tui.cli.nouns import build
from autolab_tui.cli.parser import Parser
from engine import harnesses, settings
from engine.events import KNOWN_TYPES
from tasks.autolab import Autolab, Optimization

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    # decisions.md tells of what was as well as of what is.
    *sorted(p for p in (ROOT / "docs").glob("*.md") if p.name != "decisions.md"),
]
ROOMS = ("autolab_tui", "engine", "verifier", "tasks", "tests", "docs", "benchmarks", "themes")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Files of a task, of the state folder, or of the workspace, which the pages speak of too.
ELSEWHERE = {
    *("task.toml", "instruction.md", "pins.json", "expect.toml", "judge.py", "test.sh", "solve.sh"),
    *("README.md", "entry.cpp", "kernel.cu", "launch.toml", "reward.json", "reward.txt"),
    *("journal.sqlite3", "journal.checkpoint", "transcript.jsonl", "engine.log", "head.json"),
    *("app.toml", "autolab.toml", "run.toml", "solve.c", "service.py", "flags.txt", "key.pem"),
    *("check.py", "notes.txt", "job.toml", "result.json", "config.json"),
}
TASK_FOLDERS = ("tests/judge.py", "tests/test.sh", "tests/cheats", "solution/", "environment/")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def spans(page: Path) -> Iterator[str]:
    """The code spans of a page, those in code blocks left out."""
    yield from SPAN.findall(FENCE.sub("", text_of(page)))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for target in LINK.findall(FENCE.sub("", text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)
    assert not wrong


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as renderers of Markdown make them."""
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@cache
def names_of_files() -> set[str]:
    rooms = [path for room in (*ROOMS, "scripts") for path in (ROOT / room).rglob("*")]
    return {path.name for path in (*rooms, *ROOT.iterdir()) if "__pycache__" not in path.parts}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    wrong = []
    for span in spans(page):
        word = span.rstrip("/")
        if re.fullmatch(r"[\w.-]+\.(?:py|toml|tcss|c|cu|sh|md|json)", word):
            if word not in ELSEWHERE and word not in names_of_files():
                wrong.append(span)
        elif word.startswith(tuple(f"{room}/" for room in (*ROOMS, "scripts"))):
            if re.search(r"[*<{]|\b[A-Z]{2,}\b", word) or word.startswith(TASK_FOLDERS):
                continue
            if not (ROOT / word).exists():
                wrong.append(span)
    assert not wrong


def in_tree(block: str, top: Path) -> Iterator[Path]:
    """The paths that an indented list of files names: words before the gap, in their folders."""
    folders = {0: top}
    for line in block.splitlines():
        names = re.split(r" {2,}", line.strip())[0]
        if not names or not re.match(r"[\w./]", names):
            continue
        depth = len(line) - len(line.lstrip())
        folder = folders[max(d for d in folders if d <= depth)]
        for name in names.split():
            if name == "..." or not re.search(r"[./]", name):
                continue
            yield folder / name
            if name.endswith("/") and " " not in names:
                folders = {d: f for d, f in folders.items() if d <= depth}
                folders[depth + 1] = folder / name


@pytest.mark.parametrize(
    ("page", "heading", "top"),
    [("architecture.md", "Rooms", ""), ("terminal-app.md", "How it is made", "autolab_tui")],
)
def test_the_maps_of_the_house_are_true(page: str, heading: str, top: str) -> None:
    section = text_of(ROOT / "docs" / page).split(f"\n## {heading}\n")[1]
    block = FENCE.search(section)
    assert block
    named = list(in_tree(block[2], ROOT / top))
    assert len(named) > 8
    assert not [str(path.relative_to(ROOT)) for path in named if not path.exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_module_that_is_named_is_there(page: Path) -> None:
    wrong = []
    for span in spans(page):
        dotted = span.removeprefix("python -m ").split(" ")[0]
        if not re.fullmatch(r"(?:autolab_tui|engine|verifier|tasks|benchmarks)(?:\.\w+)+", dotted):
            continue
        if not (dotted in KNOWN_TYPES | ELSEWHERE or resolves(dotted.removesuffix(".py"))):
            wrong.append(span)
    assert not wrong


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or what a module has."""
    try:
        if importlib.util.find_spec(dotted) is not None:
            return True
    except ModuleNotFoundError:
        pass
    module, _, name = dotted.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False


# --- command lines ---


def parser_of(words: list[str]) -> tuple[Parser, list[str]]:
    """The parser of the command that a line begins with, and the rest of the line."""
    parser, rest = build(), list(words)
    while rest:
        sub = next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
        if sub is None or rest[0] not in sub.choices:
            break
        parser = sub.choices[rest.pop(0)]
    return parser, rest


def lines_of(text: str) -> Iterator[str]:
    """The `autolab` lines of a code block or an epilog, without the words that explain them."""
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip().removeprefix("$ ").removeprefix(".venv/bin/")
        if re.match(r"autolab( |$)", line):
            # Two blanks in a row end the command, but where an option follows (a joined line).
            yield re.split(r"(?<=\S) {2,}(?=[^-\s])| \| | > | # | && ", line)[0]


def complaint(line: str) -> str:
    """What the real parser has against a line; nothing where it takes it."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            build().parse_args(shlex.split(line)[1:])
        except SystemExit as left:
            return said.getvalue() if left.code else ""
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_in_a_code_block_parses(page: Path) -> None:
    text = text_of(page)
    blocks = [body for kind, body in FENCE.findall(text) if kind in ("", "sh", "bash")]
    blocks += re.findall(r"^ {4}autolab .*$", FENCE.sub("", text), re.MULTILINE)
    wrong = [said for body in blocks for line in lines_of(body) if (said := complaint(line))]
    assert not wrong


def epilogs(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield parser.epilog or ""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from epilogs(sub)


def test_every_example_of_help_parses() -> None:
    lines = [line for text in epilogs(build()) for line in lines_of(text)]
    assert len(lines) > 30
    assert not [said for line in lines if (said := complaint(line))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_in_a_code_span_is_one(page: Path) -> None:
    """The command's words are known and so is each option; what stands for a value is free."""
    wrong = []
    for span in spans(page):
        if not re.match(r"autolab [a-z-]", span):
            continue
        parser, rest = parser_of(re.sub(r"[\[\],]", " ", span).split()[1:])
        verbs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        options = {word for word in rest if re.match(r"-{1,2}[a-z]", word)}
        known = set(parser._option_string_actions)
        if rest and verbs and not rest[0].startswith(("-", "VERB", "COMMAND")):
            wrong.append(f"{span}: {rest[0]} is unknown")
        wrong += [f"{span}: {word} is unknown" for word in options - known]
    assert not wrong


# --- settings ---


def keys_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every key of a settings table, `*` for a name that the operator chooses."""
    found = set()
    for name, field in model.model_fields.items():
        found.add(prefix + name)
        for inner in models_in(field.annotation):
            named = "dict" in str(field.annotation) or "Mapping" in str(field.annotation)
            found |= keys_of(inner, f"{prefix}{name}.{'*.' if named else ''}")
    return found


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models_in(inner)


def written(table: dict[str, object], known: set[str], prefix: str = "") -> set[str]:
    """The keys of a TOML table in the same words."""
    found = set()
    for name, value in table.items():
        place = prefix + name
        star = re.sub(r"[^.]+$", "*", place)
        free = any(key.startswith(f"{star}.") for key in known) and place not in known
        place = star if free else place
        if not free:
            found.add(place)
        rows = value if isinstance(value, list) else [value]
        if any(key.startswith(f"{place}.") for key in known):
            for row in rows:
                if isinstance(row, dict):
                    found |= written(row, known, f"{place}.")
    return found


def settings_block() -> str:
    block = FENCE.search(text_of(ROOT / "docs" / "settings.md"))
    assert block and block[1] == "toml"
    return block[2]


def test_the_settings_of_the_page_are_those_of_the_engine() -> None:
    known = keys_of(settings.Settings)
    table = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", settings_block(), flags=re.MULTILINE))
    assert written(table, known) == known


def test_the_settings_of_the_page_are_accepted_and_its_defaults_true() -> None:
    table = tomllib.loads(settings_block())
    found = TypeAdapter(settings.Settings).validate_python(table)
    default = settings.Settings.model_construct()
    for name in set(settings.Settings.model_fields) - {"providers", "concurrency"}:
        assert getattr(found, name) == getattr(default, name), name
    provider = found.providers["lab"]
    plain = settings.ProviderSettings(base_url="http://x")
    for name in ("api", "version", "connect_seconds", "silence_seconds", "stall_seconds"):
        assert getattr(provider, name) == getattr(plain, name), name


# --- JSON ---


def test_every_schema_is_in_the_page() -> None:
    # What orders print is named by their command.
    used = {"pause", "resume", "stop", "extend", "message", "acknowledge"}
    for path in (*(ROOT / "autolab_tui" / "cli").glob("*.py"), *(ROOT / "engine").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        used |= set(re.findall(r'(?:\bemit\(\s*|\bschema=)"([a-z-]+)"', source))
        used |= set(re.findall(r'"autolab/([a-z-]+)/1"', source))
    named = set(re.findall(r"`autolab/([a-z-]+)/1`", text_of(ROOT / "docs" / "json.md")))
    assert used == named


def test_every_event_of_the_page_is_one() -> None:
    section = text_of(ROOT / "docs" / "json.md").split("\n## event\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z.]+)` \|", section, re.MULTILINE)) == KNOWN_TYPES


# --- examples of files ---


def examples(page: str) -> list[str]:
    """The TOML blocks of a page."""
    return [body for kind, body in FENCE.findall(text_of(ROOT / "docs" / page)) if kind == "toml"]


def test_the_harnesses_of_the_page_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOLAB_CONFIG", str(tmp_path))
    (tmp_path / "harnesses").mkdir()
    program = tmp_path / "program"
    (program / "bin").mkdir(parents=True)
    found = examples("harnesses.md")
    assert len(found) == 2
    for text in found:
        shown = re.sub(r'program = "[^"]*"', f'program = "{program}"', text)
        (tmp_path / "harnesses" / "mine.toml").write_text(shown)
        harness = harnesses.load("mine")
        assert harness.description == tomllib.loads(text)["description"]


def test_the_theme_of_the_page_can_be_used() -> None:
    (text,) = examples("terminal-app.md")
    theme = themes.parse(text, "terminal-app.md")
    assert theme.name == "mine"
    assert not themes.shortfalls(theme)


def test_the_task_of_the_page_has_no_unknown_key() -> None:
    whole = examples("tasks.md")[0]
    table = tomllib.loads(whole)
    Optimization.model_validate(table["optimization"])
    assert set(Autolab.model_validate(table["autolab"]).model_fields_set) == set(table["autolab"])
