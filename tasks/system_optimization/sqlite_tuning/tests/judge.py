"""Makes shops, and says why a tuning is no good. The untuned day's answers are the truth."""

from __future__ import annotations

import random
import struct
from typing import Any

PLAN = struct.Struct("<Q6I")  # seed, customers, products, purchases, days, steps, crash_every
HEAD = struct.Struct("<I240sI")  # status, message, step
REFUSED, CRASH = 1, 3
KEYS = ("customers", "products", "purchases", "days", "steps", "crash_every")


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    shops = [
        # customers, products, purchases, days, steps, crash_every
        ("first_day_of_all", 4, 3, 0, 1, 60, 0),
        ("one_of_each", 1, 1, 1, 1, 60, 0),
        ("crashes", 80, 30, 300, 12, 96, 12),
        ("crashes_early", 6, 5, 20, 4, 30, 1),
        ("many_purchases_of_few", 3, 60, 400, 30, 100, 0),
        ("one_product", 200, 1, 300, 40, 90, 30),
        ("one_day", 150, 80, 300, 1, 80, 0),
        ("middling", 300, 120, 800, 50, 200, 66),
    ]
    untimed = [
        {"name": name, "timed": False, "params": dict(zip(KEYS, shop, strict=True))}
        for name, *shop in shops
    ]
    timed = {**params, "crash_every": 0}
    return [*untimed, {"name": "timed", "timed": True, "params": timed}]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    of_plan = random.Random(seed).getrandbits(64)
    size = HEAD.size + 8 * (params["steps"] + 1)
    return PLAN.pack(of_plan, *(params[key] for key in KEYS)), size


def check(
    params: dict[str, Any], _input: memoryview, output: memoryview, expected: memoryview
) -> list[tuple[str, bool, str]]:
    status, text, step = HEAD.unpack(output[: HEAD.size])
    message = text.split(b"\0")[0].decode("utf-8", "replace")
    accepted = ("accepted", status != REFUSED, message)
    durable = ("durable", status != CRASH, f"step {step}: {message}")
    answers = ("same_answers", True, "")
    if status != 0:
        answers = ("same_answers", False, f"step {step} fails: {message}")
    elif output != expected:
        at = next(
            i for i in range(HEAD.size, len(output), 8) if output[i : i + 8] != expected[i : i + 8]
        )
        number = (at - HEAD.size) // 8
        where = f"step {number}" if number < params["steps"] else "the rows in the end"
        answers = ("same_answers", False, f"{where}: not what the untuned database gives")
    return [accepted, durable, answers]
