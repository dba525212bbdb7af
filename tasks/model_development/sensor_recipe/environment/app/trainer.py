"""Trains a recipe's networks within a budget of operations. Pinned: the verifier runs this file.

Work is counted in operations and not in seconds, so that a recipe means the same on every machine.
A recipe does not say how many steps are made: it gets as many as its budget allows.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import world
from recipe import Recipe

FEWEST_STEPS = 20
_ONE_STEP = 150_000  # for what a step costs however small it is
_HELD_OUT = 10_000


class OverBudgetError(ValueError):
    """The budget does not even allow a few steps."""


@dataclass(frozen=True)
class Budget:
    """What one training may use: `readings` with labels, and operations."""

    readings: int
    operations: float


def layers(recipe: Recipe) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer."""
    sizes = [world.SENSORS, *recipe.model.hidden, world.CONDITIONS]
    return [(a, b) for a, b in itertools.pairwise(sizes)]


def step_cost(recipe: Recipe) -> float:
    """Operations of one step of one network.

    Three multiplications for each weight and reading (forward, and back to weights and to inputs),
    twelve operations for each unit, eight (sgd) or fourteen (adam) for each weight's update.
    """
    shapes = layers(recipe)
    weights = sum(a * b for a, b in shapes)
    units = sum(b for _, b in shapes)
    update = 14 if recipe.optimizer.kind == "adam" else 8
    return recipe.training.batch * (3 * weights + 12 * units) + update * weights + _ONE_STEP


def steps_of(recipe: Recipe, budget: Budget) -> int:
    """How many steps each network gets. Raises `OverBudgetError`."""
    steps = int(budget.operations / (recipe.model.members * step_cost(recipe)))
    if steps < FEWEST_STEPS:
        raise OverBudgetError(f"{steps} steps fit in the budget, fewer than {FEWEST_STEPS}")
    return steps


def excess(recipe: Recipe, budget: Budget, seed: int) -> float:
    """Train on fresh readings, and say by how much the log-loss on others exceeds the least.

    In millinats; the least possible is that of the truth. Both log-losses are of the same held-out
    readings and over the true chances of their labels, so that neither luck with labels nor hard
    readings count. Not finite where training went astray.
    """
    rng = np.random.default_rng(seed)
    x, labels, _ = world.draw(budget.readings, rng)
    held, _, truth = world.draw(_HELD_OUT, rng)
    centre, spread = np.zeros(world.SENSORS), np.ones(world.SENSORS)
    if recipe.inputs.standardize:
        centre, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    x, held = (_prepared(values, centre, spread, recipe.inputs.clip) for values in (x, held))
    steps = steps_of(recipe, budget)
    chances = np.zeros((len(held), world.CONDITIONS))
    with np.errstate(all="ignore"):
        for _ in range(recipe.model.members):
            network = _Training(recipe, rng).run(x, labels, steps)
            chances += _softmax(_forward(network, held, recipe.model.activation)[0][-1])
        chances /= recipe.model.members
        losses = truth * (np.log(truth) - np.log(np.maximum(chances, 1e-30)))
    return float(1000 * losses.sum(axis=1).mean())


def _prepared(
    values: np.ndarray, centre: np.ndarray, spread: np.ndarray, clip: float
) -> np.ndarray:
    values = ((values - centre) / spread).astype(np.float32)
    return np.clip(values, -clip, clip) if clip > 0 else values


_ACTIVATIONS = {
    "tanh": (np.tanh, lambda _, out: 1 - out * out),
    "relu": (lambda x: np.maximum(x, 0), lambda x, _: (x > 0).astype(np.float32)),
    "silu": (
        lambda x: x / (1 + np.exp(-x)),
        lambda x, out: (s := 1 / (1 + np.exp(-x))) + out * (1 - s),
    ),
}


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _forward(
    network: list[np.ndarray],
    x: np.ndarray,
    activation: str,
    masks: list[np.ndarray] | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs of each layer, the input's first; and what went into each activation."""
    act = _ACTIVATIONS[activation][0]
    outputs, sums = [x], []
    for at in range(0, len(network), 2):
        total = outputs[-1] @ network[at] + network[at + 1]
        sums.append(total)
        if at + 2 == len(network):
            outputs.append(total)
        else:
            out = act(total)
            outputs.append(out * masks[at // 2] if masks else out)
    return outputs, sums


class _Training:
    """One network on its way."""

    def __init__(self, recipe: Recipe, rng: np.random.Generator) -> None:
        self._recipe = recipe
        self._rng = rng
        self._network: list[np.ndarray] = []
        for inputs, outputs in layers(recipe):
            scale = recipe.model.gain / np.sqrt(inputs)
            weights = rng.normal(0, scale, (inputs, outputs)).astype(np.float32)
            self._network += [weights, np.zeros(outputs, np.float32)]
        self._first = [np.zeros_like(part) for part in self._network]
        self._second = [np.zeros_like(part) for part in self._network]

    def run(self, x: np.ndarray, labels: np.ndarray, steps: int) -> list[np.ndarray]:
        """Make the steps; the network, or the mean of its last ones."""
        training = self._recipe.training
        wanted = np.full((world.CONDITIONS, world.CONDITIONS), training.smoothing, np.float32)
        wanted /= world.CONDITIONS
        wanted += (1 - training.smoothing) * np.eye(world.CONDITIONS, dtype=np.float32)
        batch = min(training.batch, len(x))
        order, at = self._rng.permutation(len(x)), 0
        from_step = steps - int(training.average * steps)
        sums = [np.zeros(part.shape, np.float64) for part in self._network]
        for step in range(steps):
            if at + batch > len(x):
                order, at = self._rng.permutation(len(x)), 0
            chosen = order[at : at + batch]
            at += batch
            self._step(x[chosen], wanted[labels[chosen]], step, steps)
            if step >= from_step:
                for at_part, part in enumerate(self._network):
                    sums[at_part] += part
        if from_step == steps:
            return self._network
        return [(total / (steps - from_step)).astype(np.float32) for total in sums]

    def _step(self, x: np.ndarray, wanted: np.ndarray, step: int, steps: int) -> None:
        model, rng = self._recipe.model, self._rng
        if self._recipe.inputs.noise > 0:
            x = x + rng.standard_normal(x.shape, np.float32) * np.float32(self._recipe.inputs.noise)
        masks = None
        if model.dropout > 0:
            keep = 1 - model.dropout
            masks = [
                (rng.random((len(x), units), np.float32) < keep) / np.float32(keep)
                for units in model.hidden
            ]
        outputs, sums = _forward(self._network, x, model.activation, masks)
        slope = _ACTIVATIONS[model.activation][1]
        error = (_softmax(outputs[-1]) - wanted) / np.float32(len(x))
        gradients: list[np.ndarray] = []
        for layer in range(len(sums) - 1, -1, -1):
            gradients = [outputs[layer].T @ error, error.sum(axis=0), *gradients]
            if layer > 0:
                error = error @ self._network[2 * layer].T
                if masks:
                    error = error * masks[layer - 1]
                raw = sums[layer - 1]
                act = _ACTIVATIONS[model.activation][0]
                error = error * slope(raw, outputs[layer] if masks is None else act(raw))
        self._update(gradients, step, steps)

    def _update(self, gradients: list[np.ndarray], step: int, steps: int) -> None:
        how = self._recipe.optimizer
        rate = how.rate * self._share(step / steps)
        for at, gradient in enumerate(gradients):
            part, first, second = self._network[at], self._first[at], self._second[at]
            if how.decay > 0 and at % 2 == 0:
                part *= np.float32(1 - min(1.0, rate * how.decay))
            if how.kind == "sgd":
                first *= np.float32(how.momentum)
                first += gradient
                part -= np.float32(rate) * first
                continue
            first += np.float32(1 - how.momentum) * (gradient - first)
            second += np.float32(1 - how.beta2) * (gradient * gradient - second)
            fair = rate * np.sqrt(1 - how.beta2 ** (step + 1)) / (1 - how.momentum ** (step + 1))
            part -= np.float32(fair) * first / (np.sqrt(second) + np.float32(1e-8))

    def _share(self, done: float) -> float:
        how = self._recipe.schedule
        if done < how.warmup:
            return (done + 1e-9) / how.warmup
        left = 1 - (done - how.warmup) / (1 - how.warmup)
        if how.kind == "linear":
            return how.floor + (1 - how.floor) * left
        if how.kind == "cosine":
            return how.floor + (1 - how.floor) * 0.5 * (1 - np.cos(np.pi * left))
        return 1.0
