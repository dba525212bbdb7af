"""Whatever an agent, a model, a task or a provider wrote stays text, on every screen."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from autolab_tui.app import AutolabApp
from autolab_tui.attention import Attention
from autolab_tui.plain import plain
from engine.client import EngineClient
from engine.events import ClockMoved, Intervened, ModelRetried, Noted, SessionPaused
from tests.app.conftest import Desk
from tests.app.journal import Journal
from tests.app.served import EngineServer, serve, still_clock
from tests.app.test_gpus import answer, gpu

NASTY = {
    "escapes": "a\x1b[31mred\x1b]0;title\x07\x1bP+q\x1b\\b\x9b2J\x1b[6n",
    "markup": "[bold red]x[/] [link=http://e]y[/link] [@click=app.quit]z[/]",
    "direction": "abc\u202edcba\u2066x\u2069\u200f\u061c",
    "invisible": "a\u200b\u200d\ufeff\u00ad\u2060b\U000e0041",
    "wide": "漢字かな\U0001f468\u200d\U0001f469\u200d\U0001f467 ｆｕｌｌ",
    "combining": "e" + "\u0301" * 50 + "Z\u0335\u0336\u0337",
    "breaks": "one\r\ntwo\tthree\x0bfour\u2028five\x00six\x7f",
    "endless": "x" * 200_000,
    "surrogate": "\udc80\ud800 half",
}
DEFAULT = ["escapes", "breaks"]
REST = [kind for kind in NASTY if kind not in DEFAULT]
KEYS = (
    ("enter",), ("enter", "F"), ("enter", "enter"), ("enter", "f"), ("v", "v"), ("2",), ("3",),
    ("3", "tab", "tab"), ("3", "enter"), ("4", "space", "j", "space"),
    ("4", "c", "c", "c", "space"), ("5",), ("6",), ("x",), ("e",), ("question_mark",),
    ("space", "i"), ("tab", "j", "enter"),
)  # fmt: skip


def hostile(text: str) -> Journal:
    """A journal with the text in every field that somebody else fills."""
    text = text.encode("utf-8", "replace").decode() if "\ud800" in text else text
    journal = Journal()
    journal.engine()
    names = ["s-1", "s-2"]
    journal.run("r-1", names)
    for name, model in zip(names, (text, f"b/{text}"), strict=True):
        journal.create(name, task=text[:4000], model=model[:4000], run="r-1")
        journal.start(name)
        journal.wait(20)
        journal.tool(name, text, tool=text[:200])
        journal.verdict(name, 10, 0.3, speedup=2.0, reason=text)
        journal.verdict(name, 15, 0.0, status="zero", gate=text[:300], cause="gate", reason=text)
        journal.say(
            name,
            {"kind": "user", "text": text},
            {"kind": text, "text": text},
            {"kind": "assistant", "text": text, "reasoning": text,
             "tool_calls": [{"id": text, "name": text, "arguments": {text: text}}, text]},
            {"kind": "tool", "name": text, "output": text, "code": text, "seconds": text},
            {"kind": "output", "text": [{"text": text}, text]},
        )  # fmt: skip
        journal.live[name] = {"text": text, "reasoning": text, "tool": text}
        journal.write(ModelRetried(attempt=1, cause=text[:200], wait=1.0), name)
        journal.write(Intervened(what="typed", by=text, why=text), name)
        journal.alert(name, text)
    journal.write(Noted(text=text))
    journal.write(SessionPaused(cause="operator", why=text, by=text), "s-1")
    moved = ClockMoved(to="waiting", reason=text, moment=journal.now, cause="rate limit")
    journal.write(moved, "s-2")
    journal.verdict("s-2", 18, 0.3, stage="final", speedup=2.0, reason=text)
    journal.end("s-2", 0.3, "ended", text)
    return journal


def harmless(text: str) -> list[str]:
    """The characters of a screen that no terminal should be sent."""
    allowed = {"\n"}
    return [
        hex(ord(c))
        for c in text
        if c not in allowed and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    ]


@pytest.mark.parametrize(
    "kind", [*DEFAULT, *(pytest.param(k, marks=pytest.mark.slow) for k in REST)]
)
async def test_every_screen_shows_text_as_text(
    socket_path: Path, tmp_path: Path, kind: str
) -> None:
    journal = hostile(NASTY[kind])
    with serve(socket_path, journal) as server:
        server.gpus = answer(gpu(0, name=NASTY["escapes"], trouble=NASTY["direction"]))
        app = AutolabApp(EngineClient(socket_path), clock=still_clock(journal), config=tmp_path)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            at = Desk(app, pilot)
            await at.until(lambda: app.store.loaded and app.store.beats, "first data")
            for keys in KEYS:
                app.action_go("fleet")
                await at.press("g")
                for key in keys:
                    await at.press(key)
                strips = app.screen._compositor.render_strips()
                shown = "\n".join(strip.text for strip in strips)
                assert harmless(shown) == [], (keys, kind)
                assert all(strip.cell_length == 100 for strip in strips), (keys, kind)
                while len(app.screen_stack) > 1:
                    app.pop_screen()
                await pilot.pause()
            assert app.is_running


def test_the_terminal_s_title_is_made_of_numbers_only() -> None:
    title = Attention().title(3, 5, 9)
    assert title is not None
    assert harmless(title) == []


@pytest.mark.parametrize("said", ["[/nope] x", "[@click=app.quit]press[/]", NASTY["escapes"]])
async def test_what_the_engine_refuses_with_stays_text(
    desk: Any, engine: EngineServer, said: str
) -> None:
    engine.refuse["stop"] = (400, said)
    async with desk((100, 30)) as at:
        await at.press("x", "y")
        await at.until(lambda: at.app._notifications, "the message")
        await at.until(lambda: plain(said).split()[0][:20] in at.text(), "its words")
        assert harmless(at.text()) == []


async def test_an_order_that_makes_no_sense_names_sessions_as_text(
    socket_path: Path, tmp_path: Path
) -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1", task="[/task]", model="[@click=app.quit]m[/]", run="r-1")
    journal.start("s-1")
    journal.end("s-1", 0.1, "ended", "[/done]")
    with serve(socket_path, journal):
        app = AutolabApp(EngineClient(socket_path), clock=still_clock(journal), config=tmp_path)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            at = Desk(app, pilot)
            await at.until(lambda: app.store.loaded and app.store.beats, "first data")
            await at.press("x")
            await at.until(lambda: "Nothing to stop" in at.text(), "the answer")
            assert "[/task]" in at.text().split("Nothing to stop")[1]
            await at.press("enter", "o")
            assert app.is_running
