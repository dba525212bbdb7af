"""The machines that are watched: where readings and their labels come from. Pinned.

A machine is in one of eight conditions. Each condition shows itself in some of six ways, which are
Gaussian clouds in twelve hidden quantities. Twelve sensors see mixtures of these, each in a unit of
its own; eight more sensors see nothing of it, and now and then far too much. Three in a hundred
labels were noted down wrong, at random.

The truth is known here, and so is the chance of each condition given the readings: no classifier
can have a lower expected log-loss than that.
"""

import numpy as np

CONDITIONS, WAYS, HIDDEN, DEAF = 8, 6, 12, 8
SENSORS = HIDDEN + DEAF
MISLABELLED = 0.03
_SPREAD = 1.15

_rng = np.random.default_rng(31)
_centres = _rng.normal(0.0, _SPREAD, (CONDITIONS, WAYS, HIDDEN))
_shares = _rng.dirichlet(np.full(WAYS, 2.0), CONDITIONS)
_widths = np.exp(_rng.normal(0.0, 0.25, (CONDITIONS, WAYS)))
_mixing = np.linalg.qr(_rng.normal(size=(HIDDEN, HIDDEN)))[0]
_units = 10.0 ** _rng.permutation(np.linspace(-1.2, 1.2, SENSORS))
_offsets = _units * _rng.normal(0.0, 2.0, SENSORS)


def draw(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Readings (float32, one row each), labels as noted down, and the true chances of labels."""
    condition = rng.integers(0, CONDITIONS, count)
    way = (rng.random(count)[:, None] > np.cumsum(_shares, axis=1)[condition]).sum(axis=1)
    way = np.minimum(way, WAYS - 1)
    noise = rng.normal(size=(count, HIDDEN))
    hidden = _centres[condition, way] + _widths[condition, way][:, None] * noise
    deaf = np.clip(rng.standard_t(2.0, (count, DEAF)), -1e3, 1e3)
    readings = np.hstack([hidden @ _mixing.T, deaf]) * _units + _offsets
    wrong = rng.random(count) < MISLABELLED
    labels = np.where(wrong, rng.integers(0, CONDITIONS, count), condition)
    return readings.astype(np.float32), labels, _chances(hidden)


def _chances(hidden: np.ndarray) -> np.ndarray:
    """The chance of each label given the hidden quantities (the deaf sensors tell nothing)."""
    logs = np.empty((len(hidden), CONDITIONS))
    for condition in range(CONDITIONS):
        far = ((hidden[:, None, :] - _centres[condition]) ** 2).sum(axis=2)
        width = _widths[condition]
        terms = np.log(_shares[condition]) - HIDDEN * np.log(width) - far / (2 * width**2)
        top = terms.max(axis=1)
        logs[:, condition] = top + np.log(np.exp(terms - top[:, None]).sum(axis=1))
    chances = np.exp(logs - logs.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return (1 - MISLABELLED) * chances + MISLABELLED / CONDITIONS
