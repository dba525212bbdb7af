"""Inputs for equal_bytes; outputs must equal the baseline's."""

import random


def cases(params):
    small = [{"name": f"size-{n}", "timed": False, "params": {"size": n}} for n in (1, 257)]
    return [*small, {"name": "timed", "timed": True, "params": params}]


def generate(params, seed):
    return random.Random(seed).randbytes(params["size"]), 4 * params["size"]
