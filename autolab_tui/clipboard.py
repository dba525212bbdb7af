"""Text for the operator's clipboard, which only the terminal can reach: OSC 52."""

from __future__ import annotations

from textual.app import App

from autolab_tui import words

# 100,000 characters of base64: what the strictest terminals and multiplexers still take. A longer
# sequence is dropped or cut by them without a word, after a slow line was full of it.
MOST_BYTES = 74_994


def copy(app: App[None], text: str, what: str) -> None:
    """Ask the terminal to take `text`; tell the operator, also when it is too long for that."""
    size = len(text.encode("utf-8", "replace"))
    if size > MOST_BYTES:
        told = f"{what} has {size:,} bytes, and terminals take {MOST_BYTES:,} at most."
        app.notify(told, title="Too long to copy", severity="warning")
        return
    app.copy_to_clipboard(text)
    app.notify(f"{what}: {words.count(len(text))} characters", title="Copied")
