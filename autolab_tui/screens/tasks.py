"""The tasks: what each asks, what it needs and whether this machine has it, what became of it."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from autolab_tui import suite
from autolab_tui.actions import Place
from autolab_tui.analyses import compute
from autolab_tui.messages import CallFailed, Computed
from autolab_tui.roles import Line
from autolab_tui.screens.base import Host
from autolab_tui.screens.listing import ListingScreen
from autolab_tui.screens.top import TopScreen
from autolab_tui.suite import SuiteSeen, TaskSeen
from autolab_tui.views import tasks as view
from autolab_tui.views.frame import Frame
from autolab_tui.widgets.lines import Choosable, Lines

BESIDE = 110  # cells from which the task under the cursor stands beside the list


class TasksScreen(TopScreen):
    """A list by domain, and the task under the cursor whole."""

    PLACE: ClassVar[Place] = "tasks"
    CSS_PATH = "tasks.tcss"
    AUTO_FOCUS = "#list"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._suite: SuiteSeen | None = None
        self._asked = False
        self._trouble = ""
        self._title, self._head = Lines("title"), Lines("head")
        self._list = Choosable("list", host.glyphs.cursor)
        self._facts = Choosable("facts", host.glyphs.cursor)

    def compose(self) -> ComposeResult:
        """Strip, list and task, keys."""
        yield from (self.strip, self._title, self._head)
        with Horizontal(id="body"):
            yield from (self._list, self._facts)
        yield self.keys

    def draw_frame(self, frame: Frame) -> None:
        """Draw the list and the task under the cursor."""
        super().draw_frame(frame)
        cells = self.size.width
        if cells < 1:
            return
        if not self._asked:
            self.action_again()
        self.set_class(cells >= BESIDE, "-wide")
        room = self._list.size.width
        if self._suite is None or room < 1:
            said = self._trouble or "Reading the suite, and looking for what its tasks need."
            self._title.show([((f" {said}", "warn" if self._trouble else "dim"),)])
            return
        ready = sum(not task.why_not for task in self._suite.tasks)
        note = f"{ready} of {len(self._suite.tasks)} can run here"
        self._title.show([self.heading("tasks", note, cells)])
        self._head.show([view.head(room)])
        known = view.past(self.host.store.state)
        self._list.show_rows(view.rows(self._suite, known, room, self.host.glyphs))
        self._draw_facts()

    def _draw_facts(self) -> None:
        task, cells = self.chosen, self._facts.size.width
        if task is None or cells < 1:
            return
        lines = self._lines(task, cells)
        self._facts.show_rows([(str(number), (line,)) for number, line in enumerate(lines)])

    def _lines(self, task: TaskSeen, cells: int) -> list[Line]:
        of = view.past(self.host.store.state).get(task.name, view.Past())
        return view.facts(task, of, cells, self.host.glyphs)

    @property
    def chosen(self) -> TaskSeen | None:
        """The task under the cursor."""
        tasks = self._suite.tasks if self._suite else ()
        return next((task for task in tasks if task.name == self._list.cursor), None)

    def action_again(self) -> None:
        """Read the suite."""
        self._asked = True
        compute(self, "suite", "read the suite", suite.read)

    def action_open(self) -> None:
        """Read the task under the cursor."""
        task = self.chosen
        if task is not None:
            self.app.push_screen(
                ListingScreen(
                    task.name,
                    lambda cells: [
                        (str(n), (line,)) for n, line in enumerate(self._lines(task, cells))
                    ],
                    self.host.glyphs,
                )
            )

    def action_sessions(self) -> None:
        """Show the task's sessions in the fleet."""
        if self.chosen is not None:
            words = f"task:{self.chosen.name}"
            self.host.choice = replace(self.host.choice, words=words, run=None, history=True)
            self.app.run_worker(self.app.run_action("app.go('fleet')"))

    def action_launch(self) -> None:
        """Launch a run of the task under the cursor."""
        if self.chosen is not None:
            self.host.launch([self.chosen.name])

    def action_copy(self) -> None:
        """Copy the path of the task under the cursor."""
        if self.chosen is not None:
            self.host.copy(str(self.chosen.path), "the task's directory")

    @on(Computed)
    def _computed(self, message: Computed) -> None:
        self._suite, self._trouble = message.result, ""
        self.redraw()

    @on(CallFailed)
    def _failed(self, message: CallFailed) -> None:
        message.stop()
        self._trouble = f"could not {message.what}: {message.error}"
        self.redraw()

    @on(Choosable.Moved, "#list")
    def _moved(self) -> None:
        self._facts.go_to(0)
        self._draw_facts()

    @on(Choosable.Chosen, "#list")
    def _chosen(self) -> None:
        self.action_open()
