"""Commands against a real engine, with real sessions of agents that need no model."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import Any

import msgspec
import pytest

from engine.events import decode
from engine.objects import RunObject, SessionObject, StatusObject
from tests.cli import shapes
from tests.cli.conftest import Shell

pytestmark = pytest.mark.usefixtures("sandbox_backend")
NOP = ("--task", "rack_placement", "--agent", "nop", "--size", "quick")


def launch(shell: Shell, *line: str) -> str:
    done = shell("run", *(line or NOP), "--json")
    assert done.returncode == 0, done.stderr
    created = json.loads(done.stdout)
    shapes.check(created)
    return str(created["run"])


def status(shell: Shell, *which: str) -> StatusObject:
    done = shell("status", *which, "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=StatusObject)


def test_a_run_from_launch_to_its_verdicts(shell: Shell) -> None:
    done = shell("run", *NOP, "--watch", "--json")
    assert done.returncode == 0, done.stderr
    events = [decode(line) for line in done.stdout.splitlines()]
    kinds = [event.body.__struct_config__.tag for event in events]
    assert kinds[0] == "run.created"
    assert {"session.created", "verdict.given", "session.ended"} <= set(kinds)
    assert [event.seq for event in events] == sorted({event.seq for event in events})

    now = status(shell)
    assert now.schema == "autolab/status/1"
    assert now.engine is not None
    assert now.engine.state_dir == str(shell.folder)
    [run], [session] = now.runs, now.sessions
    assert (run.state, session.state, session.agent) == ("finished", "finished", "nop")
    assert (session.final_reward, session.outcome) == (0.0, "no_valid_result")

    assert status(shell, run.id).sessions == [session]
    assert status(shell, session.id).runs == [run]
    unknown = shell("status", "nobody")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "nobody" in unknown.stderr
    assert run.id in unknown.stderr

    lines = shell("watch", run.id, "--all")
    assert lines.returncode == 0
    assert "ended: no_valid_result" in lines.stdout
    assert session.id in shell("watch").stdout
    replay = shell("watch", run.id, "--all", "--json").stdout.splitlines()
    assert [decode(line).seq for line in replay] == [event.seq for event in events]

    runs = json.loads(shell("runs", "list", "--json").stdout)
    shapes.check(runs)
    assert msgspec.convert(runs["runs"], list[RunObject]) == [run]
    assert session.id in shell("status").stdout
    assert run.id in shell("runs", "list").stdout


def test_a_scripted_agent_leaves_a_transcript(shell: Shell) -> None:
    run = launch(shell, "--task", "rack_placement", "--agent", "oracle", "--size", "quick")
    assert shell("watch", run, timeout=120).returncode == 0
    [session] = status(shell).sessions
    assert session.final_reward is not None
    assert session.final_reward > 0.5

    folder = shell.folder.parent / "out"
    planned = shell("export", run, "--atif", str(folder), "--dry-run", "--json")
    shapes.check(json.loads(planned.stdout))
    assert not folder.exists()
    for how in ("--atif", "--harbor"):
        done = shell("export", run, how, str(folder), "--json")
        assert done.returncode == 0, done.stderr
        written = json.loads(done.stdout)
        shapes.check(written)
        assert all((folder / name).is_file() for name in written["files"])
    said = json.loads((folder / f"{session.id}.json").read_text())
    assert said["session_id"] == session.id
    assert any("tool_calls" in step and "observation" in step for step in said["steps"])
    trial = folder / run / session.id
    assert json.loads((trial / "agent" / "trajectory.json").read_text()) == said
    assert json.loads((trial / "verifier" / "reward.json").read_text()) == {
        "reward": session.final_reward
    }
    again = shell("export", run, "--atif", str(folder))
    assert (again.returncode, again.stdout) == (1, "")
    assert "--force" in again.stderr
    entries = [json.loads(line) for line in shell("logs", session.id, "--json").stdout.splitlines()]
    assert [entry["n"] for entry in entries] == list(range(len(entries)))
    assert "placement.txt" in shell("logs", session.id, "-f").stdout
    missing = shell("logs", "nobody")
    assert missing.returncode == 1
    assert "nobody" in missing.stderr


def test_engine_verbs(shell: Shell) -> None:
    started = json.loads(shell("engine", "start", "--json").stdout)
    again = json.loads(shell("engine", "start", "--json").stdout)
    assert started["schema"] == again["schema"] == "autolab/engine/1"
    assert started["pid"] == again["pid"]
    assert "runs already" in shell("engine", "start").stdout
    told = json.loads(shell("engine", "status", "--json").stdout)
    assert set(told) == {
        *("schema", "pid", "version", "state_dir", "uptime", "loop_lag", "sessions_running"),
        *("loop_lag_worst", "api_errors", "trouble"),
    }
    assert "would restart" in shell("engine", "restart", "--dry-run").stdout
    renewed = json.loads(shell("engine", "restart", "--json").stdout)
    assert renewed["pid"] != told["pid"]
    dry = json.loads(shell("engine", "stop", "--dry-run", "--json").stdout)
    shapes.check(dry)
    assert shell("engine", "status").returncode == 0
    stopped = json.loads(shell("engine", "stop", "--json").stdout)
    shapes.check(stopped)
    assert stopped["stopped"] is True
    assert shell("engine", "status").returncode == 1


def test_refusals_of_the_engine_are_one_line(shell: Shell) -> None:
    for line, named in (
        (("run", "--task", "no_such_task", "--agent", "nop"), "no_such_task"),
        (("run", "--agent", "nobody"), "nobody"),
        (("run", "--model", "acme/big"), "acme"),
        (("run", "--agent", "nop", "--suite", str(shell.folder / "none")), "none"),
    ):
        done = shell(*line)
        assert done.returncode == 1, done.stdout
        assert named in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert status(shell).runs == []


def test_a_dry_run_creates_nothing(shell: Shell) -> None:
    done = json.loads(shell("run", *NOP, "--attempts", "3", "--dry-run", "--json").stdout)
    shapes.check(done)
    assert (done["run"], len(done["sessions"]), done["dry_run"]) == (None, 3, True)
    assert status(shell).runs == []


def until(shell: Shell, wanted: set[str]) -> SessionObject:
    """The only session, once it is in one of these states."""
    deadline = time.monotonic() + 60
    while True:
        [session] = status(shell).sessions
        if session.state in wanted:
            return session
        assert time.monotonic() < deadline, session.state
        time.sleep(0.1)


def test_stop_scores_what_there_is(shell: Shell, busy: tuple[str, ...]) -> None:
    run = launch(shell, *busy)
    until(shell, {"running"})
    dry = json.loads(shell("stop", run, "--dry-run", "--json").stdout)
    shapes.check(dry)
    assert dry["sessions"] == [f"{run}-01"]
    stopped = json.loads(shell("stop", run, "--json").stdout)
    shapes.check(stopped)
    assert stopped["sessions"] == [f"{run}-01"]
    assert until(shell, {"finished"}).outcome == "stopped_by_operator"
    assert "Nothing that matches is left to stop" in shell("stop", run).stdout


def test_orders_reach_a_session_and_its_json_tells(shell: Shell, busy: tuple[str, ...]) -> None:
    run = launch(shell, *busy)
    until(shell, {"running"})
    name = f"{run}-01"

    def order(*line: str) -> dict[str, Any]:
        done = shell(*line, "--json")
        assert done.returncode == 0, done.stderr
        printed = json.loads(done.stdout)
        shapes.check(printed)
        return dict(printed)

    assert order("pause", run, "--dry-run")["sessions"] == [name]
    assert order("pause", run, "--why", "lunch", "--for", "1h")["sessions"] == [name]
    assert order("pause", run)["sessions"] == []
    paused = until(shell, {"paused"})
    assert paused.pause is not None
    assert (paused.pause.cause, paused.pause.why) == ("schedule", "lunch")
    assert paused.pause.until is not None
    assert f"changed: {name}" in shell("extend", name, "--active", "+10m").stdout
    assert order("extend", name, "--tokens", "50000", "--soft", "turns=900")["sessions"] == [name]
    extended = status(shell).sessions[0]
    assert extended.budget["active"].hard == (paused.budget["active"].hard or 0.0) + 600.0
    assert extended.budget["wall"].hard == (paused.budget["wall"].hard or 0.0) + 1800.0
    assert extended.budget["turns"].soft == 900.0
    assert extended.budget_changes == 2
    assert order("message", name, "look", "at", "the", "racks")["sessions"] == [name]
    assert status(shell).sessions[0].messages_waiting == 1
    assert order("resume", "state:paused")["sessions"] == [name]
    resumed = until(shell, {"running"})
    assert resumed.assisted
    assert order("stop", name)["sessions"] == [name]
    until(shell, {"finished"})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("pause", "nothing"), "no session matches 'nothing'"),
        (("extend", "nothing", "--run", "--cost", "5"), "no run 'nothing'"),
        (("message", "nothing", "hello"), "no session matches 'nothing'"),
    ],
)
def test_an_order_for_nobody_is_refused(shell: Shell, line: tuple[str, ...], said: str) -> None:
    assert shell("engine", "start").returncode == 0
    done = shell(*line)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def watching(shell: Shell, *line: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        shell.command(*line),
        env=shell.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert any(word in line for line in process.stdout), f"{word} never came"


def test_interrupting_a_watch_stops_nothing(shell: Shell, busy: tuple[str, ...]) -> None:
    run = launch(shell, *busy)
    process = watching(shell, "watch", run, "--all")
    read_until(process, "running")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    [session] = status(shell).sessions
    assert session.state not in ("finished", "failed")
    assert session.outcome is None


def test_the_first_interrupt_of_an_own_run_stops_it_and_the_watch_goes_on(
    shell: Shell, busy: tuple[str, ...]
) -> None:
    process = watching(shell, "run", *busy, "--watch")
    read_until(process, "running")
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "asked the sessions to stop" in said
    assert "stopped_by_operator" in out
    assert until(shell, {"finished"}).outcome == "stopped_by_operator"


def test_the_second_interrupt_leaves_the_sessions_alone(
    shell: Shell, busy: tuple[str, ...]
) -> None:
    process = watching(shell, "run", *busy, "--watch")
    read_until(process, "running")
    process.send_signal(signal.SIGINT)
    said = ""
    assert process.stderr is not None
    while "Ctrl-C again" not in said:
        said += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_watch_survives_the_death_of_the_engine(shell: Shell) -> None:
    run = launch(shell, "--task", "rack_placement", "--agent", "ladder", "--size", "quick")
    process = watching(shell, "watch", run, "--all", "--json")
    assert process.stdout is not None
    first = decode(process.stdout.readline())
    pid: Any = json.loads(shell("engine", "status", "--json").stdout)["pid"]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    assert shell("engine", "start").returncode == 0
    out, said = process.communicate(timeout=180)
    assert process.returncode == 0, said
    numbers = [first.seq, *(decode(line).seq for line in out.splitlines())]
    assert numbers == sorted(set(numbers))
    assert until(shell, {"finished", "failed"}).outcome is not None


def test_a_run_is_launched_again(shell: Shell) -> None:
    file = shell.folder.parent / "run.toml"
    file.write_text('task = "rack_placement"\nagent = "nop"\nsize = "quick"\nwatch = true\n')
    assert shell("run", "-f", str(file), "--json").returncode == 0
    [run] = status(shell).runs

    planned = shell("rerun", run.id, "--dry-run", "--json")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    shapes.check(plan)
    assert (plan["run"], len(plan["sessions"]), plan["dry_run"]) == (None, 1, True)
    nothing = json.loads(shell("rerun", run.id, "--unscored", "--json").stdout)
    shapes.check(nothing)
    assert nothing["sessions"] == []  # the only session has its reward of 0
    assert [r.id for r in status(shell).runs] == [run.id]

    created = json.loads(shell("rerun", run.id, "--json").stdout)
    shapes.check(created)
    first, second = status(shell).sessions
    assert created["sessions"] == [second.id]
    assert (second.task, second.agent, second.budget) == (first.task, first.agent, first.budget)
    unknown = shell("rerun", "nobody")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "nobody" in unknown.stderr
    assert run.id in unknown.stderr


def test_a_run_is_removed_and_its_verdicts_stay(shell: Shell, busy: tuple[str, ...]) -> None:
    first, second = (launch(shell), launch(shell, *busy))
    assert shell("watch", first, timeout=120).returncode == 0
    going = shell("runs", "rm", second, "--yes")
    assert (going.returncode, going.stdout) == (1, "")
    assert "goes on" in going.stderr
    assert shell("runs", "rm", first).returncode == 2  # nobody is there to be asked

    planned = json.loads(shell("runs", "rm", first, "--dry-run", "--json").stdout)
    shapes.check(planned)
    assert len(status(shell, first).sessions) == 1
    ledger = json.loads(shell("verdicts", "list", "--json").stdout)["verdicts"]
    removed = shell("runs", "rm", first, "--yes", "--json")
    assert removed.returncode == 0, removed.stderr
    shapes.check(json.loads(removed.stdout))
    [gone] = json.loads(removed.stdout)["runs"]
    assert gone["freed"]["files"] > 0
    assert not (shell.folder / "sessions" / gone["sessions"][0]).exists()

    assert [run.id for run in status(shell).runs] == [second]
    assert shell("replay", first, "--json").returncode == 1
    mine = {v["id"] for v in ledger if v["session"] == gone["sessions"][0]}
    still = json.loads(shell("verdicts", "list", "--json").stdout)["verdicts"]
    assert mine
    assert mine <= {v["id"] for v in still}
    assert shell("verdicts", "verify").returncode == 0

    left = shell.folder / "sessions" / "r-99"
    left.mkdir()
    (left / "transcript.jsonl").write_text("{}\n")
    collected = json.loads(shell("runs", "gc", "--yes", "--json").stdout)
    shapes.check(collected)
    assert collected["sessions"] == ["r-99"]
    assert not left.exists()
    assert shell("engine", "restart").returncode == 0
    assert [run.id for run in status(shell).runs] == [second]
    assert shell("stop", second).returncode == 0
