"""What a broken task is told: file, key, value, what is wrong, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks import TaskError, load_task
from tests.tasks.making import FOREIGN, NATIVE, changed, write_foreign, write_native


def error_of(folder: Path) -> TaskError:
    with pytest.raises(TaskError) as caught:
        load_task(folder)
    return caught.value


NATIVE_CASES: list[tuple[str, Any, str, list[str]]] = [
    # what is changed, to what, the key that is named, further words of the message
    (
        "autolab.driver.kind",
        "nativ",
        "autolab.driver.kind",
        ["'python', 'data' or 'cuda'", '"nativ"'],
    ),
    ("autolab.drivr", {}, "autolab.drivr", ["not a key that AutoLab knows", "'driver'"]),
    ("autolab.driver.thread", 2, "autolab.driver.thread", ["did you mean 'threads'?"]),
    ("autolab.driver.zzz", 2, "autolab.driver.zzz", ["known keys here: kind, entry, threads"]),
    ("autolab.driver.threads", "2", "autolab.driver.threads", ["write a whole number"]),
    ("autolab.driver.threads", 0, "autolab.driver.threads", ["greater than or equal to 1"]),
    ("autolab.driver.threads", True, "autolab.driver.threads", ["write a whole number"]),
    ("autolab.driver.timeout_sec", -1, "autolab.driver.timeout_sec", ["greater than 0"]),
    ("autolab.driver.timeout_sec", float("nan"), "autolab.driver.timeout_sec", ["number"]),
    ("autolab.driver", ..., "autolab.driver", ["is missing", "add the key"]),
    ("autolab.driver", 5, "autolab.driver", ["write a table"]),
    ("autolab.domain", "System", "autolab.domain", ["pattern"]),
    ("autolab.editable", "solve.c", "autolab.editable", ["write a list"]),
    ("autolab.editable", [], "autolab.editable", ["add an entry"]),
    ("autolab.editable", ["solve.c", 3], "autolab.editable[1]", ["write a string"]),
    ("autolab.editable", ["../secret"], "autolab.editable[0]", ["'..'", "relative glob"]),
    ("autolab.editable", ["/etc/passwd"], "autolab.editable[0]", ["not relative"]),
    ("autolab.editable", ["nothing.c"], "autolab.editable[0]", ["matches no file"]),
    ("autolab.editable", ["solve.c", "a\\b"], "autolab.editable[1]", ["backslash"]),
    ("autolab.feedback", "loud", "autolab.feedback", ["'sealed', 'gates' or 'score'"]),
    ("autolab.needs.commands", ["/usr/bin/gcc"], "autolab.needs.commands[0]", ["PATH"]),
    ("autolab.build", ..., "autolab.build", ["a native driver needs it"]),
    ("autolab.build.commands", [["gcc", "solve.c"]], "autolab.build.commands", ["{shim}"]),
    ("autolab.build.commands", [], "autolab.build.commands", ["no command"]),
    ("autolab.build.commands", [["gcc", "{shim}"], []], "autolab.build.commands", ["empty one"]),
    (
        "autolab.build.commands",
        [["gcc", "{shim}", "{flags}"]],
        "autolab.flags",
        ["is missing though the build uses {flags}"],
    ),
    ("autolab.build.output", "../out", "autolab.build.output", ["plain relative path"]),
    ("autolab.flags", {"file": "solve.c", "allow": ["-O2"]}, "autolab.build.commands", ["{flags}"]),
    ("autolab.measure.pairs_max", 2, "autolab.measure.pairs_max", ["below pairs_min = 3"]),
    ("autolab.measure.precision", 0, "autolab.measure.precision", ["greater than 0"]),
    ("autolab.sizes.quick", ..., "autolab.sizes.quick", ["is missing"]),
    ("autolab.sizes.huge", {}, "autolab.sizes.huge", ["known keys here: quick, full"]),
    ("autolab.sizes.quick.reference", 0.7, "autolab.sizes.quick.reference", ["not below", "0.5"]),
    ("autolab.sizes.quick.reference", 0, "autolab.sizes.quick", ["not positive"]),
    ("autolab.reward.rule", "linear", "autolab.reward.rule", ['use "log"']),
    ("autolab.reward.bound", 4.0, "autolab.reward.bound", ["below the reference's own (5"]),
    ("autolab.reward.bound_reason", "", "autolab.reward.bound_reason", ["say something"]),
    ("autolab.gates", [], "autolab.gates", ["add an entry"]),
    ("autolab.gates.0.name", "builds", "autolab.gates[0].name", ["driver's own"]),
    ("autolab.gates.0.name", "Is Right", "autolab.gates[0].name", ["pattern"]),
    ("optimization", ..., "optimization", ["is missing"]),
    ("optimization.metric", "", "optimization.metric", ["is empty"]),
    ("optimization.direction", "down", "optimization.direction", ["'lower' or 'higher'"]),
    ("optimization.direction", ..., "optimization.direction", ["is missing"]),
    ("optimization.baseline.score", ..., "optimization.baseline.score", ["in full size"]),
    ("optimization.reference.score", "fast", "optimization.reference.score", ["write a number"]),
    ("agent.timeout_sec", ..., "autolab.sizes.full.active_sec", ["[agent] timeout_sec"]),
]


@pytest.mark.parametrize(("path", "value", "key", "words"), NATIVE_CASES)
def test_an_autolab_table_that_cannot_be_used(
    tmp_path: Path, path: str, value: Any, key: str, words: list[str]
) -> None:
    error = error_of(write_native(tmp_path, changed(NATIVE, path, value)))
    assert error.file == tmp_path / "task.toml"
    assert error.key == key
    assert error.remedy
    text = str(error)
    assert str(tmp_path / "task.toml") in text
    assert key in text
    assert "\n" not in text
    for word in words:
        assert word in text


def test_gates_must_differ(tmp_path: Path) -> None:
    gates = [{"name": "same", "description": "x"}] * 2
    error = error_of(write_native(tmp_path, changed(NATIVE, "autolab.gates", gates)))
    assert (error.key, error.value) == ("autolab.gates[1].name", "same")


DATA = changed(changed(NATIVE, "autolab.build", ...), "autolab.measure", ...)
DATA = changed(DATA, "autolab.driver", {"kind": "data"})
DATA = changed(DATA, "autolab.reward", {"rule": "linear", "bound": 0.0, "bound_reason": "zero"})


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("autolab.build", NATIVE["autolab"]["build"], "autolab.build"),
        ("autolab.measure", {"pairs_min": 3}, "autolab.measure"),
        ("autolab.reward.bound", 0.3, "autolab.reward.bound"),
        ("autolab.reward.bound", "small", "autolab.reward.bound"),
        ("autolab.reward.rule", "share", None),
        ("autolab.domain", "puzzle_and_challenge", None),
    ],
)
def test_a_data_driver(tmp_path: Path, path: str, value: Any, key: str | None) -> None:
    write_native(tmp_path, changed(DATA, path, value))
    if key is None:
        assert load_task(tmp_path).native
    else:
        assert error_of(tmp_path).key == key


PYTHON = changed(NATIVE, "autolab.build", ...)
PYTHON = changed(PYTHON, "autolab.driver", {"kind": "python", "entry": "solve.py"})


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("autolab.driver.threads", 2, None),
        ("autolab.build", {"commands": [["true"]], "output": "solve.py"}, None),
        (
            "autolab.build",
            {"commands": [["true"]], "output": "../solve.py"},
            "autolab.build.output",
        ),
        ("autolab.driver.entry", ..., "autolab.driver.entry"),
        ("autolab.driver.entry", "other.py", "autolab.driver.entry"),
        ("autolab.driver.entry", "solve.c", "autolab.driver.entry"),
        ("autolab.driver.entry", "../../tests/judge.py", "autolab.driver.entry"),
        ("autolab.driver.kind", "data", "autolab.driver.entry"),
        ("autolab.reward.rule", "linear", "autolab.reward.rule"),
        ("autolab.needs", {"modules": ["numpy.linalg"], "headers": ["a/b-c.h"]}, None),
        ("autolab.needs", {"modules": ["a b"]}, "autolab.needs.modules[0]"),
        ("autolab.needs", {"headers": ["a.h", "a.h>\n"]}, "autolab.needs.headers[1]"),
    ],
)
def test_a_python_driver(tmp_path: Path, path: str, value: Any, key: str | None) -> None:
    write_native(tmp_path, changed(PYTHON, path, value))
    (tmp_path / "environment" / "app" / "solve.py").write_text("solve = bytes\n")
    if key is None:
        assert load_task(tmp_path).native
    else:
        assert error_of(tmp_path).key == key


def test_share_needs_a_falling_metric(tmp_path: Path) -> None:
    table = changed(DATA, "autolab.reward.rule", "share")
    table = changed(table, "optimization.direction", "higher")
    table = changed(table, "optimization.reference.score", 3.0)
    table = changed(table, "autolab.sizes.quick", {})
    assert error_of(write_native(tmp_path, table)).key == "autolab.reward.rule"


def test_a_flags_file(tmp_path: Path) -> None:
    table = changed(NATIVE, "autolab.build.commands", [["gcc", "{shim}", "{flags}"]])
    flags = {"file": "solve.c", "allow": ["-O2", "-f[no-]inline"]}
    write_native(tmp_path, changed(table, "autolab.flags", flags))
    assert load_task(tmp_path).native
    for key, value, named in (
        ("file", "flags.txt", "autolab.flags.file"),
        ("allow", ["-O2", "O3"], "autolab.flags.allow[1]"),
        ("allow", ["-O2 -g"], "autolab.flags.allow[0]"),
    ):
        write_native(tmp_path, changed(table, "autolab.flags", {**flags, key: value}))
        assert error_of(tmp_path).key == named


@pytest.mark.parametrize(
    ("path", "value", "key", "word"),
    [
        ("agent.timeout_sec", "soon", "agent.timeout_sec", "write a number"),
        ("agent.timeout_sec", 0, "agent.timeout_sec", "greater than 0"),
        ("agent.user", [1], "agent.user", "string"),
        ("steps", [{"name": "a", "min_reward": "high"}], "steps[0].min_reward", "number"),
        ("environment.memory", "lots", "environment.memory", '"2G"'),
        ("environment.memory_mb", 0.5, "environment.memory_mb", "whole number"),
        ("environment.os", "beos", "environment.os", "'linux' or 'windows'"),
        ("environment.network_mode", "open", "environment.network_mode", "no-network"),
        ("environment.mcp_servers", [{"name": "x"}], "environment.mcp_servers[0]", "url"),
        ("environment.healthcheck", {}, "environment.healthcheck.command", "is missing"),
        ("verifier.collect", [{}], "verifier.collect[0].command", "is missing"),
        ("task", {}, "task.name", "is missing"),
        ("task", {"name": ""}, "task.name", "say something"),
        ("steps", [{"name": "a/b"}], "steps[0].name", "portable"),
        ("steps", [{"name": "a"}, {"name": "a"}], "steps", 'two steps named "a"'),
        ("steps", {}, "steps", "list"),
        ("multi_step_reward_strategy", "max", "multi_step_reward_strategy", "'mean' or 'final'"),
        ("metadata", 3, "metadata", "write a table"),
        ("optimization", [], "optimization", "write a table"),
        ("autolab", True, "autolab", "write a table"),
    ],
)
def test_a_harbor_table_that_cannot_be_used(
    tmp_path: Path, path: str, value: Any, key: str, word: str
) -> None:
    error = error_of(write_foreign(tmp_path, changed(FOREIGN, path, value)))
    assert error.key == key
    assert word in str(error)


def test_hosts_need_an_allowlist(tmp_path: Path) -> None:
    environment = {"network_mode": "no-network", "allowed_hosts": ["example.org"]}
    error = error_of(write_foreign(tmp_path, changed(FOREIGN, "environment", environment)))
    assert error.key == "environment.allowed_hosts"
    assert "allowlist" in str(error)


def test_a_shared_verifier_has_no_environment(tmp_path: Path) -> None:
    verifier = {"environment_mode": "shared", "environment": {}}
    error = error_of(write_foreign(tmp_path, changed(FOREIGN, "verifier", verifier)))
    assert error.key == "verifier"
    assert "contradicts" in str(error)


def test_artifacts_stay_inside(tmp_path: Path) -> None:
    table = changed(FOREIGN, "artifacts", [{"source": "/logs/../etc"}])
    error = error_of(write_foreign(tmp_path, table))
    assert error.key == "artifacts[0].source"
    assert 'must not contain ".."' in str(error)
    table = changed(FOREIGN, "artifacts", ["/app/solve.c", {"source": "/b", "service": "db"}])
    artifacts = load_task(write_foreign(tmp_path, table)).config.artifacts
    assert [artifact.source for artifact in artifacts] == ["/app/solve.c", "/b"]


def test_all_wrong_keys_are_counted_up(tmp_path: Path) -> None:
    table = changed(changed(NATIVE, "autolab.unit", 3), "autolab.feedback", "x")
    error = error_of(write_native(tmp_path, table))
    assert {error.key, *error.more} == {"autolab.unit", "autolab.feedback"}
    assert "also wrong: " in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = 1\nb = = 2\n", ["line 2, column 5"]),
        ("a = 1\na = 2\n", ["line 2"]),
        ('x = "open\n', ["line 1"]),
        ("[table", ["line 1, column 7"]),
        ("a = " + "[" * 5000, []),
    ],
    ids=["value", "twice", "string", "table", "depth"],
)
def test_toml_that_cannot_be_parsed(tmp_path: Path, text: str, words: list[str]) -> None:
    error = error_of(write_foreign(tmp_path, text))
    for word in words:
        assert word in str(error)
    assert str(tmp_path / "task.toml") in str(error)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    write_foreign(tmp_path)
    (tmp_path / "task.toml").write_bytes(b'a = "\xff"')
    assert "not UTF-8 text (byte 5)" in str(error_of(tmp_path))


def test_terminal_escapes_are_shown_and_not_sent(tmp_path: Path) -> None:
    table = changed(NATIVE, "autolab.feedback", "\x1b]0;owned\x07")
    table = changed(table, "autolab.\x1b[31mred", 1)
    text = str(error_of(write_native(tmp_path, table)))
    assert text.isprintable()


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("task.toml", "add it, or give another directory"),
        ("instruction.md", "write there what the agent shall do"),
        ("tests/judge.py", "as docs/tasks.md describes"),
    ],
)
def test_a_file_that_is_missing(tmp_path: Path, missing: str, words: str) -> None:
    write_native(tmp_path)
    (tmp_path / missing).unlink()
    error = error_of(tmp_path)
    assert error.file == tmp_path / missing
    assert "is missing" in str(error)
    assert words in str(error)


def test_a_task_is_a_directory(tmp_path: Path) -> None:
    assert "is not a directory" in str(error_of(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("place", "text", "words"),
    [
        ("solution/steps/01-first/entry.c", "x", "not an editable file"),
        ("solution/steps/third/solve.c", "x", "unusable name"),
        ("solution/steps/03-empty/README.md", "x", "changes no editable file"),
    ],
)
def test_stages_that_cannot_be_used(tmp_path: Path, place: str, text: str, words: str) -> None:
    write_native(tmp_path)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text(text)
    task = load_task(tmp_path)
    with pytest.raises(TaskError, match=words):
        task.steps()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is missing"),
        ('gate = "corect"', 'gate = "corect": is not a gate of the task'),
        ("gate = [1]", "is not a gate"),
        ("gate =", "is not TOML"),
        ("", "is not a gate"),
    ],
)
def test_cheats_that_cannot_be_used(tmp_path: Path, text: str | None, words: str) -> None:
    write_native(tmp_path)
    expect = tmp_path / "tests/cheats/lazy/expect.toml"
    expect.unlink()
    if text is not None:
        expect.write_text(text)
    with pytest.raises(TaskError) as caught:
        load_task(tmp_path).cheats()
    assert words in str(caught.value)
    assert caught.value.file == expect
