"""Makes images for the median filter. The baseline's output is the truth: no check() is needed."""

from __future__ import annotations

import random
import struct
from typing import Any

HEAD = struct.Struct("<III")
MAPS = tuple(
    bytes((low + value * (high - low) // 255) & 255 for value in range(256))
    for low, high in ((0, 255), (0, 60), (20, 120), (90, 110), (100, 255), (128, 129), (180, 240))
)


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    shapes = [
        ("one_pixel", 1, 1, 5, "noise"),
        ("one_row", 97, 1, 3, "noise"),
        ("one_column", 1, 83, 4, "noise"),
        ("radius_0", 37, 23, 0, "noise"),
        ("radius_1", 64, 41, 1, "scene"),
        ("wider_than_image", 9, 14, 31, "noise"),
        ("odd_sizes", 131, 67, 6, "scene"),
        ("two_values", 75, 60, 5, "extremes"),
        ("flat", 50, 40, 7, "flat"),
        ("ramp", 120, 33, 9, "ramp"),
        ("largest_window", 90, 70, 31, "scene"),
    ]
    small = [
        {"name": name, "timed": False, "params": _params(width, height, radius, kind)}
        for name, width, height, radius, kind in shapes
    ]
    timed = _params(params["width"], params["height"], params["radius"], "scene")
    return [*small, {"name": "timed", "timed": True, "params": timed}]


def _params(width: int, height: int, radius: int, kind: str) -> dict[str, Any]:
    return {"width": width, "height": height, "radius": radius, "kind": kind}


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    width, height = params["width"], params["height"]
    pixels = _pixels(params["kind"], width, height, random.Random(seed))
    return HEAD.pack(width, height, params["radius"]) + pixels, width * height


def _pixels(kind: str, width: int, height: int, rng: random.Random) -> bytes:
    if kind == "flat":
        return bytes([rng.randrange(256)]) * (width * height)
    if kind == "ramp":
        start = rng.randrange(256)
        return bytes((start + 2 * x + 3 * y) & 255 for y in range(height) for x in range(width))
    noise = rng.randbytes(width * height)
    if kind == "extremes":
        return noise.translate(bytes(255 * (value & 1) for value in range(256)))
    if kind == "noise":
        return noise
    return _scene(noise, width, height, rng)


def _scene(noise: bytes, width: int, height: int, rng: random.Random) -> bytes:
    """Patches of different brightness and contrast, so that the median moves as in a photograph."""
    tile = 24
    across, down = width // tile + 1, height // tile + 1
    maps = [[rng.choice(MAPS) for _ in range(across)] for _ in range(down)]
    rows = []
    for y in range(height):
        row = noise[y * width : (y + 1) * width]
        line = maps[y // tile]
        rows += [row[at : at + tile].translate(line[at // tile]) for at in range(0, width, tile)]
    return b"".join(rows)
