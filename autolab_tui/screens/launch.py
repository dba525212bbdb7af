"""Launch: choose tasks, models, harness and budget; see what it would come to; start it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from autolab_tui import drafts, suite
from autolab_tui.actions import Place
from autolab_tui.analyses import compute
from autolab_tui.drafts import Draft
from autolab_tui.messages import CallFailed, Computed, Launched, Planned
from autolab_tui.screens.base import Host
from autolab_tui.screens.prompt import PromptScreen
from autolab_tui.screens.top import TopScreen
from autolab_tui.suite import SuiteSeen
from autolab_tui.views import launch as view
from autolab_tui.views.frame import Frame
from autolab_tui.widgets.lines import Choosable, Lines
from engine.harnesses import DEFAULT

_SETTLED = 0.4  # seconds without a change before the engine is asked what it would come to


class LaunchScreen(TopScreen):
    """A form of rows; below it what the run would come to, or what is missing."""

    PLACE: ClassVar[Place] = "launch"
    CSS_PATH = "launch.tcss"
    AUTO_FOCUS = "#form"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._suite: SuiteSeen | None = None
        self._offer: view.Offer | None = None
        self._plan: dict[str, Any] | None = None
        self._problem = ""
        self._asked = False
        self._form = Choosable("form", host.glyphs.cursor)
        self._title, self._outlook_title = Lines("title"), Lines("outlook-title")
        self._outlook = Lines("outlook")

    def compose(self) -> ComposeResult:
        """Strip, form, outlook, keys."""
        yield from (self.strip, self._title, self._form)
        with Vertical(id="below"):
            yield from (self._outlook_title, self._outlook)
        yield self.keys

    @property
    def draft(self) -> Draft:
        """The choices; the app keeps them while other screens are looked at."""
        return self.host.draft

    def draw_frame(self, frame: Frame) -> None:
        """Draw form and outlook."""
        super().draw_frame(frame)
        cells = self.size.width
        if cells < 1:
            return
        if not self._asked:
            self._asked = True
            compute(self, "suite", "read the suite", suite.read)
            compute(self, "offer", "read the settings", _harnesses)
            self._changed()
        offer = self._offer_now()
        self._title.show([self.heading("a new run", "", cells)])
        rows = view.rows(self.draft, self._suite, offer, cells, self.host.glyphs)
        self._form.show_rows(rows)
        self._outlook_title.show([self.heading("what it would come to", "", cells)])
        lines = view.outlook(self.draft, self._plan, self._problem, cells)
        self._outlook.styles.height = max(1, min(len(lines), self.size.height // 3))
        self._outlook.show(lines)

    def _offer_now(self) -> view.Offer:
        models, providers = drafts.used_before(self.host.store.state)
        known = {**providers, **self.draft.providers}
        if known != self.draft.providers:
            self.host.draft = replace(self.draft, providers=known)
        harnesses = self._offer.harnesses if self._offer else {DEFAULT: ""}
        return view.Offer(dict.fromkeys(models, "used before"), harnesses)

    def _change(self, **choices: Any) -> None:
        self.host.draft = replace(self.draft, **choices)
        self._changed()

    def _changed(self) -> None:
        """Ask anew what it would come to, once the operator rests."""
        self._plan, self._problem = None, ""
        draft = self.draft
        if not draft.problem():
            self.set_timer(_SETTLED, lambda: self._ask(draft))
        self.redraw()

    def _ask(self, draft: Draft) -> None:
        if draft == self.draft:
            try:
                self.host.calls.plan(self, draft.spec())
            except ValueError as error:
                self._problem = str(error)
                self.redraw()

    def action_choose(self) -> None:
        """Choose what is under the cursor, or change its value."""
        kind, slash, name = (self._form.cursor or "").partition("/")
        if slash and name:
            self._toggle(kind, name)
        elif kind == "model+":
            self.action_model()
        elif kind == "size":
            self.action_size()
        elif kind in ("attempts", "concurrency"):
            self._ask_number(kind)
        elif kind in ("budget", "run_budget"):
            self._ask_budget(kind)

    def _toggle(self, kind: str, name: str) -> None:
        if kind == "task":
            self._change(tasks=self.draft.tasks ^ {name})
            return
        field = {"model": "models", "agent": "agents", "harness": "harnesses"}[kind]
        before: tuple[str, ...] = getattr(self.draft, field)
        after = tuple(n for n in before if n != name) if name in before else (*before, name)
        self._change(**{field: after})

    def _prompt(
        self, title: str, notes: list[str], example: str, read: Callable[[str], dict[str, Any]]
    ) -> None:
        def problem(text: str) -> str:
            try:
                read(text)
            except ValueError as error:
                return str(error)
            return ""

        def answered(text: str | None) -> None:
            if text is not None:
                self._change(**read(text))

        self.app.push_screen(PromptScreen(title, notes, example, problem), answered)

    def action_model(self) -> None:
        """Add a model by name."""

        def read(text: str) -> dict[str, Any]:
            if not text.strip():
                return {}
            model, provider = drafts.read_model(text)
            providers = dict(self.draft.providers)
            if provider is not None:
                providers[model.partition("/")[0]] = provider
            models = self.draft.models
            return {
                "models": models if model in models else (*models, model),
                "providers": providers,
            }

        notes = [
            "PROVIDER/NAME, and for a provider that the settings do not name its address, and the "
            "variable that holds its key:",
            "",
            "openai/gpt-5.6",
            "local/qwen http://127.0.0.1:8000/v1",
            "lab/big https://api.example.com/v1 LAB_KEY",
        ]
        self._prompt("Add a model", notes, "provider/name", read)

    def _ask_number(self, name: str) -> None:
        def read(text: str) -> dict[str, Any]:
            if not text.strip():
                return {name: None}
            if not text.strip().isdecimal() or not 1 <= int(text) <= 1000:
                raise ValueError(f"{text} is no whole number from 1 to 1000")
            return {name: int(text)}

        said = {
            "attempts": "How often each model tries each task; nothing: as the harness says.",
            "concurrency": "How many sessions go on at a time; nothing: as many as fit.",
        }
        self._prompt(name.capitalize(), [said[name]], "3", read)

    def _ask_budget(self, name: str) -> None:
        def read(text: str) -> dict[str, Any]:
            drafts.limits(text)
            return {name: text.strip()}

        whose = "each session" if name == "budget" else "all sessions together"
        notes = [f"Limits of {whose}; nothing: each task's own time.", "", "active 2h, cost 5"]
        self._prompt("Budget", notes, "active 2h, soft cost 4", read)

    def action_size(self) -> None:
        """Quick size or full size."""
        self._change(size="full" if self.draft.size == "quick" else "quick")

    def action_all(self) -> None:
        """Choose every task that can run here, or none."""
        ready = frozenset(
            t.name for t in (self._suite.tasks if self._suite else ()) if not t.why_not
        )
        self._change(tasks=frozenset() if ready <= self.draft.tasks else ready)

    def action_start(self) -> None:
        """Start the run."""
        problem = self.draft.problem() or self._problem
        if problem:
            self.app.notify(problem, title="Not yet", severity="warning")
            return
        try:
            self.host.calls.launch(self, self.draft.spec())
        except ValueError as error:
            self.app.notify(str(error), title="Not yet", severity="warning")

    @on(Planned)
    def _planned(self, message: Planned) -> None:
        self._plan, self._problem = dict(message.answer), ""
        self.redraw()

    @on(Launched)
    def _launched(self, message: Launched) -> None:
        self.host.launched(message.run, len(message.sessions))

    @on(CallFailed)
    def _failed(self, message: CallFailed) -> None:
        message.stop()
        self._problem = message.error
        self.redraw()

    @on(Computed)
    def _computed(self, message: Computed) -> None:
        if message.name == "suite":
            self._suite = message.result
        else:
            self._offer = view.Offer({}, message.result)
        self.redraw()

    @on(Choosable.Chosen, "#form")
    def _chosen(self) -> None:
        self.action_choose()


def _harnesses() -> dict[str, str]:
    """The harnesses by name, with what each is for."""
    from engine import harnesses

    sound, _ = harnesses.everything()
    return {name: harness.description for name, harness in sound.items()}
