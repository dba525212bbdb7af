"""Whole sessions on GPUs: a real engine, keeper and sandbox, and the driver's library in C."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineRefusedError
from engine.events import ClockMoved, EngineStarted
from engine.state import SessionState
from tests.engine.gpu.machine import Machine, make_gpu_task
from tests.engine.session.test_sessions import spec
from tests.engine.support import (
    ChatServer,
    EngineProcess,
    Reply,
    everything,
    kill_keeper,
    sse,
    tool_turn,
    wait_for,
)

WAIT = "until [ -e /app/go ]; do sleep 0.05; done"


def by_answers(turns: list[Any]) -> Any:
    def script(body: dict[str, Any], _: int) -> Reply:
        answered = sum(m["role"] == "assistant" for m in body["messages"])
        return Reply(sse(turns[min(answered, len(turns) - 1)]))

    return script


def doing(*commands: str) -> Any:
    """A model that runs these commands and submits."""
    calls = [tool_turn("bash", {"command": command}) for command in commands]
    return by_answers([*calls, tool_turn("submit", {})])


def launch(
    engine: EngineProcess, suite: Path, server: ChatServer, task: str = "on_gpu", **more: Any
) -> str:
    asked = {"models": ["local/m"], "providers": {"local": {"base_url": server.url}}, **more}
    (session,) = engine.client.create_run(spec(suite, tasks=[task], **asked))["sessions"]
    return str(session)


def order(engine: EngineProcess, name: str, session: str, **more: Any) -> list[str]:
    return engine.client.order(name, {"globs": [session], "by": "ann", **more})


def until(engine: EngineProcess, session: str, state: str, words: str = "") -> SessionState:
    def there() -> SessionState | None:
        facts = engine.session(session)
        return facts if facts.state == state and words in facts.state_reason else None

    found: SessionState = wait_for(there)
    return found


def workspace(engine: EngineProcess, session: str) -> Path:
    place = engine.state_dir / "sessions" / session / "place.json"
    return Path(json.loads(wait_for(lambda: place.exists() and place.read_text()))["directory"])


def leases(engine: EngineProcess, session: str) -> list[str]:
    return [
        type(e.body).__name__
        for e in everything(engine)
        if e.session == session and type(e.body).__name__.startswith("Lease")
    ]


def test_a_session_has_its_gpu_and_no_other_and_gives_it_back(
    gpu_engine: EngineProcess, gpu_suite: Path, gpus: Machine
) -> None:
    gpus.has("A100", "A100")
    look = "echo $CUDA_VISIBLE_DEVICES; ls /dev | grep nvidia | tr '\\n' ' '; echo 30 > answer.txt"
    with ChatServer(doing(look, "sleep 0.3")) as server:
        session = launch(gpu_engine, gpu_suite, server)
        facts = gpu_engine.until_over(session).sessions[session]
        said = server.requests[1]["messages"][-1]["content"]
    assert said.startswith("GPU-0\nnvidia-uvm nvidia-uvm-tools nvidia0 nvidiactl")
    assert leases(gpu_engine, session) == ["LeaseGranted", "LeaseReturned"]
    assert facts.lease == () and facts.final_reward == pytest.approx(0.7)
    worked = facts.clocks.active("", 0.0)
    assert facts.gpu_time.closed == pytest.approx(worked, abs=0.01) and worked > 0.3


def down_before_it_was_back(engine: EngineProcess, session: str) -> bool:
    """Whether the time of the newest engine's absence began before that engine did."""
    events = list(everything(engine))
    (*_, started) = (e.stamp for e in events if isinstance(e.body, EngineStarted))
    moved = [e.body for e in events if e.session == session and isinstance(e.body, ClockMoved)]
    (*_, down) = (body.moment for body in moved if body.cause == "engine down")
    return down < started


@pytest.mark.slow
def test_whoever_waits_for_a_gpu_says_so_and_holds_nobody_up(
    gpu_engine: EngineProcess, gpu_suite: Path
) -> None:
    with ChatServer(doing(WAIT)) as server:
        first = launch(gpu_engine, gpu_suite, server)
        until(gpu_engine, first, "running")
        second = launch(gpu_engine, gpu_suite, server)
        facts = until(gpu_engine, second, "queued", "waiting: GPU")
        assert facts.state_reason == "waiting: GPU (1 GPU; 1 of 1 here are leased)"
        (other,) = gpu_engine.client.create_run(
            spec(gpu_suite, tasks=["count_down"], agents=["nop"])
        )["sessions"]
        gpu_engine.until_over(other)
        assert gpu_engine.session(second).state == "queued"
        (workspace(gpu_engine, first) / "go").touch()
        gpu_engine.until_over(first)
        until(gpu_engine, second, "running")
        (workspace(gpu_engine, second) / "go").touch()
        gpu_engine.until_over(second)


@pytest.mark.slow
def test_sessions_share_a_gpu_where_the_task_allows_it(
    gpu_engine: EngineProcess, gpu_suite: Path
) -> None:
    make_gpu_task(gpu_suite, "together", shared=True)
    with ChatServer(doing(WAIT)) as server:
        both = [launch(gpu_engine, gpu_suite, server, "together") for _ in range(2)]
        for session in both:
            until(gpu_engine, session, "running")
        alone = launch(gpu_engine, gpu_suite, server)
        until(gpu_engine, alone, "queued", "waiting: GPU")
        for session in both:
            order(gpu_engine, "stop", session)
        until(gpu_engine, alone, "running")
        order(gpu_engine, "stop", alone)
        gpu_engine.until_over(*both, alone)


@pytest.mark.slow
def test_an_engine_that_died_leaves_its_leases_to_the_next(
    gpu_engine: EngineProcess, gpu_suite: Path
) -> None:
    with ChatServer(doing(WAIT)) as server:
        first = launch(gpu_engine, gpu_suite, server)
        until(gpu_engine, first, "running")
        second = launch(gpu_engine, gpu_suite, server)
        until(gpu_engine, second, "queued", "waiting: GPU")
        gpu_engine.kill()
        gpu_engine.restart()
        until(gpu_engine, first, "running")
        until(gpu_engine, second, "queued", "waiting: GPU")
        assert leases(gpu_engine, first) == ["LeaseGranted"]
        assert gpu_engine.session(first).rebuilds == 0
        gpu_engine.kill()
        kill_keeper(gpu_engine.state_dir)
        gpu_engine.restart()
        wait_for(lambda: gpu_engine.session(first).rebuilds)
        assert down_before_it_was_back(gpu_engine, first)
        assert leases(gpu_engine, first) == ["LeaseGranted", "LeaseReturned", "LeaseGranted"]
        assert leases(gpu_engine, second) == []
        for session in (first, second):
            order(gpu_engine, "stop", session)
        gpu_engine.until_over(first, second)


def test_a_pause_says_what_it_keeps_and_release_ends_the_processes_first(
    gpu_engine: EngineProcess, gpu_suite: Path, gpus: Machine
) -> None:
    train = (
        "bash -c \"trap 'sleep 0.2; echo saved > /app/state; exit' TERM; echo \\$\\$ > pid; "
        'while :; do sleep 0.05; done"'
    )
    with ChatServer(doing(train, WAIT)) as server:
        session = launch(gpu_engine, gpu_suite, server)
        until(gpu_engine, session, "running")
        place = workspace(gpu_engine, session)
        wait_for((place / "pid").exists)
        inside = (place / "pid").read_text().strip()
        host = wait_for(lambda: host_pid(inside))
        gpus.has("A100", processes=((0, host, 3 << 30),))
        order(gpu_engine, "pause", session)
        until(gpu_engine, session, "paused")
        held = "1 GPU stays leased with 3.0 GiB of GPU memory held; `autolab pause"
        facts = wait_for(lambda: _doing(gpu_engine, session, held))
        assert [gpu.uuid for gpu in facts.lease] == ["GPU-0"]
        spent = gpu_engine.client.status()["sessions"][0]["gpu_seconds"]
        assert not (place / "state").exists()

        assert order(gpu_engine, "pause", session, release=True) == [session]
        wait_for(lambda: gpu_engine.session(session).lease == ())
        assert (place / "state").read_text() == "saved\n"
        assert not Path(f"/proc/{host}").exists()
        facts = until(gpu_engine, session, "paused", "its processes are gone")
        assert facts.pause is not None and facts.pause.release
        assert facts.clocks.state == "paused"
        status = gpu_engine.client.status()["sessions"][0]
        assert status["gpu_seconds"] == pytest.approx(spent, abs=0.05)

        gpus.has("A100")
        taker = launch(gpu_engine, gpu_suite, server)
        until(gpu_engine, taker, "running")
        order(gpu_engine, "resume", session)
        facts = until(gpu_engine, session, "queued", "waiting: GPU")
        assert (facts.clocks.state, facts.clocks.cause) == ("waiting", "GPU")
        order(gpu_engine, "stop", taker)
        facts = until(gpu_engine, session, "running")
        assert facts.rebuilds == 1
        wait_for(lambda: gpu_engine.session(session).clocks.causes.get("GPU", 0.0) > 0.0)
        (place / "go").touch()
        facts = gpu_engine.until_over(session, taker).sessions[session]
    assert facts.outcome != "infrastructure", facts.outcome_evidence
    assert leases(gpu_engine, session) == ["LeaseGranted", "LeaseReturned"] * 2


def _doing(engine: EngineProcess, session: str, words: str) -> SessionState | None:
    facts = engine.session(session)
    return facts if words in facts.activity else None


def host_pid(inside: str) -> int | None:
    """The host's number of the process that has this one in a sandbox."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "status").read_text()
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            numbers = next(x for x in status.splitlines() if x.startswith("NSpid:")).split()[1:]
            if numbers[-1] == inside and len(numbers) > 1 and b"trap" in line:
                return int(folder.name)
    return None


@pytest.mark.slow
def test_one_that_is_stopped_after_it_gave_its_gpu_back_is_judged_on_one(
    gpu_engine: EngineProcess, gpu_suite: Path
) -> None:
    with ChatServer(doing("echo 40 > answer.txt", WAIT)) as server:
        session = launch(gpu_engine, gpu_suite, server)
        wait_for(lambda: gpu_engine.session(session).best_reward)
        order(gpu_engine, "pause", session, release=True)
        wait_for(lambda: gpu_engine.session(session).lease == ())
        order(gpu_engine, "stop", session)
        facts = gpu_engine.until_over(session).sessions[session]
    assert facts.final_reward == pytest.approx(0.6)
    assert leases(gpu_engine, session) == ["LeaseGranted", "LeaseReturned"] * 2


@pytest.mark.slow
def test_a_gpu_that_is_lost_pauses_its_session_and_another_takes_its_place(
    gpu_engine: EngineProcess, gpu_suite: Path, gpus: Machine
) -> None:
    with ChatServer(doing(WAIT, WAIT)) as server:
        session = launch(gpu_engine, gpu_suite, server)
        until(gpu_engine, session, "running")
        gpus.plays("device 1 uuid=GPU-1 name=NVIDIA_H100")
        facts = until(gpu_engine, session, "paused")
        assert facts.pause is not None and facts.pause.cause == "GPU lost"
        assert facts.pause.why.startswith("NVIDIA A100 (GPU-0) is gone while leased")
        order(gpu_engine, "resume", session)
        wait_for(lambda: [g.uuid for g in gpu_engine.session(session).lease] == ["GPU-1"])
        assert until(gpu_engine, session, "running").rebuilds == 1
        (workspace(gpu_engine, session) / "go").touch()
        facts = gpu_engine.until_over(session).sessions[session]
    assert facts.outcome != "infrastructure"


@pytest.mark.slow
def test_gpu_time_is_a_budget_of_sessions_and_runs(
    gpu_engine: EngineProcess, gpu_suite: Path, gpus: Machine
) -> None:
    gpus.has("A100", "A100", "A100", "A100")
    (gpus.folder / "dev" / "nvidia2").symlink_to("nvidia0")
    (gpus.folder / "dev" / "nvidia3").symlink_to("nvidia0")
    make_gpu_task(gpu_suite, "on_two", "gpus = 2")
    with ChatServer(doing(WAIT)) as server:
        hard = {"gpu": {"hard": 0.6}}
        ended = launch(gpu_engine, gpu_suite, server, "on_two", budget=hard)
        soft = launch(gpu_engine, gpu_suite, server, budget={"gpu": {"soft": 0.3, "hard": 99}})
        facts = gpu_engine.until_over(ended).sessions[ended]
        assert "gpu limit reached" in facts.outcome_evidence
        assert 0.6 <= facts.gpu_time.closed < 0.6 + 4.0
        assert facts.clocks.active("", 0.0) == pytest.approx(facts.gpu_time.closed / 2, abs=0.05)
        facts = until(gpu_engine, soft, "paused")
        assert "gpu limit reached" in str(facts.pause)
        order(gpu_engine, "stop", soft)
        whole = launch(gpu_engine, gpu_suite, server, run_budget={"gpu": {"hard": 0.5}})
        facts = gpu_engine.until_over(whole, soft).sessions[whole]
        assert "the run's gpu limit reached" in facts.outcome_evidence


def test_a_task_whose_gpus_are_not_here_is_refused_with_the_reason(
    gpu_engine: EngineProcess, gpu_suite: Path, gpus: Machine
) -> None:
    make_gpu_task(gpu_suite, "on_two", "gpus = 2")
    make_gpu_task(gpu_suite, "on_h100", 'gpus = 1\ngpu_types = ["H100", "H200"]')
    reasons = {
        "on_two": "needs 2 GPUs, and this machine has 1 NVIDIA A100",
        "on_h100": "needs 1 GPU of type H100 or H200, and this machine has 1 NVIDIA A100",
    }
    for task, why in reasons.items():
        with pytest.raises(EngineRefusedError, match=why):
            gpu_engine.client.create_run(
                spec(gpu_suite, tasks=[task], agents=["nop"]), dry_run=True
            )
    made = gpu_engine.client.create_run(
        spec(gpu_suite, tasks=["on_gpu"], agents=["nop"], attempts=2), dry_run=True
    )
    assert made["forecast"]["gpu"] is not None
