"""What an operator can do at a plot that has the focus."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action("plot.left", "plot", ("left", "h"), "cursor(-1)", "", "The cursor to the left"),
    Action("plot.right", "plot", ("right", "l"), "cursor(1)", "", "The cursor to the right"),
    Action("plot.before", "plot", ("up", "k"), "mark(-1)", "", "The cursor to the verdict before"),
    Action("plot.after", "plot", ("down", "j"), "mark(1)", "", "The cursor to the next verdict"),
    Action("plot.in", "plot", ("plus", "equals_sign"), "zoom(0.5)", "", "Look closer"),
    Action("plot.out", "plot", ("minus",), "zoom(2.0)", "", "Look from further away"),
    Action("plot.pan_left", "plot", ("H", "comma"), "pan(-0.25)", "", "Move the view left"),
    Action("plot.pan_right", "plot", ("L", "full_stop"), "pan(0.25)", "", "Move the view right"),
    Action("plot.whole", "plot", ("0", "home"), "whole", "", "See the whole axis again"),
    Action("plot.open", "plot", ("enter",), "choose", "", "Open the verdict at the cursor"),
)
