"""Score a recipe yourself: score.py [quick|full] [TRAININGS]. Pinned, and only for you.

The verifier trains with the same code and budget, on readings of its own.
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import trainer
from recipe import parse

SIZES = {"quick": trainer.Budget(4000, 1e9), "full": trainer.Budget(8000, 6e9)}


def main(size: str = "quick", trainings: str = "3") -> int:
    """Print the excess of some trainings, and their mean."""
    budget = SIZES[size]
    recipe = parse((Path(__file__).parent / "recipe.toml").read_bytes())
    steps = trainer.steps_of(recipe, budget)
    print(f"{steps} steps of {recipe.model.members} networks, {recipe.training.batch} readings each")
    start, found = time.monotonic(), []
    for _ in range(int(trainings)):
        found.append(trainer.excess(recipe, budget, time.time_ns()))
        print(f"  {found[-1]:.1f} millinats more than the least possible")
    each = (time.monotonic() - start) / len(found)
    print(f"mean {sum(found) / len(found):.1f} millinats, {each:.1f} s for each training")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
