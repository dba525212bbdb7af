"""Agents of somebody else's in whole sessions: real engine, sandbox, relay, proxy and verifier."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineRefusedError
from engine.events import ModelRetried, SessionMoved, Usage
from engine.paths import config_dir
from engine.state import SessionState
from tests.engine.support import EngineProcess, kill_keeper, running_engine, wait_for
from tests.support.model_server import Fault, Json, ModelServer, Say
from verifier.sandbox import places, uids

pytestmark = pytest.mark.usefixtures("sandboxes")
AGENTS = Path(__file__).parents[2] / "support" / "agents"
CANARY = "sk-canary-90d1"
CHAT = ("--model", "{model}", "--base-url", "{base_url}", "--task", "{instruction_file}")


def bash(command: str, text: str = "") -> Say:
    return Say(text=text, calls=(("c1", "bash", {"command": command}),))


WORK = (bash("cat answer.txt", "Looking."), bash("echo 30 > answer.txt"), Say(text="Done."))


def harness(name: str, command: Sequence[str], program: Path | str = "", **knobs: Any) -> None:
    """Write a harness with a command."""
    folder = config_dir() / "harnesses"
    folder.mkdir(parents=True, exist_ok=True)
    lines = ['extends = "minimal"', 'loop = "command"', "tools = []"]
    lines += [f"command = {json.dumps(list(command))}", f"program = {json.dumps(str(program))}"]
    lines += [f"{knob} = {json.dumps(value)}" for knob, value in knobs.items()]
    (folder / f"{name}.toml").write_text("\n".join(lines))


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    """The agents, in a folder that a sandbox can see."""
    state = tmp_path / "somebody else's"
    yield places.make_workspace(state, AGENTS, uids.identity().host_uid("agent", 0))
    places.remove_all(state)


def launch(
    engine: EngineProcess, suite: Path, server: ModelServer | None, name: str, **more: Any
) -> str:
    url = "http://127.0.0.1:9/v1" if server is None else server.url(more.pop("api", "chat"))
    spec = {
        "suite": str(suite),
        "size": "quick",
        "models": ["lab/tiny"],
        "harnesses": [name],
        "providers": {"lab": {"base_url": url, **more.pop("provider", {})}},
        **more,
    }
    (session,) = engine.client.create_run(spec)["sessions"]
    return str(session)


def entries(engine: EngineProcess, session: str, kind: str) -> list[dict[str, Any]]:
    found = engine.client.transcript(session, 0, 1000)["entries"]
    return [entry for entry in found if entry["kind"] == kind]


def printed(engine: EngineProcess, session: str) -> str:
    return "".join(entry["text"] for entry in entries(engine, session, "output"))


@pytest.mark.parametrize("more", [(), ("--stream",)], ids=["whole", "streamed"])
def test_an_agent_works_and_every_token_is_counted(
    engine: EngineProcess, suite: Path, program: Path, more: tuple[str, ...]
) -> None:
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT, *more], program)
    with ModelServer(WORK) as server:
        session = launch(engine, suite, server, "mine")
        facts = engine.until_over(session).sessions[session]
    assert facts.final_reward == pytest.approx(0.7)
    assert facts.agent == "command"
    assert facts.state == "finished"
    assert "ended it" in facts.outcome_evidence
    used = len(server.requests)
    assert facts.usage == Usage(
        60 * used, 40 * used, 10 * used, 3 * used, turns=used, unpriced=used
    )
    assert [r["model"] for r in server.requests] == ["tiny"] * 3
    assert "Make the number" in server.requests[0]["messages"][0]["content"]
    assert "finish; this ends the session" in server.requests[0]["messages"][0]["content"]
    assert server.requests[1]["messages"][-1]["content"] == "100\n"
    said = [entry["text"] for entry in entries(engine, session, "assistant")]
    assert said == ["Looking.", "", "Done."]
    assert printed(engine, session) == (
        "model: Looking.\n$ cat answer.txt\n100\nmodel: \n$ echo 30 > answer.txt\nmodel: Done.\n"
    )
    (start,) = entries(engine, session, "user")
    assert start["command"][1] == "/opt/agent/chat_agent.py"
    assert entries(engine, session, "note")[-1]["text"] == "the agent ended with exit code 0"
    assert facts.snapshots == 1
    assert places.every(engine.state_dir) == []  # neither workspace nor door


def test_another_agent_speaks_another_api(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    command = ["python3", "{program}/messages_agent.py", "{base_url}", "{model}"]
    harness("mine", [*command, "{instruction_file}"], program)
    work = (
        Say(reasoning="Hm.", signature="c2ln", calls=WORK[0].calls),
        Say(text="Well.", calls=WORK[1].calls, cached=90),
        Say(text="Done."),
    )
    with ModelServer(work, chunk=9) as server:
        provider = {"api": "anthropic"}
        session = launch(engine, suite, server, "mine", api="anthropic", provider=provider)
        facts = engine.until_over(session).sessions[session]
    assert facts.final_reward == pytest.approx(0.7)
    assert facts.usage.turns == len(server.requests) == 3
    assert facts.usage.cached == 40 + 90 + 40
    assert [h["anthropic-beta"] for h in server.headers] == ["x-1"] * 3
    echoed = server.requests[1]["messages"][1]["content"]
    assert echoed[0] == {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    assert server.requests[1]["messages"][2]["content"][0]["content"] == "100\n"
    (thought,) = [e for e in entries(engine, session, "assistant") if e["reasoning"]]
    assert thought["reasoning"] == "Hm."


def test_the_key_is_nowhere_in_the_sandbox_or_in_what_is_kept(
    tmp_path: Path, suite: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", CANARY)
    look = (
        "env; for f in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do tr '\\0' '\\n' <$f; done "
        "2>/dev/null; cat /run/agent/* /proc/*/mountinfo; find / -xdev -size -100k -type f "
        "\\( -path '/run/*' -o -path '/tmp/*' -o -path '/home/*' -o -path '/app/*' -o -path "
        "'/etc/*' -o -path '/opt/*' \\) -exec cat {} + 2>/dev/null | tr -cd '[:print:]\\n'"
    )
    script = (
        Fault(status=500, body=f'{{"error": {{"message": "who sent {CANARY}?"}}}}'),
        bash(look, CANARY + "." * 40),
        Fault(status=400, body=f'{{"error": {{"message": "{CANARY} asked for nonsense"}}}}'),
    )
    provider = {"key_env": "LAB_KEY"}
    with ModelServer(script) as server, running_engine(tmp_path / "state") as engine:
        harness("mine", ["python3", "{program}/chat_agent.py", *CHAT, "--stream"], program)
        session = launch(engine, suite, server, "mine", provider=provider)
        wait_for(lambda: len(server.requests) >= 2)
        during = command_lines()
        facts = engine.until_over(session).sessions[session]
        shown = json.dumps(engine.client.transcript(session, 0, 1000))
        left = [p for p in (tmp_path / "state").rglob("*") if p.is_file()]
        stored = b"".join(p.read_bytes() for p in left)
    assert [h["authorization"] for h in server.headers] == [f"Bearer {CANARY}"] * 3
    assert "PATH=" in shown  # the sandbox's environments were seen
    assert "chat_agent.py" in shown  # and what runs in it
    assert "[key]" in shown
    assert CANARY not in shown
    assert CANARY.encode() not in stored
    assert CANARY not in during + command_lines()
    assert "the agent ended with exit code 3" in shown
    assert facts.outcome == "no_valid_result"  # a request that made no sense is the agent's own
    assert CANARY not in facts.outcome_evidence


def command_lines() -> str:
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # the process has ended
            lines.append(file.read_bytes().decode(errors="replace"))
    return " ".join(lines)


def test_a_token_budget_ends_it(engine: EngineProcess, suite: Path, program: Path) -> None:
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT, "--stream"], program)
    with ModelServer(lambda *_: bash("sleep 0.1")) as server:
        session = launch(engine, suite, server, "mine", budget={"tokens": {"hard": 500}})
        facts = engine.until_over(session).sessions[session]
    assert facts.usage.tokens in (550, 660)  # one call may have begun in the meantime
    assert facts.usage.turns == len(server.requests)
    assert "tokens limit reached" in facts.outcome_evidence


def test_a_command_runs_on_while_the_engine_is_killed_and_comes_back(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    go = "until [ -e go ]; do sleep 0.1; done"
    work = (bash(f"echo started >> starts; echo before; {go}"), *WORK)
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT], program)
    with ModelServer(work) as server:
        session = launch(engine, suite, server, "mine")
        wait_for(lambda: "sleep 0.1" in printed(engine, session))
        before = engine.session(session)
        engine.kill()
        engine.restart()
        wait_for(lambda: engine.session(session).state == "running")
        (workspace,) = (p for p in places.every(engine.state_dir) if (p / "starts").exists())
        (workspace / "go").touch()
        facts = engine.until_over(session).sessions[session]
        starts = entries(engine, session, "user")
    assert len(starts) == 1
    assert before.usage.turns == 1
    assert facts.usage.turns == len(server.requests) == 4
    assert facts.final_reward == pytest.approx(0.7)
    text = printed(engine, session)
    assert text.count("before\n") == 1
    assert text.endswith("$ echo 30 > answer.txt\nmodel: Done.\n")
    assert text.count("model: ") == 4
    numbers = [entry["turn"] for entry in entries(engine, session, "assistant")]
    assert numbers == [1, 2, 3, 4]


def test_a_call_that_dies_with_the_engine_is_made_again_by_the_agent(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    stuck = threading.Event()

    def script(_: Json, number: int) -> Say | Fault:
        if number == 1:
            stuck.set()
            return Fault(say=Say(text="word " * 20), stall=60)
        return WORK[number - (number > 1)]

    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT, "--stream"], program)
    with ModelServer(script) as server:
        session = launch(engine, suite, server, "mine")
        wait_for(stuck.is_set)
        wait_for(lambda: engine.session(session).activity == "generating")
        engine.kill()
        engine.restart()
        facts = engine.until_over(session).sessions[session]
    assert len(server.requests) == 4
    assert facts.usage.turns == 3  # what the dead engine never heard the end of is not counted
    assert facts.final_reward == pytest.approx(0.7)
    assert "no answer: " in printed(engine, session)


def test_a_rate_limit_is_waited_for_by_the_engine_and_not_charged(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    limit = Fault(status=429, headers={"Retry-After": "1"}, body='{"error": {"message": "slow"}}')
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT, "--tries", "1"], program)
    with ModelServer([WORK[0], limit, *WORK[1:]]) as server:
        session = launch(engine, suite, server, "mine")
        facts = engine.until_over(session).sessions[session]
    assert "HTTP 429" not in printed(engine, session)
    assert facts.final_reward == pytest.approx(0.7)
    assert facts.clocks.waiting > 0.0
    assert facts.retries == 0
    assert [e.cause for e in events(engine, session, ModelRetried)] == ["429 rate limit"]


def events(engine: EngineProcess, session: str, kind: type) -> list[Any]:
    newest = engine.client.state().seq
    found = []
    with engine.client.events() as stream:
        for event in stream:
            if not hasattr(event, "body"):
                continue
            if event.session == session and isinstance(event.body, kind):
                found.append(event.body)
            if event.seq >= newest:
                return found
    raise AssertionError("the stream of events ended")


def test_a_hostile_agent_gets_nothing_and_its_work_is_judged(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    command = ["python3", "{program}/hostile_agent.py", "{base_url}", "{instruction_file}"]
    harness("mine", command, program)
    with ModelServer(lambda *_: Say(text="Hello.")) as server:
        session = launch(engine, suite, server, "mine")
        facts = engine.until_over(session).sessions[session]
    found = dict(line.split(": ", 1) for line in printed(engine, session).splitlines())
    assert found == {
        "delete the socket": "refused",
        "write beside it": "refused",
        "another path": "404",
        "no JSON": "400",
        "another API": "400",
        "a search": "400",
        "too large": "413",
        "another host": "b'HTTP/1.1 404 \\r\\nconte'",
        "garbage": "b'HTTP/1.1 400 \\r\\nconte'",
        "after many connections": "200",
        "network": "refused",
    }
    assert [(r["path"], r["model"]) for r in server.requests] == [("/v1/chat/completions", "tiny")]
    assert facts.usage.turns == 1
    assert facts.final_reward == pytest.approx(0.5)
    notes = " ".join(entry["text"] for entry in entries(engine, session, "note"))
    assert "the tool 'web_search' is carried out by the provider" in notes


def test_one_that_must_confirm_is_started_once_more(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT], program, stop="confirm")
    again = (bash("echo 20 > answer.txt"), Say(text="Really done."))
    with ModelServer([*WORK, *again]) as server:
        session = launch(engine, suite, server, "mine")
        facts = engine.until_over(session).sessions[session]
        starts = entries(engine, session, "user")
    assert facts.final_reward == pytest.approx(0.8)
    assert facts.usage.turns == 5
    first, second = (r["messages"][0]["content"] for r in (server.requests[0], server.requests[3]))
    assert "started once more to confirm it" in first
    assert second.startswith(first)
    assert "asked to confirm it. You have " in second
    assert [start["start"] for start in starts] == [1, 2]
    assert starts[1]["command"][-1] == "/run/agent/instruction-2.md"


def test_one_that_stops_too_early_is_sent_back_until_it_asks_for_nothing(
    engine: EngineProcess, suite: Path
) -> None:
    talk = (
        'if [ ! -e asked ]; then touch asked; python3 -c "import urllib.request as u; '
        "u.urlopen(u.Request('$1/v1/chat/completions', b'{\\\"messages\\\": []}'))\"; fi"
    )
    command = ["bash", "-c", talk, "agent", "{base_url}", "{instruction_file}"]
    harness("mine", command, stop="budget", nudges=1)
    with ModelServer([Say(text="Hello.")]) as server:
        session = launch(engine, suite, server, "mine")
        facts = engine.until_over(session).sessions[session]
        starts = entries(engine, session, "user")
    assert len(starts) == 3
    assert "the session goes on. You have " in starts[1]["text"]
    reasons = [e.reason for e in events(engine, session, SessionMoved)]
    assert "agent: the agent ended with exit code 0: 2 starts in a row asked the model nothing" in (
        reasons
    )
    assert facts.usage.turns == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-agent", "{instruction_file}"], "exit code 127 before the model had answered"),
        (
            ["bash", "-c", "echo no model >&2; exit 5", "{instruction_file}"],
            "exit code 5.*no model",
        ),
        (["printf", "{instruction}" * 100], "more than 131071 bytes; give the agent {instr"),
    ],
)
def test_an_agent_that_cannot_work_is_no_result(
    engine: EngineProcess, suite: Path, command: list[str], said: str
) -> None:
    if "printf" in command:
        task = suite / "count_down"
        (task / "instruction.md").write_text("word " * 3000)
        from verifier import pins

        pins.write(task)
    harness("mine", command)
    session = launch(engine, suite, None, "mine")
    facts = engine.until_over(session).sessions[session]
    assert facts.outcome == "infrastructure"
    assert_matches(said, facts)


def assert_matches(said: str, facts: SessionState) -> None:
    for part in said.split(".*"):
        assert part in facts.outcome_evidence


def test_a_key_that_is_refused_pauses_the_session_until_the_operator_resumes_it(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT, "--tries", "1"], program)
    refused = Fault(status=401, body='{"error": {"message": "who are you?"}}')
    with ModelServer([WORK[0], refused, *WORK[1:]]) as server:
        session = launch(engine, suite, server, "mine")
        wait_for(lambda: engine.session(session).state == "paused")
        paused = engine.session(session)
        assert paused.pause is not None
        assert paused.pause.cause == "missing key"
        engine.client.order("resume", {"globs": [session]})
        facts = engine.until_over(session).sessions[session]
    assert facts.final_reward == pytest.approx(0.7)
    assert "who are you" not in printed(engine, session)
    assert len(entries(engine, session, "user")) == 1


def test_a_paused_agent_stands_still_and_goes_on(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    tick = "until [ -e go ]; do echo >> ticks; sleep 0.05; done"
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT], program)
    with ModelServer([bash(tick), *WORK]) as server:
        session = launch(engine, suite, server, "mine")
        ticks = (
            wait_for(lambda: [p for p in places.every(engine.state_dir) if (p / "ticks").exists()])[
                0
            ]
            / "ticks"
        )
        engine.client.order("pause", {"globs": [session]})
        wait_for(lambda: engine.session(session).state == "paused")
        before = ticks.read_bytes()
        threading.Event().wait(0.5)
        assert ticks.read_bytes() == before
        engine.client.order("message", {"globs": [session], "text": "Think of zero."})
        engine.client.order("resume", {"globs": [session]})
        wait_for(lambda: ticks.read_bytes() != before)
        (ticks.parent / "go").touch()
        facts = engine.until_over(session).sessions[session]
    assert facts.final_reward == pytest.approx(0.7)
    assert facts.clocks.paused > 0.0
    assert facts.usage.turns == 4


def test_an_agent_that_was_lost_with_its_sandbox_is_started_again_and_told(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT], program)
    begun = bash("echo 90 > answer.txt; echo begun; sleep 600")
    with ModelServer([begun, *WORK]) as server:
        session = launch(engine, suite, server, "mine")
        wait_for(lambda: "begun" in printed(engine, session))
        engine.client.order("message", {"globs": [session], "text": "Think of zero."})
        kill_keeper(engine.state_dir)
        facts = engine.until_over(session).sessions[session]
        starts = [e for e in entries(engine, session, "user") if e["about"] == "start"]
    assert facts.rebuilds == 1
    assert facts.final_reward == pytest.approx(0.7)
    assert facts.messages == []
    assert facts.usage.turns == len(server.requests) == 4
    assert [start["start"] for start in starts] == [1, 2]
    told = server.requests[1]["messages"][0]["content"]
    assert "You have worked on this before, and were cut off." in told
    assert "[operator] Think of zero." in told
    assert "[engine] Its sandbox was lost" in told
    assert "files in the working directory are as they were" in told
    assert server.requests[2]["messages"][-1]["content"] == "90\n"


def test_a_program_that_is_not_there_is_refused_before_the_run(
    engine: EngineProcess, suite: Path, tmp_path: Path
) -> None:
    harness("mine", ["python3", "{program}/x.py", "{instruction_file}"], tmp_path / "none")
    with pytest.raises(EngineRefusedError, match=r"program = .*none.*does not exist"):
        launch(engine, suite, None, "mine")


def test_stopping_ends_the_agent_and_closes_its_door(
    engine: EngineProcess, suite: Path, program: Path
) -> None:
    harness("mine", ["python3", "{program}/chat_agent.py", *CHAT], program)
    with ModelServer([bash("echo 40 > answer.txt; sleep 600")]) as server:
        session = launch(engine, suite, server, "mine")
        wait_for(lambda: "sleep 600" in printed(engine, session))
        engine.client.stop([session])
        facts = engine.until_over(session).sessions[session]
    assert facts.outcome == "stopped_by_operator"
    assert facts.final_reward == pytest.approx(0.6)
    assert places.every(engine.state_dir) == []
