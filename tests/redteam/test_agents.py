"""What agents do in their own time: sessions with the real engine, keeper, sandbox and verifier.

Each attack is a script that a model runs as its first command. Where an honest artifact is called
for, the next call writes it; then the session submits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from engine.state import SessionState
from tasks import load_task
from tests.engine.support import ChatServer, Reply, running_engine, sse, text_turn, tool_turn
from tests.redteam.catalogue import Attack, attacks
from tests.redteam.conftest import SECRET, Place, Twin
from tests.redteam.expectation import above_its_twin, says, told, unprintable
from verifier.verdict import Verdict

ALL = list(attacks("agent"))
EDITED = {"data": "answer.txt", "native": "solve.c"}
DAEMON = "autolab-redteam-daemon"
ESCAPED = Path("/tmp/autolab-redteam-escaped")


@dataclass(frozen=True)
class Session:
    """How one attack's session ended."""

    facts: SessionState
    verdict: Verdict
    said: str  # by its commands


def turns(attack: Attack, honest: str) -> list[list[dict[str, Any]]]:
    made = [tool_turn("bash", {"command": attack.path.read_text() + "\necho ATTACK OVER\n"})]
    if attack.expect[0][0] == "honest":
        made.append(tool_turn("edit", {"path": EDITED[attack.task], "content": honest}))
    return [*made, tool_turn("submit", {}, "Done."), text_turn("Done.")]


def run_sessions(chosen: list[Attack], place: Place, folder: Path) -> dict[str, Session]:
    """One run with a session for each attack; a model's name says which one it is."""
    honest = {
        kind: load_task(place(kind)).steps()[-1].artifact[EDITED[kind]].decode() for kind in EDITED
    }
    scripts = {attack.name: turns(attack, honest[attack.task]) for attack in chosen}

    def script(body: dict[str, Any], _: int) -> Reply:
        mine = scripts[body["model"]]
        done = sum(message["role"] == "assistant" for message in body["messages"])
        return Reply(sse(mine[min(done, len(mine) - 1)]), piece=65536)

    found: dict[str, Session] = {}
    with ChatServer(script) as server, running_engine(folder / SECRET) as engine:
        made = engine.client.create_run(
            {
                "suite": str(place("data").parent),
                "size": "quick",
                "concurrency": 3,
                "providers": {"lab": {"base_url": server.url}},
                "models": [f"lab/{attack.name}" for attack in chosen],
                "pairs": [[attack.task, f"lab/{attack.name}"] for attack in chosen],
            }
        )
        state = engine.until_over(*made["sessions"], seconds=300.0)
        for session in made["sessions"]:
            facts = state.sessions[session]
            name = facts.model.removeprefix("lab/")
            verdicts = engine.client.verdicts(session)
            entries = engine.client.transcript(session, limit=100)["entries"]
            said = "\n".join(e["output"] for e in entries if e["kind"] == "tool")
            last = msgspec.convert(verdicts[-1], Verdict, strict=False)
            found[name] = Session(facts, last, said)
    return found


@pytest.fixture(scope="module")
def sessions(
    place: Place, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[str, Session]]:
    """The sessions of the attacks that this run of the tests asks for."""
    place("native")
    place("data")
    wanted = {
        item.callspec.params["attack"].name
        for item in request.session.items
        if item.module is request.module and hasattr(item, "callspec")
    }
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOLAB_REDTEAM", SECRET)
        patch.setenv("AUTOLAB_CONFIG", str(folder / "config"))
        yield run_sessions([one for one in ALL if one.name in wanted], place, folder)


@pytest.mark.parametrize(
    "attack",
    [pytest.param(a, id=a.name, marks=[pytest.mark.slow] if a.slow else []) for a in ALL],
)
def test_nothing_done_in_an_agent_s_time_pays(
    attack: Attack, sessions: dict[str, Session], twin: Twin
) -> None:
    session = sessions[attack.name]
    verdict, earned = session.verdict, twin(attack.task)
    # What uses up the memory may end its own sandbox before it is through.
    assert any(end in session.said for end in ("ATTACK OVER", "out of memory")), session.said
    reached = [line for line in session.said.splitlines() if line.startswith("REACHED")]
    if os.geteuid() != 0:
        # The names of mount sources are seen, and an ordinary user's lie in the state folder.
        reached = [line for line in reached if not line.endswith("/mountinfo")]
    assert not reached, session.said
    assert "no daemon was started" not in session.said
    assert SECRET not in session.said
    if verdict.cause == "contention":
        pytest.skip(f"this machine is too busy to measure: {verdict.reason}")
    assert not above_its_twin(verdict, earned), told(verdict)
    assert says(attack.expect, verdict, earned), told(verdict)
    assert attack.note in " ".join(finding.what for finding in verdict.findings), told(verdict)
    assert not unprintable(verdict)
    assert session.facts.final_reward == verdict.reward
    assert not ESCAPED.exists()
    assert not [p.pid for p in psutil.process_iter() if DAEMON in json.dumps(cmdline(p))]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
