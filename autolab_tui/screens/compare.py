"""Compare: models, harnesses, runs or sessions on the same tasks, drawn over one another."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from autolab_tui.actions import Place
from autolab_tui.analyses import compute, still
from autolab_tui.messages import CallFailed, Computed
from autolab_tui.plain import cut_middle, plain
from autolab_tui.screens.base import Host
from autolab_tui.screens.top import TopScreen
from autolab_tui.views import compare as view
from autolab_tui.views.frame import Frame
from autolab_tui.widgets.lines import Choosable, Lines
from autolab_tui.widgets.plot import ReadablePlot
from engine.analysis.counting import Missing

BESIDE = 130  # cells from which tasks and plot stand side by side
OVER = 32  # rows from which the tasks stand over the plot


class CompareScreen(TopScreen):
    """The sides, what tells them apart, the tasks, and the trajectories overlaid."""

    PLACE: ClassVar[Place] = "compare"
    CSS_PATH = "compare.tcss"
    AUTO_FOCUS = "#sides"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        marked = sorted(host.choice.marked)[: view.MOST_SIDES]
        self._kind = "session" if len(marked) > 1 else view.KINDS[0]
        self._chosen: list[str] = marked if len(marked) > 1 else []
        self._missing: Missing = "exclude"
        self._compared: view.Compared | None = None
        self._asked: tuple[str, tuple[str, ...], Missing] | None = None
        sign = host.glyphs.cursor
        self._title, self._verdict = Lines("title"), Lines("verdict")
        self._sides, self._pairs = Choosable("sides", sign), Choosable("pairs", sign)
        self._pairs_head, self._plot_title = Lines("pairs-head"), Lines("plot-title")
        self._plot = ReadablePlot(host.glyphs, "plot")

    def compose(self) -> ComposeResult:
        """Strip, sides, verdict, tasks and plot, keys."""
        yield from (self.strip, self._title, self._sides, self._verdict)
        with Horizontal(id="body"):
            with Vertical(id="tasks"):
                yield from (self._pairs_head, self._pairs)
            with Vertical(id="drawn"):
                yield from (self._plot_title, self._plot)
        yield self.keys

    def draw_frame(self, frame: Frame) -> None:
        """Draw everything; compare anew when the choice changed."""
        cells, height = self.size
        if cells < 1:
            return
        self.keys.note = (("missing as 0" if self._missing == "zero" else "", "warn"),)
        super().draw_frame(frame)
        known = view.names(list(self.host.store.state.sessions.values()), self._kind)
        self._chosen = [name for name in self._chosen if name in known]
        title = f"compare {self._kind}s"
        self._title.show([self.heading(title, f"{len(self._chosen)} chosen", cells)])
        rows = view.sides(known, self._chosen, cells, self.host.glyphs)
        self._sides.styles.height = max(1, min(len(rows), height // 4))
        self._sides.show_rows(rows)
        self._compare()
        compared = self._compared if self._asked else None
        lines = view.verdict(compared, len(self._chosen), cells)
        if len(self._chosen) > 2 or (self._kind == "session" and len(self._chosen) > 1):
            lines = []
        self._verdict.styles.height = min(len(lines), max(3, height // 4))
        self._verdict.show(lines)
        self._lay_out(bool(self._compared and self._compared.made and self._asked))
        self._draw_pairs()
        self._draw_plot(frame)

    def _lay_out(self, paired: bool) -> None:
        wide = self.size.width >= BESIDE
        tall = not wide and self.size.height >= OVER
        either = not wide and not tall
        self.set_class(wide and paired, "-wide")
        self.set_class(tall and paired, "-tall")
        self.set_class(either and paired and self.focused is not self._plot, "-tasks")

    def _compare(self) -> None:
        """Ask for the comparison of two sides that are not single sessions."""
        key = (self._kind, tuple(self._chosen), self._missing)
        if len(self._chosen) != 2 or self._kind == "session":
            self._asked, self._compared = None, None
            return
        if key == self._asked:
            return
        self._asked, self._compared = key, None
        state = self.host.store.state
        picture = still(state, list(state.sessions.values()))
        kind, sides, missing = key
        compute(
            self, "compare", "compare them", lambda: view.contrast(picture, kind, sides, missing)
        )

    def _draw_pairs(self) -> None:
        cells = self._pairs.size.width
        if self._compared is None or self._compared.made is None or cells < 1:
            self._pairs_head.show([])
            self._pairs.show_rows([])
            return
        head, rows = view.pairs(self._compared.made, cells)
        self._pairs_head.show([head])
        self._pairs.show_rows(rows)

    def _draw_plot(self, frame: Frame) -> None:
        known = view.names(list(self.host.store.state.sessions.values()), self._kind)
        tasks = {s.task for side in self._chosen for s in known.get(side, ())}
        pair = (self._pairs.cursor or "").partition("\n")[0]
        task = pair.split(" ")[0] if pair.split(" ")[0] in tasks else None
        if task is None and len(tasks) == 1:
            (task,) = tasks
        cells = self._plot_title.size.width
        note = "mean of the best so far" if self._kind != "session" else "best so far"
        name = cut_middle(plain(task), cells // 2) if task else "all tasks, by share of the budget"
        self._plot_title.show([self.heading(name, note, cells, self._plot.has_focus)])
        self._plot.plot(view.overlay(known, self._chosen, task, frame.moment))

    def action_choose(self) -> None:
        """Put what is under the cursor on a side, or take it away."""
        name = self._sides.cursor
        if name is None or self.focused is not self._sides:
            return
        if name in self._chosen:
            self._chosen.remove(name)
        elif len(self._chosen) < view.MOST_SIDES:
            self._chosen.append(name)
        else:
            self.app.notify(f"at most {view.MOST_SIDES} at once", title="Not another one")
        self._plot.forget()
        self.redraw()

    def action_kind(self) -> None:
        """Compare the next kind of thing."""
        kinds = view.KINDS
        self._kind = kinds[(kinds.index(self._kind) + 1) % len(kinds)]
        self._chosen = []
        self._sides.go_to(0)
        self.redraw()

    def action_pane(self) -> None:
        """Go from the sides to the tasks to the plot."""
        panes = [self._sides, self._pairs, self._plot]
        if not self._pairs.identities:
            panes.remove(self._pairs)
        at = panes.index(self.focused) if self.focused in panes else -1
        panes[(at + 1) % len(panes)].focus()
        self.call_after_refresh(self.redraw)

    def action_swap(self) -> None:
        """Swap the two sides."""
        self._chosen[:2] = reversed(self._chosen[:2])
        self.redraw()

    def action_missing(self) -> None:
        """Leave sessions without a verdict out, or count them as 0."""
        self._missing = "zero" if self._missing == "exclude" else "exclude"
        self.redraw()

    @on(Computed)
    def _computed(self, message: Computed) -> None:
        self._compared = message.result
        self.redraw()

    @on(CallFailed)
    def _failed(self, message: CallFailed) -> None:
        message.stop()
        self._compared = view.Compared(None, f"could not {message.what}: {message.error}")
        self.redraw()

    @on(Choosable.Moved, "#pairs")
    def _moved(self) -> None:
        self._plot.forget()
        self._draw_plot(self.host.frame())

    @on(Choosable.Chosen)
    def _clicked(self) -> None:
        self.action_choose()
