"""Many tasks at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks import TaskError, load_suite
from tests.tasks.making import FOREIGN, NATIVE, Table, changed, write_foreign, write_native

V10: Table = {
    "version": "1.0",
    "metadata": {"domain": "system_optimization"},
    "environment": {"memory": "2G", "storage": "10G"},
}
V11 = FOREIGN
V12: Table = {
    "schema_version": "1.2",
    "task": {"name": "org/steps"},
    "metadata": {"domain": "puzzle_and_challenge"},
    "steps": [{"name": "only"}],
    "environment": {"os": "Linux", "healthcheck": {"command": "true"}, "workdir": "/srv"},
}
V13: Table = {
    "schema_version": "1.3",
    "metadata": {"domain": "cuda"},
    "environment": {"network_mode": "allowlist", "allowed_hosts": ["example.org"], "gpus": 1},
    "verifier": {"collect": [{"command": "sync"}], "environment": {"docker_image": "x:1"}},
    "artifacts": ["/app/out", {"source": "/app/log", "exclude": ["*.tmp"]}],
}
V14: Table = {
    "schema_version": "1.4",
    "task": {"name": "org/mcp", "version": "2"},
    "metadata": {"domain": "model_development"},
    "environment": {
        "cpus": 1.5,
        "mcp_servers": [{"name": "s", "transport": "http", "url": "http://x", "headers": {}}],
    },
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a task of every schema in tasks/, flat and by domain, and broken ones."""
    tasks = tmp_path / "checkout" / "tasks"
    write_foreign(tasks / "old", V10)
    write_foreign(tasks / "plain", V11)
    write_foreign(tasks / "puzzle_and_challenge" / "steps_task", V12)
    steps = tasks / "puzzle_and_challenge/steps_task/steps/only"
    steps.mkdir(parents=True)
    (steps / "instruction.md").write_text("Once.")
    write_foreign(tasks / "gpu" / "hosts", V13)
    write_foreign(tasks / "served", V14)
    write_native(tasks / "native", NATIVE)
    write_foreign(tasks / "zz_broken", "version =")
    write_foreign(tasks / "gpu" / "wrong", changed(FOREIGN, "agent.timeout_sec", "x"))
    (tasks / "notes").mkdir()
    (tasks / "notes" / "README.md").write_text("nothing here")
    (tasks / ".git").mkdir()
    write_foreign(tasks / ".git" / "hidden")
    (tasks.parent / "README.md").write_text("a suite")
    return tasks.parent


def test_every_schema_version_loads(checkout: Path) -> None:
    suite = load_suite(checkout)
    assert [(task.domain, task.name) for task in suite.tasks] == [
        ("cuda", "hosts"),
        ("model_development", "org/mcp"),
        ("puzzle_and_challenge", "org/steps"),
        ("system_optimization", "old"),
        ("system_optimization", "plain"),
        ("system_optimization", "sum_bytes"),
    ]
    assert not any(task.unknown_keys for task in suite.tasks)


def test_the_checkout_and_its_tasks_folder_are_the_same_suite(checkout: Path) -> None:
    names = [task.name for task in load_suite(checkout).tasks]
    assert [task.name for task in load_suite(checkout / "tasks").tasks] == names
    assert [task.name for task in load_suite(checkout / "tasks" / "gpu").tasks] == ["hosts"]
    assert [task.name for task in load_suite(checkout / "tasks" / "plain").tasks] == ["plain"]


def test_a_broken_task_does_not_hide_the_others(checkout: Path) -> None:
    broken = {item.path.name: item.error for item in load_suite(checkout).broken}
    assert set(broken) == {"zz_broken", "wrong"}
    assert broken["wrong"].key == "agent.timeout_sec"
    assert "not valid TOML at line 1" in str(broken["zz_broken"])


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("plain", ["plain"]),
        ("*", ["hosts", "org/mcp", "org/steps", "old", "plain", "sum_bytes"]),
        ("system_optimization/*", ["old", "plain", "sum_bytes"]),
        ("native", ["sum_bytes"]),
        ("sum_bytes", ["sum_bytes"]),
        ("org/*", ["org/mcp", "org/steps"]),
        ("PLAIN", []),
        ("pla", []),
    ],
)
def test_find(checkout: Path, pattern: str, names: list[str]) -> None:
    assert [task.name for task in load_suite(checkout).find(pattern)] == names


def test_get_names_the_nearest(checkout: Path) -> None:
    suite = load_suite(checkout)
    assert suite.get("plain").name == "plain"
    with pytest.raises(TaskError, match="did you mean 'plain'"):
        suite.get("plane")
    with pytest.raises(TaskError, match="it has hosts, served"):
        suite.get("qqqq")
    with pytest.raises(TaskError, match="is more than one task"):
        suite.get("system_optimization/*")


def test_get_of_a_broken_task_says_why_it_is_broken(checkout: Path) -> None:
    with pytest.raises(TaskError, match="not valid TOML"):
        load_suite(checkout).get("zz_broken")


def test_no_tasks_at_all(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"has no task; give a directory"):
        load_suite(tmp_path)
    with pytest.raises(TaskError, match="is not a directory"):
        load_suite(tmp_path / "nowhere")


def test_the_shipped_suite_is_the_default() -> None:
    suite = load_suite()
    assert {"median_filter", "build_flags", "rack_placement"} <= {t.name for t in suite.tasks}
    assert suite.broken == ()


def test_what_python_leaves_behind_is_not_looked_into(checkout: Path) -> None:
    before = len(load_suite(checkout).tasks)
    cache = checkout / "tasks" / "__pycache__"
    write_native(cache / "stale")
    assert len(load_suite(checkout).tasks) == before
    cache.chmod(0o000)  # as an engine that runs as root leaves it to everybody else
    try:
        assert len(load_suite(checkout).tasks) == before
    finally:
        cache.chmod(0o755)
