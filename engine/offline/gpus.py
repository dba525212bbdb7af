"""The GPUs of this machine, asked of the driver without an engine."""

from __future__ import annotations

from engine.gpu.reading import Reader, Reading


def reading() -> Reading:
    """What the driver says now. It may hang as drivers do; nothing is raised."""
    reader = Reader()
    try:
        return reader.read()
    finally:
        reader.close()
