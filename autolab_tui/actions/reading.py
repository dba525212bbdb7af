"""What an operator can do at a difference and at a list of files."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action("diff.baseline", "diff", ("b",), "against('baseline')", "baseline",
           "Against the untouched task", 1),
    Action("diff.previous", "diff", ("p",), "against('previous')", "previous",
           "Against what it was before", 2),
    Action("diff.best", "diff", ("B",), "against('best')", "best", "Against the best snapshot", 3),
    Action("diff.keep", "diff", ("m",), "keep", "this one",
           "Against the snapshot that is shown: then [ and ] show another beside it", 4),
    Action("diff.older", "diff", ("left_square_bracket", "N"), "step(1)", "older",
           "The verdict before: its snapshot", 5),
    Action("diff.newer", "diff", ("right_square_bracket", "n"), "step(-1)", "newer",
           "The verdict after: its snapshot", 6),
    Action("diff.restore", "diff", ("R",), "restore", "restore",
           "Restore the session's files to the snapshot that is shown (asks first)", 8, order=True),
    Action("diff.copy", "diff", ("y",), "copy", "copy", "Copy the difference to the clipboard", 7),
    Action("diff.close", "diff", ("escape", "q", "enter"), "dismiss", "close", "Close", 1, False),
    Action("processes.copy", "processes", ("y",), "copy", "copy", "Copy the process", 1),
    Action("processes.close", "processes", ("escape", "q", "enter", "u"), "dismiss", "close",
           "Close", 2, False),
    Action("files.open", "files", ("enter",), "open", "open",
           "Open the file under the cursor in your pager", 1),
    Action("files.copy", "files", ("y",), "copy", "copy the path",
           "Copy the path to the clipboard", 2),
    Action("files.close", "files", ("escape", "q"), "dismiss", "close", "Close", 3, False),
)  # fmt: skip
