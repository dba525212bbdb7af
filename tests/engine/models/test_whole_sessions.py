"""Whole sessions through each wire format: a real engine, sandbox and verifier."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.events import ModelPaced, Usage
from tests.engine.support import EngineProcess, everything, running_engine, wait_for
from tests.support.model_server import APIS, Fault, Json, ModelServer, Say

pytestmark = pytest.mark.usefixtures("sandboxes")
CANARY = "sk-canary-7f3a91"
WORK = (
    Say(
        text="Looking.",
        reasoning="What is there?",
        signature="c2lnbmVk",
        calls=(("c1", "bash", {"command": "cat answer.txt"}), ("c2", "bash", {"command": "pwd"})),
    ),
    Fault(status=429, headers={"Retry-After": "0"}, body='{"error": {"message": "slow down"}}'),
    Fault(say=Say(text="word " * 30), cut=0.3),
    Say(calls=(("c3", "edit", {"path": "answer.txt", "content": "30\n"}),), cached=90),
    Say(text="That will do."),  # no call: the harness asks for one
    Say(text="Done.", reasoning="All is done.", calls=(("c4", "submit", {}),)),
)
_TOLD = ("TurnStarted", "TurnFinished", "TurnFailed", "ModelRetried", "ToolStarted", "ToolFinished")
_TIMES = ("at", "seconds", "wait", "n")


def told(engine: EngineProcess, session: str) -> list[Any]:
    """What the journal says of a session's turns and tools, but for times."""
    found = []
    for event in everything(engine):
        body = event.body
        if event.session == session and type(body).__name__ in _TOLD:
            facts = {f: getattr(body, f) for f in body.__struct_fields__ if f not in _TIMES}
            found.append((type(body).__name__, facts))
    return found


def spoken(engine: EngineProcess, session: str) -> list[Any]:
    """The transcript but for times and for what only one API can read."""
    said = []
    for entry in engine.client.transcript(session)["entries"]:
        facts = {k: v for k, v in entry.items() if k not in (*_TIMES, "carried")}
        facts["output"] = str(facts.get("output", "")).partition("[exit code")[0]
        said.append(facts)
    return said


def test_the_same_work_gives_the_same_journal_through_every_api(
    engine: EngineProcess, suite: Path
) -> None:
    with ExitStack() as stack:
        servers = {api: stack.enter_context(ModelServer(WORK, chunk=11)) for api in APIS}
        made = engine.client.create_run(
            {
                "suite": str(suite),
                "size": "quick",
                "concurrency": len(APIS),
                "models": [f"{api}-lab/tiny" for api in APIS],
                "providers": {
                    f"{api}-lab": {"base_url": server.url(api), "api": api}
                    for api, server in servers.items()
                },
            }
        )
        state = engine.until_over(*made["sessions"])
        asked = {api: len(server.requests) for api, server in servers.items()}

    assert asked == dict.fromkeys(APIS, len(WORK))
    sessions = [state.sessions[s] for s in made["sessions"]]
    assert [s.model for s in sessions] == [f"{api}-lab/tiny" for api in APIS]
    assert [s.final_reward for s in sessions] == [pytest.approx(0.7)] * len(APIS)
    journals = [told(engine, s.id) for s in sessions]
    answered = [_usage(journal, "TurnFinished") for journal in journals]
    assert answered == [answered[0]] * len(APIS)
    assert answered[0].turns == 4
    assert answered[0].cached == 40 + 90 + 40 + 40
    # How much a stream tells before it is cut differs; that something was paid does not.
    cut_off = [_usage(journal, "TurnFailed") for journal in journals]
    assert [(u.turns, u.unpriced, u.cost) for u in cut_off] == [(0, 1, None)] * len(APIS)
    assert cut_off[APIS.index("anthropic")].sent == 60 + 40
    assert [s.usage for s in sessions] == [a + c for a, c in zip(answered, cut_off, strict=True)]
    causes = [facts["cause"] for name, facts in journals[0] if name == "ModelRetried"]
    assert causes[0] == "429 rate limit"
    assert len(causes) == 2
    transcripts = [spoken(engine, s.id) for s in sessions]
    for journal, transcript in zip(journals[1:], transcripts[1:], strict=True):
        assert [_comparable(j) for j in journal] == [_comparable(j) for j in journals[0]]
        assert transcript == transcripts[0]


def _usage(journal: list[Any], name: str) -> Usage:
    return sum((facts["usage"] for told_of, facts in journal if told_of == name), Usage())


def _comparable(line: tuple[str, Json]) -> tuple[str, Json]:
    name, facts = line
    left_out = ("detail", "usage") if name == "TurnFailed" else ("detail",)
    return name, {k: v for k, v in facts.items() if k not in left_out}


def test_sessions_share_what_their_account_takes(engine: EngineProcess, suite: Path) -> None:
    everyone_here = threading.Event()
    submit = Say(calls=(("c1", "submit", {}),))

    def script(body: Json, number: int) -> Say | Fault:
        if number < 4:
            everyone_here.wait(60)
        if number == 4:
            return Fault(status=429, headers={"Retry-After": "0"}, body="{}")
        return submit

    with ModelServer(script) as server:
        made = engine.client.create_run(
            {
                "suite": str(suite),
                "size": "quick",
                "concurrency": 6,
                "attempts": 6,
                "models": ["lab/tiny"],
                "providers": {"lab": {"base_url": server.url("chat")}},
            }
        )
        try:
            # Those that have a place may still be on their way when the others already wait.
            wait_for(lambda: _waiting(engine) == 2 and len(server.requests) == 4, 60)
        finally:
            everyone_here.set()
        state = engine.until_over(*made["sessions"])
        assert len(server.requests) == 7

    assert {s.outcome for s in state.sessions.values()} == {"no_valid_result"}
    waited = [s for s in state.sessions.values() if s.clocks.waiting > 0.0]
    assert len(waited) >= 2
    limits, causes = zip(*_paces(engine), strict=True)
    assert limits[0] == 5
    assert causes.count("429 rate limit") == 1
    assert limits[causes.index("429 rate limit")] < 5


def _waiting(engine: EngineProcess) -> int:
    sessions = engine.client.state().sessions.values()
    return sum(s.activity == "waiting for the provider" for s in sessions)


def _paces(engine: EngineProcess) -> list[tuple[int, str]]:
    bodies = (event.body for event in everything(engine))
    return [(body.limit, body.cause) for body in bodies if isinstance(body, ModelPaced)]


@pytest.mark.parametrize("place", ["env", "file", "command"])
def test_a_key_is_found_nowhere_but_where_it_was_put(
    tmp_path: Path, suite: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    config = tmp_path / "config"
    config.mkdir(exist_ok=True)
    file = tmp_path / "key"
    if place == "env":
        monkeypatch.setenv("LAB_KEY", CANARY)
        source = 'key_env = "LAB_KEY"'
    else:
        file.write_text(CANARY + "\n")
        source = f'key_file = "{file}"' if place == "file" else f'key_command = ["cat", "{file}"]'
    look = "env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; ls /"
    script: list[Say | Fault] = [
        Fault(status=500, body=f'{{"error": {{"message": "who sent {CANARY}?"}}}}'),
        Say(text=CANARY + "." * 20, calls=(("c1", "bash", {"command": look}),)),
        Fault(status=401, body=f'{{"error": {{"message": "{CANARY} is no key"}}}}'),
    ]
    if place == "env":  # the engine itself holds it: does the verifier that it starts?
        edit = {"path": "answer.txt", "content": CANARY}
        script.insert(2, Say(text=CANARY, calls=(("c2", "edit", edit),)))
    holders: set[bytes] = set()

    def answered(_: Json, number: int) -> Say | Fault:
        # The sandbox is alive now, and after the edit the verifier soon is.
        holders.update(_holding(CANARY))
        return script[number]

    with ModelServer(answered) as server:
        (config / "autolab.toml").write_text(
            f'[providers.lab]\nbase_url = "{server.url("anthropic")}"\napi = "anthropic"\n{source}'
        )
        with running_engine(tmp_path / "state") as engine:
            made = engine.client.create_run(
                {"suite": str(suite), "size": "quick", "models": ["lab/tiny"]}
            )
            (session,) = made["sessions"]
            wait_for(lambda: engine.session(session).state == "paused", 60)
            reason = engine.session(session).state_reason
            engine.client.stop([session])
            engine.until_over(session)
            shown = str(engine.client.transcript(session))
            told = str(list(everything(engine))) + str(engine.client.state())
            holders.update(_holding(CANARY))
            owner = {_command_line(engine.pid)} if place == "env" else set()
            left = [p for p in (tmp_path / "state").rglob("*") if p.is_file()]
            stored = {str(p): p.read_bytes() for p in left}
    assert [h["x-api-key"] for h in server.headers] == [CANARY] * len(script)
    assert holders == owner
    assert "PATH=" in shown  # the sandbox's environment was seen
    assert "[key]" in shown
    assert CANARY not in shown
    assert CANARY not in told
    assert any(name.endswith("engine.log") for name in stored)
    assert any(name.endswith("transcript.jsonl") for name in stored)
    assert [name for name, data in stored.items() if CANARY.encode() in data] == []
    assert "no key" in reason


def _holding(word: str) -> set[bytes]:
    """The command lines of what shows a word to `ps e`, in its environment or on that line.

    By line and not by pid: for a moment what was forked is still the program that forked it.
    """
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended, or is another user's
            line = _command_line(int(folder.name))
            if word.encode() in line + (folder / "environ").read_bytes():
                found.add(line)
    return found


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
