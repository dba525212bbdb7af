"""The loop around a model that works in a terminal: it answers with keystrokes and sees the screen.

As in the loop with tools, all that it knows is in the conversation: each command that was carried
out is a `tool` entry, so a loop that is started again goes on with the next one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from engine.agents.answering import (
    CUT_OFF,
    is_cut_off,
    is_interrupted,
    never_whole,
    next_answer,
    refusal,
)
from engine.agents.bench import Bench
from engine.agents.prompting import stopping_words, system_prompt
from engine.agents.stopping import judge_wish
from engine.agents.terminal_reply import Command, Reply, ReplyError, read_reply
from engine.agents.toolbox import KEYS, FileTroubleError, printed
from engine.agents.updates import updates
from engine.entries import Entry
from engine.models.types import ToolCall
from engine.runs.outcomes import Ending

_SCREEN_LINES = 50
_ABOUT = "terminal"
_MALFORMED = "reply"


class TerminalLoop:
    """An agent that is a model at a terminal."""

    def __init__(self) -> None:
        self._seen: str | None = None  # None: nothing yet, or forgotten with the last engine

    async def work(self, bench: Bench) -> Ending:
        """Work until a wish to stop is granted, or the model cannot be asked any more."""
        if not bench.entries:
            await bench.say("system", text=system_prompt(bench))
        if len(bench.entries) == 1:
            shown = await self._observation(bench)
            await bench.say("user", text=f"{bench.task.instruction}\n\n{shown}")
        while True:
            answer = _unresolved(bench.entries)
            if answer is not None:
                ending = refusal(answer) or await self._resolve(bench, answer)
                if ending is not None:
                    return ending
            if not is_interrupted(bench.entries[-1]):
                for update in updates(bench.harness, bench.standing(), bench.entries):
                    await bench.say("user", **update)
            if (ending := await next_answer(bench)) is not None:
                return ending

    async def _resolve(self, bench: Bench, answer: Entry) -> Ending | None:
        """Carry out an answer and say what came of it, or end the session."""
        try:
            reply = read_reply(_whole_text(bench.entries, answer))
        except ReplyError as error:
            return await _misunderstood(bench, answer, error)
        done = sum(entry["kind"] == "tool" for entry in bench.entries[answer["n"] + 1 :])
        for number, command in enumerate(reply.commands[done:], done):
            await bench.use(_call(answer, number, command))
        said, about = "", _ABOUT
        if reply.task_complete:
            wish = judge_wish(bench.harness, bench.standing(), bench.entries)
            if wish.granted:
                return Ending("agent", f"said that the task is complete{_last_words(reply)}")
            said, about = f"{wish.text}\n\n", "confirm"
        problems = _problems(bench.entries, answer)
        shown = await self._observation(bench)
        await bench.say("user", text=f"{said}{problems}{shown}", about=about)
        return None

    async def _observation(self, bench: Bench) -> str:
        """What is new in the terminal; where that cannot be said, what it shows."""
        try:
            now = (await bench.screen()).rstrip()
        except FileTroubleError as error:
            self._seen = None
            return str(error)
        before, self._seen = self._seen, now
        if before is not None and now.startswith(before) and now != before:
            head, text = "New terminal output:", now[len(before) :].lstrip("\n")
        else:
            head = "Current terminal screen:"
            text = "\n".join(now.splitlines()[-_SCREEN_LINES:])
        return f"{head}\n{printed(text.encode(), bench.harness.output_chars)}"


def _unresolved(entries: Sequence[Entry]) -> Entry | None:
    """The newest answer, unless it goes on or the model was told already what came of it."""
    for entry in reversed(entries):
        if entry["kind"] == "assistant":
            return None if is_interrupted(entry) else entry
        if entry["kind"] in ("user", "summary"):
            return None
    return None


def _whole_text(entries: Sequence[Entry], answer: Entry) -> str:
    """What an answer says, with what it had said before the provider interrupted it."""
    begin = answer["n"]
    while begin > 0 and is_interrupted(entries[begin - 1]):
        begin -= 1
    return "".join(entry["text"] for entry in entries[begin : answer["n"] + 1])


def _call(answer: Entry, number: int, command: Command) -> ToolCall:
    arguments = {"keystrokes": command.keystrokes, "duration": command.duration}
    return ToolCall(f"{answer['n']}-{number}", KEYS, json.dumps(arguments))


def _problems(entries: Sequence[Entry], answer: Entry) -> str:
    """What went wrong with keystrokes; those that were pressed need no words."""
    wrong = [
        f"Keystrokes {number}: {entry['output']}\n\n"
        for number, entry in enumerate(
            (e for e in entries[answer["n"] + 1 :] if e["kind"] == "tool"), 1
        )
        if entry["code"]
    ]
    return "".join(wrong)


async def _misunderstood(bench: Bench, answer: Entry, error: ReplyError) -> Ending | None:
    """Say what was wrong with an answer; after too many in a row the session is over."""
    count = 1
    for entry in reversed(bench.entries[:-1]):
        if entry["kind"] == "tool" or entry.get("about") in (_ABOUT, "confirm"):
            break
        count += entry.get("about") == _MALFORMED
    harness = bench.harness
    if count > harness.nudges:
        return never_whole(bench.entries) or Ending(
            "agent", f"{count} answers in a row were not in the protocol: {error}"
        )
    why = CUT_OFF if is_cut_off(answer) else f"{harness.nudge} {_sentence(error)}"
    await bench.say("user", text=f"{why} {stopping_words(harness)}", about=_MALFORMED)
    return None


def _sentence(error: ReplyError) -> str:
    return f"{str(error)[:1].upper()}{str(error)[1:]}."


def _last_words(reply: Reply) -> str:
    words = " ".join(reply.analysis.split())
    return f": {words[:200]}" if words else ""
