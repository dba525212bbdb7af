"""Files of live sessions set to a snapshot: a real engine, sandbox and a model that hears of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineRefusedError
from engine.events import Intervened, SnapshotTaken
from engine.journal import read
from engine.offline.snapshots import Stored
from engine.paths import journal_file
from tests.engine.session.test_sessions import kill_keeper
from tests.engine.support import (
    ChatServer,
    EngineProcess,
    Reply,
    sse,
    text_turn,
    tool_turn,
    wait_for,
)
from verifier.sandbox import places

pytestmark = pytest.mark.usefixtures("sandboxes")

WAIT = "until test -e go; do sleep 0.05; done"


class Played:
    """A session whose model plays turns; a command that waits goes on after `go`."""

    def __init__(self, engine: EngineProcess, suite: Path, server: ChatServer, **more: Any) -> None:
        self.engine = engine
        made = engine.client.create_run(
            {
                "suite": str(suite),
                "size": "quick",
                "models": ["local/m"],
                "providers": {"local": {"base_url": server.url}},
                **more,
            }
        )
        (self.id,) = made["sessions"]

    @property
    def workspace(self) -> Path:
        """As the host sees it."""
        file = self.engine.state_dir / "sessions" / self.id / "place.json"
        return Path(json.loads(file.read_text())["directory"])

    def go(self) -> None:
        (self.workspace / "go").touch()

    def until(self, activity: str) -> None:
        wait_for(lambda: self.engine.session(self.id).activity.startswith(activity))

    def events(self, kind: type) -> list[Any]:
        bodies = [event.body for event in read(journal_file(self.engine.state_dir))]
        return [body for body in bodies if isinstance(body, kind)]

    def texts(self, kind: str) -> list[str]:
        entries = self.engine.client.transcript(self.id)["entries"]
        return [e.get("text") or e.get("output") or "" for e in entries if e["kind"] == kind]


def by_turns(*turns: list[dict[str, Any]]) -> Any:
    def script(body: dict[str, Any], number: int) -> Reply:
        answered = sum(m["role"] == "assistant" for m in body["messages"])
        return Reply(sse(turns[min(answered, len(turns) - 1)]))

    return script


def test_a_running_session_gets_its_best_files_back_and_its_model_hears_of_it(
    engine: EngineProcess, suite: Path
) -> None:
    turns = (
        tool_turn("edit", {"path": "answer.txt", "content": "30\n"}),
        tool_turn("bash", {"command": f"echo spoilt > answer.txt; {WAIT}; cat answer.txt"}),
        tool_turn("bash", {"command": "cat answer.txt; ls -ln answer.txt; id -u"}),
        tool_turn("submit", {}),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server)
        wait_for(lambda: engine.session(session.id).points)
        session.until("bash echo spoilt")
        wait_for(lambda: (session.workspace / "answer.txt").read_text() == "spoilt\n")
        dry = engine.client.restore(session.id, "best", by="ann", dry_run=True)
        assert (dry["dry_run"], dry["files"], session.events(Intervened)) == (
            *(True, ["answer.txt"]),
            [],
        )
        done = engine.client.restore(session.id, "best", by="ann", why="it broke its answer")
        session.go()
        state = engine.until_over(session.id)
        last = server.requests[-1]

    facts = state.sessions[session.id]
    assert facts.assisted
    assert facts.final_reward == pytest.approx(0.7)
    assert done["snapshot"] == facts.best_snapshot
    # The command that ran meanwhile sees the restored file, and it belongs to the agent.
    tools = session.texts("tool")
    assert tools[1].startswith("30\n")
    assert tools[2].startswith("30\n-rw-r--r-- 1 1000 1000 3")
    # What was there is not lost.
    stored = Stored(engine.state_dir)
    history = stored.history(session.id)
    assert stored.snapshot(history, done["before"]).files == {"answer.txt": b"spoilt\n"}
    [intervened] = session.events(Intervened)
    assert (intervened.what, intervened.by, intervened.why) == (
        *("restore", "ann", "it broke its answer"),
    )
    # The model is told once, before it is asked again.
    told = [text for text in session.texts("user") if text.startswith("[operator]")]
    assert len(told) == 1
    assert "answer.txt" in told[0]
    assert json.dumps(told[0])[1:-1] in json.dumps(last["messages"])
    feed = [item.text for item in state.feed if item.kind == "intervention"]
    assert feed == ["restore by ann: it broke its answer"]


def test_links_that_an_agent_left_are_replaced_and_not_followed(
    engine: EngineProcess, suite: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    spoil = f"rm answer.txt; ln -s {precious} answer.txt; {WAIT}; cat answer.txt"
    turns = (
        tool_turn("edit", {"path": "answer.txt", "content": "30\n"}),
        tool_turn("bash", {"command": spoil}),
        tool_turn("submit", {}),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server)
        wait_for(lambda: engine.session(session.id).points)
        session.until("bash rm answer")
        answer = session.workspace / "answer.txt"
        wait_for(answer.is_symlink)
        done = engine.client.restore(session.id, "first", by="ann")
        assert done["before"] is None  # a link is no file that could be kept
        assert answer.read_text() == "30\n"
        session.go()
        facts = engine.until_over(session.id).sessions[session.id]
    assert precious.read_text() == "precious"
    assert facts.final_reward == pytest.approx(0.7)
    assert session.texts("tool")[1].startswith("30\n")


def test_words_are_told_by_an_engine_that_comes_back(engine: EngineProcess, suite: Path) -> None:
    turns = (
        tool_turn("edit", {"path": "answer.txt", "content": "30\n"}),
        tool_turn("bash", {"command": WAIT}),
        tool_turn("submit", {}),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server)
        session.until("bash until")
        engine.client.restore(session.id, "baseline", by="ann")
        engine.kill()
        engine.restart()
        session.go()
        facts = engine.until_over(session.id).sessions[session.id]
    assert facts.assisted
    assert facts.final_reward == 0.0
    told = [text for text in session.texts("user") if text.startswith("[operator]")]
    assert len(told) == 1
    assert "the state that the task began with" in told[0]


def test_a_paused_session_is_set_and_stays_paused(engine: EngineProcess, suite: Path) -> None:
    turns = (
        tool_turn("edit", {"path": "answer.txt", "content": "30\n"}),
        tool_turn("bash", {"command": f"echo spoilt > answer.txt; {WAIT}; cat answer.txt"}),
        tool_turn("submit", {}),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server)
        wait_for(lambda: engine.session(session.id).points)
        session.until("bash echo")
        engine.client.order("pause", {"globs": [session.id], "by": "ann"})
        wait_for(lambda: engine.session(session.id).state == "paused")
        engine.client.restore(session.id, "best", by="ann")
        assert engine.session(session.id).state == "paused"
        assert (session.workspace / "answer.txt").read_text() == "30\n"
        session.go()
        engine.client.order("resume", {"globs": [session.id], "by": "ann"})
        facts = engine.until_over(session.id).sessions[session.id]
    assert facts.final_reward == pytest.approx(0.7)
    # Where signals do the freezing, bash may say that its job was stopped.
    assert "30" in session.texts("tool")[1].splitlines()


@pytest.mark.parametrize("workspace", [True, False], ids=["as it lies", "gone"])
def test_a_paused_session_whose_sandbox_is_gone_is_set_too(
    engine: EngineProcess, suite: Path, workspace: bool
) -> None:
    turns = (
        tool_turn("edit", {"path": "answer.txt", "content": "30\n"}),
        tool_turn("edit", {"path": "answer.txt", "content": "90\n"}),
        tool_turn("bash", {"command": "sleep 300"}),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server)
        wait_for(lambda: engine.session(session.id).snapshots == 2)
        session.until("bash sleep")
        engine.client.order("pause", {"globs": [session.id], "by": "ann"})
        wait_for(lambda: engine.session(session.id).state == "paused")
        engine.kill()
        kill_keeper(engine.state_dir)
        if not workspace:
            places.remove(session.workspace)
        engine.restart()
        wait_for(lambda: "are gone" in engine.session(session.id).state_reason)
        done = engine.client.restore(session.id, "first", by="ann")
        assert done["files"] == ["answer.txt"]
        engine.client.order("resume", {"globs": [session.id], "by": "ann"})
        wait_for(lambda: engine.session(session.id).rebuilds == 1)
        assert (session.workspace / "answer.txt").read_text() == "30\n"
        engine.client.stop([session.id])
        facts = engine.until_over(session.id).sessions[session.id]
    assert facts.assisted
    assert facts.final_reward == pytest.approx(0.7)


def test_what_cannot_be_restored_is_refused_with_the_remedy(
    engine: EngineProcess, suite: Path
) -> None:
    turns = (
        tool_turn("bash", {"command": "rm answer.txt; mkfifo answer.txt; true"}),
        tool_turn("bash", {"command": "sleep 300"}),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server, attempts=1, concurrency=1)
        session.until("bash sleep")
        waiting = Played(engine, suite, server)

        def refused(which: str, name: str = "last") -> tuple[int, str]:
            with pytest.raises(EngineRefusedError) as caught:
                engine.client.restore(which, name, by="ann")
            return caught.value.status, str(caught.value)

        wait_for(lambda: session.events(SnapshotTaken))
        assert refused(session.id, "last")[0] == 409
        assert "could not be collected" in refused(session.id, "last")[1]
        assert refused(session.id, "best")[0] == 404
        assert refused(session.id, "beef")[0] == 404
        assert refused("nobody")[0] == 404
        with pytest.raises(EngineRefusedError, match="by"):
            engine.client.restore(session.id, "last", by="")
        engine.client.stop([session.id, waiting.id])
        engine.until_over(session.id, waiting.id)
        status, said = refused(session.id, "baseline")
        assert (status, f"snapshot export {session.id}" in said) == (409, True)
    assert not engine.session(session.id).assisted
    assert session.events(Intervened) == []


def test_a_model_that_talks_hears_of_it_too(engine: EngineProcess, suite: Path) -> None:
    """Under the loop at a terminal."""

    def turn(keys: str, done: bool = False, wait: float = 1.0) -> list[dict[str, Any]]:
        commands = [{"keystrokes": keys, "duration": wait}] if keys else []
        reply = {"analysis": "", "plan": "", "commands": commands, "task_complete": done}
        return text_turn(json.dumps(reply))

    turns = (turn("echo 30 > answer.txt\n"), turn("sleep 1\n", wait=2.0), turn("", done=True))
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server, harnesses=["autolab"])
        wait_for(lambda: engine.session(session.id).points)
        session.until("keys sleep")
        engine.client.restore(session.id, "baseline", by="ann")
        engine.until_over(session.id)
        asked = json.dumps(server.requests[-1]["messages"])
    assert asked.count("[operator]") == 1


def test_best_files_that_could_not_be_exported_are_when_the_engine_comes_back(
    engine: EngineProcess, suite: Path
) -> None:
    turns = (
        tool_turn("edit", {"path": "answer.txt", "content": "30\n"}),
        tool_turn("bash", {"command": WAIT}),
        tool_turn("edit", {"path": "answer.txt", "content": "50\n"}),
        tool_turn("submit", {}),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server)
        session.until("bash until")
        folder = engine.state_dir / "sessions" / session.id
        (folder / "best.new").write_text("in the way")
        workspace = session.workspace
        session.go()
        facts = engine.until_over(session.id).sessions[session.id]
    assert (facts.best_reward, facts.final_reward) == (pytest.approx(0.7), pytest.approx(0.5))
    wait_for(lambda: noted(engine, f"snapshot export {session.id} best DIR"))
    assert not workspace.exists()
    assert not (folder / "best").exists()
    (folder / "best.new").unlink()
    engine.kill()
    engine.restart()
    wait_for((folder / "best" / "answer.txt").exists)
    assert (folder / "best" / "answer.txt").read_text() == "30\n"
    wait_for(lambda: not (folder / "place.json").exists())


def noted(engine: EngineProcess, words: str) -> bool:
    return any(words in item.text for item in engine.client.state().feed if item.kind == "note")
