"""A conversation that outgrows its model's window is compacted, and the session goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.agents.conversation import Conversation, conversation, weight
from engine.events import ContextCompacted, MessageLeft, TurnFinished, TurnStarted
from engine.models.types import Api, Provider
from engine.runs.outcomes import Ending
from tests.engine.agents.working import Seat, changed, verdict
from tests.support.model_server import APIS, Json, ModelServer, Say
from tests.support.strict_model import (
    CHARS_PER_TOKEN,
    Refusing,
    StrictModel,
    text_of,
    turns_of,
)

every_api = pytest.mark.parametrize("api", APIS)
both_ways = pytest.mark.parametrize("refusing", ["status", "stream"])
WINDOW = 4_000
FILLER = "." * 900
NOTES = "Write the notes from which you will go on"
DONE = re.compile(r"step (\d+) is done")
STEPS = 10 * WINDOW * CHARS_PER_TOKEN // (2 * len(FILLER)) + 1


def is_for_notes(body: Json) -> bool:
    return NOTES in text_of(turns_of(body))


def done_by(body: Json) -> int:
    """How many steps are done, as far as a request tells: all that a model knows."""
    return max((int(n) for n in DONE.findall(text_of(turns_of(body)))), default=0)


def worker(steps: int, notes: Callable[[int], Say] | None = None) -> Callable[[Json], Say]:
    """A model with tools that does one step after another; it remembers what it reads."""

    def think(body: Json) -> Say:
        done = done_by(body)
        if is_for_notes(body):
            return (notes or written)(done)
        if done >= steps:
            return Say(text="That was all.", calls=(("end", "submit", {}),))
        said = f"echo step {done + 1} is done; {FILLER}"
        calls = ((f"a{done}", "bash", {"command": "true"}), (f"b{done}", "bash", {"command": said}))
        return Say(text="On.", reasoning="What next?", calls=calls)

    return think


def written(done: int) -> Say:
    return Say(text=f"Best so far: {100 - done}, since step {done} is done.", reasoning="Hm.")


def typist(steps: int) -> Callable[[Json], Say]:
    """The same model at a terminal."""

    def think(body: Json) -> Say:
        done = done_by(body)
        if is_for_notes(body):
            return written(done)
        keys = [{"keystrokes": f"echo step {done + 1} is done; {FILLER}\n"}]
        over = done >= steps
        reply = {
            "analysis": "",
            "plan": "",
            "commands": [] if over else keys,
            "task_complete": over,
        }
        return Say(text=json.dumps(reply), reasoning="What next?")

    return think


async def work(seat: Seat, api: Api, model: StrictModel) -> tuple[Ending, ModelServer]:
    with ModelServer(model) as server:
        ending = await seat.work_with(Provider("local", server.url(api), api=api))
        return ending, server


def compactions(seat: Seat) -> list[ContextCompacted]:
    return [body for body in seat.recorded if isinstance(body, ContextCompacted)]


@every_api
@both_ways
async def test_a_session_of_ten_windows_finishes(
    suite: Path, tmp_path: Path, api: Api, refusing: Refusing
) -> None:
    seat = Seat(suite, tmp_path, changed())
    model = StrictModel(api, WINDOW, worker(STEPS), refusing)
    ending, server = await work(seat, api, model)
    assert ending == Ending("agent", "submitted")
    assert [DONE.findall(ran) for ran in seat.desk.ran if ran != "true"] == [
        [str(n)] for n in range(1, STEPS + 1)
    ]
    assert model.broken == []
    assert model.refused
    assert sum(len(text_of(e)) for e in seat.entries()) > 10 * WINDOW * CHARS_PER_TOKEN
    made = compactions(seat)
    assert len(made) >= 10
    assert {(m.how, m.because) for m in made} == {("summary", "overflow")}
    assert all(m.after < m.before / 2 for m in made)
    assert seat.facts.compactions == len(made)
    last = text_of(server.requests[-1])
    assert "Make the number in answer.txt" in last
    assert "You are working alone" in last
    assert f"step {STEPS} is done" in last


@pytest.mark.parametrize("api", ["chat", "anthropic"])
async def test_a_terminal_session_of_ten_windows_finishes(
    suite: Path, tmp_path: Path, api: Api
) -> None:
    seat = Seat(suite, tmp_path, changed("autolab", stop="agent"))
    model = StrictModel(api, WINDOW, typist(STEPS))
    ending, _ = await work(seat, api, model)
    assert ending.by == "agent"
    assert [DONE.findall(keys) for _, keys, _ in seat.desk.pressed] == [
        [str(n)] for n in range(1, STEPS + 1)
    ]
    assert (model.broken, len(compactions(seat)) >= 10) == ([], True)


async def test_the_model_writes_notes_in_turns_that_count_like_any_other(
    suite: Path, tmp_path: Path
) -> None:
    seat = Seat(suite, tmp_path, changed())
    model = StrictModel("chat", WINDOW, worker(12))
    ending, server = await work(seat, "chat", model)
    assert ending.by == "agent"
    asked = [r for r in server.requests if is_for_notes(r)]
    assert "You thought:\nWhat next?" in asked[0]["messages"][1]["content"]
    for request in asked:
        assert "tools" not in request
        assert [m["role"] for m in request["messages"]] == ["system", "user"]
        words = request["messages"][1]["content"]
        assert "<task>\nMake the number in answer.txt" in words
        for heading in ("Best so far", "Tried", "State of the files", "Learned", "Plans"):
            assert f"\n{heading}: " in words
    activities = [b.activity for b in seat.recorded if type(b).__name__ == "ActivityChanged"]
    assert activities.count("compacting") == len(asked)
    finished = [b.turn for b in seat.recorded if isinstance(b, TurnFinished)]
    assert finished == list(range(1, len(model.sizes) + 1))
    assert [b.turn for b in seat.recorded if isinstance(b, TurnStarted)][-1] == finished[-1]
    assert seat.facts.usage.turns == len(model.sizes)
    answers = [e["turn"] for e in seat.entries() if e["kind"] == "assistant"]
    assert len(answers) + sum(m.turns for m in compactions(seat)) == len(model.sizes)
    assert set(answers) < set(finished)


async def test_the_transcript_says_what_was_replaced_and_by_what(
    suite: Path, tmp_path: Path
) -> None:
    seat = Seat(suite, tmp_path, changed())
    await work(seat, "chat", StrictModel("chat", WINDOW, worker(16)))
    entries = seat.entries()
    made = [entry for entry in entries if entry["kind"] == "summary"]
    assert [m.entry for m in compactions(seat)] == [entry["n"] for entry in made]
    for entry in made:
        assert entry["replaces"] == [2, entry["n"] - 1]
        assert entry["notes"] in entry["text"]
        assert 2 <= entry["recent"] < entry["n"]
        assert f"step {DONE.findall(entry['notes'])[0]} is done" in entry["text"]
        assert weight(conversation(entries[: entry["n"]])) == entry["before"]
        assert weight(conversation(entries[: entry["n"] + 1])) == entry["after"]
    texts = [item.text for item in seat._state.feed if item.kind == "context"]
    assert len(texts) == len(made)
    assert "became notes of its own" in texts[0]


async def test_a_loop_that_is_started_again_asks_with_the_same_bytes(
    suite: Path, tmp_path: Path
) -> None:
    """From whatever line of the transcript on: a later engine has nothing else."""
    steps = 9
    first = Seat(suite, tmp_path, changed())
    _, server = await work(first, "anthropic", StrictModel("anthropic", WINDOW, worker(steps)))
    sent = {_key(r): r for r in server.requests}
    lines = first.transcript.read_bytes().splitlines(keepends=True)
    assert b'"kind":"summary"' in b"".join(lines)
    for kept in range(1, len(lines)):
        first.transcript.write_bytes(b"".join(lines[:kept]))
        again = Seat(suite, tmp_path, changed())
        model = StrictModel("anthropic", WINDOW, worker(steps))
        ending, server = await work(again, "anthropic", model)
        assert (ending.by, model.broken) == ("agent", [])
        assert all(_key(request) in sent for request in server.requests)


def _key(request: Json) -> str:
    return json.dumps(request, sort_keys=True)


def test_a_growing_conversation_is_folded_and_not_read_again() -> None:
    class Counted(dict[str, Any]):
        looks = 0

        def __getitem__(self, key: str) -> Any:
            Counted.looks += key == "kind"
            return super().__getitem__(key)

    growing, entries = Conversation(), []
    for number in range(2000):
        call = {"id": f"c{number}", "name": "bash", "arguments": "{}"}
        answer = {"kind": "assistant", "text": "x", "reasoning": "", "tool_calls": [call]}
        entries += [Counted(answer), Counted(kind="tool", call=call["id"], output="o")]
        messages = growing.of(entries)
    assert len(messages) == 4000
    assert messages == conversation(entries)
    assert Counted.looks == 2 * 4000


# --- when even the notes are too much to ask for --------------------------------------------------


@every_api
async def test_an_output_of_many_windows_does_not_end_a_session(
    suite: Path, tmp_path: Path, api: Api
) -> None:
    def think(body: Json) -> Say:
        if is_for_notes(body) or "step 1 is done" in text_of(turns_of(body)):
            return worker(1)(body)
        said = "echo step 1 is done; " + "x" * 20 * WINDOW * CHARS_PER_TOKEN
        return Say(reasoning="Hm.", calls=(("a", "bash", {"command": said}),))

    seat = Seat(suite, tmp_path, changed(output_chars=1_000_000))
    model = StrictModel(api, WINDOW, think)
    ending, _ = await work(seat, api, model)
    assert (ending, model.broken) == (Ending("agent", "submitted"), [])


async def test_a_record_that_does_not_fit_at_once_is_noted_in_pieces(
    suite: Path, tmp_path: Path
) -> None:
    seat = Seat(suite, tmp_path, changed())
    wide = StrictModel("chat", 40 * WINDOW, worker(60))
    narrow = StrictModel("chat", WINDOW, worker(60))
    model: list[StrictModel] = [wide]

    def think(body: Json, number: int) -> Any:
        if number == 50:  # the operator changes to a model with a smaller window
            model[0] = narrow
        return model[0](body, number)

    with ModelServer(think) as server:
        ending = await seat.work_with(Provider("local", server.url("chat")))
    assert ending == Ending("agent", "submitted")
    assert compactions(seat)[0].turns >= 3
    asked = [text_of(r) for r in server.requests if is_for_notes(r)]
    assert "<notes>" not in asked[0]
    assert any("The next part of the record" in words for words in asked)
    pieces = [words for words in asked if "Your notes on what came before" in words]
    assert len(pieces) >= 2
    assert narrow.broken == []
    assert len([ran for ran in seat.desk.ran if ran != "true"]) == 60


async def test_what_fits_in_no_way_ends_the_session_honestly(suite: Path, tmp_path: Path) -> None:
    seat = Seat(suite, tmp_path, changed())
    model = StrictModel("chat", 300, worker(5))
    ending, server = await work(seat, "chat", model)
    assert ending.by == "context"
    assert "maximum context length is 300 tokens" in ending.detail
    assert len(server.requests) < 10
    assert compactions(seat) == []


async def test_a_prompt_that_fills_the_window_ends_the_session_honestly(
    suite: Path, tmp_path: Path
) -> None:
    """The notes can be asked for, but nothing is won by them: no endless paying."""
    seat = Seat(suite, tmp_path, changed(system="Lower {editable}. " + "Think. " * 2000))
    model = StrictModel("chat", 4_500, worker(50))
    ending, server = await work(seat, "chat", model)
    assert ending.by == "context"
    assert any(map(is_for_notes, server.requests))
    assert len(server.requests) < 6


@pytest.mark.parametrize(
    "instead", [Say(text=" "), Say(text="I will not.", stop="refusal"), Say(text="", stop="length")]
)
async def test_a_model_that_writes_no_notes_goes_on_with_its_newest_steps(
    suite: Path, tmp_path: Path, instead: Say
) -> None:
    seat = Seat(suite, tmp_path, changed())
    model = StrictModel("chat", WINDOW, worker(10, lambda _: instead))
    ending, server = await work(seat, "chat", model)
    assert ending == Ending("agent", "submitted")
    assert "there are no notes on its older part" in text_of(server.requests[-1])


# --- what the notes may know ----------------------------------------------------------------------


async def test_the_verdict_that_was_told_last_outlives_the_notes(
    suite: Path, tmp_path: Path
) -> None:
    told = {}
    for feedback in ("sealed", "gates", "score"):
        folder = tmp_path / feedback
        folder.mkdir()
        seat = Seat(suite, folder, changed(feedback=feedback), verdicts={1: verdict(1, 0.375)})
        _, server = await work(seat, "chat", StrictModel("chat", WINDOW, worker(30)))
        told[feedback] = text_of(server.requests[-1])
    assert "word for word" not in told["sealed"]
    assert "0.375" not in told["sealed"]
    assert "What you were told meanwhile, word for word:\n\n[verifier]" in told["gates"]
    assert "passed all checks." in told["gates"]
    assert "0.375" not in told["gates"]
    assert "earned 0.375; the best so far is 0.375." in told["score"]


async def test_what_the_operator_said_outlives_the_notes_word_for_word(
    suite: Path, tmp_path: Path
) -> None:
    seat = Seat(suite, tmp_path, changed())
    seat._fold(MessageLeft(text="Leave notes.txt alone.", origin="operator", by="ann"))
    _, server = await work(seat, "chat", StrictModel("chat", WINDOW, worker(30)))
    assert len(compactions(seat)) >= 2
    for request in server.requests:
        if not is_for_notes(request):
            assert text_of(turns_of(request)).count("[operator] Leave notes.txt alone.") == 1


# --- the knob, value by value ---------------------------------------------------------------------


async def test_none_ends_the_session_when_its_conversation_no_longer_fits(
    suite: Path, tmp_path: Path
) -> None:
    seat = Seat(suite, tmp_path, changed(context="none"))
    model = StrictModel("chat", WINDOW, worker(50))
    ending, server = await work(seat, "chat", model)
    assert ending.by == "context"
    assert "maximum context length" in ending.detail
    assert not any(map(is_for_notes, server.requests))
    assert len(model.refused) == 1


async def test_a_limit_makes_room_before_the_provider_refuses(suite: Path, tmp_path: Path) -> None:
    sizes = {}
    for limit in (0, 5_000):
        folder = tmp_path / str(limit)
        folder.mkdir()
        seat = Seat(suite, folder, changed(context_tokens=limit))
        model = StrictModel("chat", 2 * WINDOW, worker(40))
        ending, _ = await work(seat, "chat", model)
        assert ending == Ending("agent", "submitted")
        sizes[limit] = max(model.sizes)
        assert {m.because for m in compactions(seat)} == {"limit" if limit else "overflow"}
        assert bool(model.refused) is (limit == 0)
    assert sizes[0] > 7_000
    assert sizes[5_000] < 6_000


async def test_a_limit_below_the_prompt_does_not_compact_at_every_turn(
    suite: Path, tmp_path: Path
) -> None:
    system = "Lower {editable}. " + "Think. " * 3000  # more than 5 000 tokens
    seat = Seat(suite, tmp_path, changed(system=system, context_tokens=4_000))
    model = StrictModel("chat", 100 * WINDOW, worker(60))
    ending, _ = await work(seat, "chat", model)
    assert ending == Ending("agent", "submitted")
    assert 1 <= len(compactions(seat)) <= 6


async def test_old_output_is_dropped_without_asking_the_model(suite: Path, tmp_path: Path) -> None:
    def think(body: Json) -> Say:
        done = done_by(body)
        if done >= 120:
            return Say(calls=(("end", "submit", {}),))
        said = f"echo step {done + 1} is done; {FILLER}"
        return Say(calls=(("a", "bash", {"command": said}),))

    seat = Seat(suite, tmp_path, changed(context="drop-tool-output"))
    seat.desk.answers = lambda script: script + "\n" + "o" * 4000
    model = StrictModel("chat", 4 * WINDOW, think)
    ending, server = await work(seat, "chat", model)
    assert ending == Ending("agent", "submitted")
    made = compactions(seat)
    assert [m.how for m in made][:2] == ["drop-tool-output"] * 2
    assert all(m.turns == 0 for m in made if m.how == "drop-tool-output")
    entry = next(e for e in seat.entries() if e["kind"] == "summary")
    text = entry["text"]
    left_out = re.findall(r"\[(\d+) characters stood here\]", text)
    assert {int(n) for n in left_out} <= {len(e["output"]) for e in seat.entries() if "output" in e}
    assert len(left_out) >= 2
    first = text.index("characters stood here")
    assert "o" * 4000 not in text[:first]
    assert "o" * 4000 in text  # the newest are there
    for number in range(1, max(map(int, DONE.findall(text))) + 1):  # and all that was said
        assert f"step {number} is done" in text
    # What cannot be brought down by dropping output alone is noted in the end.
    assert any(m.how == "summary" for m in made)
    assert any(map(is_for_notes, server.requests))


async def test_old_screens_are_dropped_in_a_terminal_too(suite: Path, tmp_path: Path) -> None:
    seat = Seat(suite, tmp_path, changed("autolab", stop="agent", context="drop-tool-output"))
    model = StrictModel("chat", 2 * WINDOW, typist(STEPS // 2))
    ending, server = await work(seat, "chat", model)
    assert ending.by == "agent"
    assert compactions(seat)[0].how == "drop-tool-output"
    assert "characters stood here]" in text_of(server.requests[-1]) + json.dumps(seat.entries())


@pytest.mark.parametrize(("context", "counted"), [("none", 0), ("summary", 1)])
async def test_whether_a_window_is_outgrown_shows_in_the_requests(
    suite: Path, tmp_path: Path, context: str, counted: int
) -> None:
    seat = Seat(suite, tmp_path, changed(context=context))
    _, server = await work(seat, "chat", StrictModel("chat", WINDOW, worker(8)))
    shown = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "user"]
    assert sum("[context]" in content for content in shown) == counted
    assert len(shown) == 1
