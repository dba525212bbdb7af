"""A good task, read."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks import TaskError, load_task
from tasks.harbor import megabytes
from tests.tasks.making import FOREIGN, changed, write_foreign, write_native


def test_a_native_task_is_read_whole(tmp_path: Path) -> None:
    task = load_task(write_native(tmp_path / "folder"))
    assert (task.name, task.domain, task.native) == ("sum_bytes", "system_optimization", True)
    assert task.path == tmp_path / "folder"
    assert task.workspace == tmp_path / "folder/environment/app"
    assert task.instruction == "Make it fast.\n"
    assert task.unknown_keys == ()
    assert task.autolab is not None
    assert task.autolab.driver.threads == 1
    assert task.autolab.gate_names == ("artifact", "builds", "runs", "correct")
    assert task.autolab.feedback == "sealed"


def test_a_size_overrides_the_anchors_and_the_budget(tmp_path: Path) -> None:
    task = load_task(write_native(tmp_path))
    quick, full = task.size("quick"), task.size("full")
    assert (quick.params, quick.baseline, quick.reference, quick.active_sec) == (
        {"n": 8},
        0.5,
        0.1,
        60,
    )
    assert (full.params, full.baseline, full.reference, full.active_sec) == ({"n": 99}, 2, 0.2, 600)
    with pytest.raises(TaskError, match=r'has no size "huge".*use "quick" or "full"'):
        task.size("huge")


def test_editable_files_cross_and_others_do_not(tmp_path: Path) -> None:
    task = load_task(write_native(tmp_path))
    assert task.baseline() == {
        "solve.c": b"int slow;\n",
        "src/deep/part.h": b"#define PART 1\n",
    }
    assert task.editable("src/part.h")
    assert not task.editable("entry.c")
    assert not task.editable("deep/solve.c")


def test_stages_add_up(tmp_path: Path) -> None:
    first, second = load_task(write_native(tmp_path)).steps()
    assert (first.name, second.name) == ("01-first", "02-second")
    assert first.files == {"solve.c": b"int faster;\n"}
    assert second.files == {"src/deep/part.h": b"#define PART 2\n"}
    assert second.artifact == {**first.artifact, **second.files}
    assert first.artifact["src/deep/part.h"] == b"#define PART 1\n"


def test_cheats_say_which_gate_stops_them(tmp_path: Path) -> None:
    (cheat,) = load_task(write_native(tmp_path)).cheats()
    assert (cheat.name, cheat.gate) == ("lazy", "correct")
    assert cheat.files == {"solve.c": b"int lazy;\n"}
    assert set(cheat.artifact) == {"solve.c", "src/deep/part.h"}


def test_a_foreign_task_has_one_size(tmp_path: Path) -> None:
    task = load_task(write_foreign(tmp_path / "sorting"))
    assert (task.name, task.domain, task.native) == ("sorting", "system_optimization", False)
    assert task.config.environment.network == "no-network"
    assert task.size("full").active_sec == 7200
    assert task.size("full").reference == 0.5
    assert not task.editable("solve.c")
    with pytest.raises(TaskError, match="no \\[autolab\\] table"):
        task.size("quick")


def test_a_domain_may_come_from_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cuda" / "kernel"
    assert load_task(write_foreign(folder, changed(FOREIGN, "metadata", ...))).domain == "cuda"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "head",
    [
        "<!-- some-canary GUID 12 -->",
        "# CANARY 5 do not train",
        "<!-- canary -->{n}# second canary",
        "<!-- canary -->{n}{n}",
    ],
)
def test_canary_lines_are_not_shown_to_the_agent(tmp_path: Path, head: str, newline: str) -> None:
    write_foreign(tmp_path)
    text = head.replace("{n}", newline) + newline + newline + "# Title" + newline + "canary bird\n"
    (tmp_path / "instruction.md").write_bytes(text.encode())
    assert load_task(tmp_path).instruction == "# Title" + newline + "canary bird\n"


def test_only_leading_canary_comments_are_stripped(tmp_path: Path) -> None:
    write_foreign(tmp_path)
    for text in ("# Title\n<!-- canary -->\n", "The canary sings.\n", "\n# canary\n", ""):
        (tmp_path / "instruction.md").write_text(text)
        assert load_task(tmp_path).instruction == text


def test_unknown_keys_are_kept_listed_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = changed(FOREIGN, "environment.gpu_type", "L40S")
    table = changed(table, "novelty", {"a": 1})
    table = changed(table, "optimization.baseline.spread", 0.2)
    table = changed(table, "steps", [{"name": "one", "pace": 3}])
    write_foreign(tmp_path, table)
    (tmp_path / "steps/one").mkdir(parents=True)
    (tmp_path / "steps/one/instruction.md").write_text("First.")
    with caplog.at_level(logging.WARNING):
        task = load_task(tmp_path)
    assert set(task.unknown_keys) == {
        "environment.gpu_type",
        "novelty",
        "optimization.baseline.spread",
        "steps[0].pace",
    }
    for key in task.unknown_keys:
        assert caplog.text.count(f"the key {key} ") == 1
    assert task.config.model_extra == {"novelty": {"a": 1}}
    assert task.config.environment.model_extra == {"gpu_type": "L40S"}
    assert task.optimization is not None and task.optimization.baseline is not None
    assert task.optimization.baseline.model_extra == {"spread": 0.2}


def test_metadata_is_free(tmp_path: Path) -> None:
    table = changed(FOREIGN, "metadata.anything", [1, {"b": "c"}])
    task = load_task(write_foreign(tmp_path, table))
    assert task.unknown_keys == ()
    assert task.config.metadata["anything"] == [1, {"b": "c"}]


def test_a_later_schema_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = changed(changed(FOREIGN, "version", ...), "schema_version", "2.7")
    assert load_task(write_foreign(tmp_path, table)).config.schema_version == "2.7"
    assert "schema version 2.7" in caplog.text


@pytest.mark.parametrize("key", ["version", "schema_version"])
def test_schema_1_0_assumes_what_it_assumed(tmp_path: Path, key: str) -> None:
    table = {key: "1.0", "environment": {"memory": "3G", "gpus": 1}}
    config = load_task(write_foreign(tmp_path, table)).config
    assert config.schema_version == "1.0"
    assert config.agent.timeout_sec == 600
    assert config.environment.memory_limit_mb == 3072
    assert config.environment.storage_limit_mb == 10240
    assert (config.environment.cpus, config.environment.gpus) == (1, 1)


def test_later_schemas_assume_nothing(tmp_path: Path) -> None:
    config = load_task(write_foreign(tmp_path, {"version": "1.1"})).config
    assert config.agent.timeout_sec is None
    assert config.environment.memory_limit_mb is None
    assert config.environment.cpus is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2G", 2048), ("512M", 512), ("1.5g", 1536), ("100K", 1), ("2 GiB", 2048), ("1T", 1 << 20)],
)
def test_old_sizes(text: str, expected: int) -> None:
    assert megabytes(text) == expected


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "public"),
        ({"allow_internet": True}, "public"),
        ({"allow_internet": False}, "no-network"),
        ({"allow_internet": True, "network_mode": "no-network"}, "no-network"),
        ({"network_mode": "allowlist", "allowed_hosts": ["*.example.org"]}, "allowlist"),
        ({"network_mode": "allowlist", "allowed_hosts": []}, "allowlist"),
    ],
)
def test_the_network_mode_that_holds(
    tmp_path: Path, environment: dict[str, Any], mode: str
) -> None:
    table = {"version": "1.3", "environment": environment}
    assert load_task(write_foreign(tmp_path, table)).config.environment.network == mode


def test_steps_have_instructions_of_their_own(tmp_path: Path) -> None:
    table = {
        "schema_version": "1.2",
        "multi_step_reward_strategy": "final",
        "steps": [{"name": "plan", "min_reward": 0.5}, {"name": "build"}],
    }
    write_foreign(tmp_path, table)
    (tmp_path / "instruction.md").unlink()
    with pytest.raises(TaskError, match=r"steps/plan/instruction\.md: is missing"):
        load_task(tmp_path)
    for name in ("plan", "build"):
        (tmp_path / "steps" / name).mkdir(parents=True)
        (tmp_path / "steps" / name / "instruction.md").write_text(f"Do {name}.")
    task = load_task(tmp_path)
    assert [step.name for step in task.config.steps] == ["plan", "build"]
    assert task.instruction == "Do plan."
    assert task.config.steps[1].verifier.timeout_sec == 600


def test_the_verifier_mode_follows_from_its_environment(tmp_path: Path) -> None:
    table = {"version": "1.2", "verifier": {"environment": {"docker_image": "judge:1"}}}
    verifier = load_task(write_foreign(tmp_path, table)).config.verifier
    assert verifier.mode == "separate"
    assert load_task(write_foreign(tmp_path, FOREIGN)).config.verifier.mode == "shared"


def test_models_are_frozen(tmp_path: Path) -> None:
    task = load_task(write_native(tmp_path))
    with pytest.raises(Exception, match="frozen"):
        task.config.agent.timeout_sec = 1.0
    with pytest.raises(AttributeError):
        task.name = "other"  # type: ignore[misc]


def test_a_byte_code_cache_is_no_part_of_a_task(tmp_path: Path) -> None:
    write_native(tmp_path)
    for place in ("environment/app/src/__pycache__", "solution/steps/__pycache__"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "x.h").write_text("")
    (tmp_path / "solution/steps/01-first/solve.pyc").write_text("")
    task = load_task(tmp_path)
    assert len(task.steps()) == 2
    assert set(task.baseline()) == {"solve.c", "src/deep/part.h"}


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, tasks; assert 'pydantic' not in sys.modules; "
        "tasks.TaskError; assert 'pydantic' not in sys.modules; "
        "tasks.load_task; assert 'pydantic' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_has_nothing_else() -> None:
    import tasks

    with pytest.raises(AttributeError, match="load_tasks"):
        tasks.load_tasks  # type: ignore[attr-defined]  # noqa: B018
