"""Screening: what an artifact's text, program and behaviour say about its intentions.

A finding never makes a reward smaller. It is attached to the verdict, and a severe one holds the
verdict for a person (`suspect`, cause `tampered`).
"""

from verifier.screening.static import Screened, screen

__all__ = ["Screened", "screen"]
