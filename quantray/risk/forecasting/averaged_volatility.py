"""Volatility by many models at once, each counted by how well it told the past: no fit, and no decay to choose.

The models are GARCH(1,1) with leverage on a grid of decays, persistences and leanings towards falls, all with the mean
square of the past as their long-run variance. Their weights are those of Bayes' rule from equal ones, by the likelihood
of Student's t, which no single day decides. What a fit of as many parameters to two years gets wrong evens out.
"""

from typing import NamedTuple

import numpy as np

from quantray.arrays import Float
from quantray.risk.forecasting.volatility import FIRST, FLOOR, past_variances, recursion

__all__ = ["MODELS", "averaged_variances", "model_weights"]

_DEGREES = 5.0
"""Of freedom of the likelihood, as of most returns of a day."""
_BLOCK = 64
"""Windows at a time, which memory asks for."""


class _Model(NamedTuple):
    """One point of the grid."""

    decay: float
    persistence: float
    leaning: float
    """Share of what returns add that is owed to falls alone."""


MODELS = tuple(
    _Model(decay, persistence, leaning)
    for decay in (0.97, 0.94, 0.90, 0.85)
    for persistence in (1.0, 0.99, 0.97)
    for leaning in (0.0, 0.5, 1.0)
    if persistence > decay
)
"""Those of one decay stand together."""
_DECAYS = tuple(dict.fromkeys(model.decay for model in MODELS))
_LEVELS = np.array([(1 - model.persistence) / (1 - model.decay) for model in MODELS])[:, None]
"""What of a variance is its long run."""


def _shares() -> Float:
    """(models, 2 * decays) of squares, and of squares signed by falls, as each decay sums them up."""
    found = np.zeros((len(MODELS), 2, len(_DECAYS)))
    for row, (decay, persistence, leaning) in enumerate(MODELS):
        found[row, :, _DECAYS.index(decay)] = (persistence - decay) * np.array([1.0, leaning])
    return found.reshape(len(MODELS), -1)


_SHARES = _shares()


def averaged_variances(returns: Float) -> Float:
    """Variances that the models forecast on average for every day and for the day after the last.

    Parameters
    ----------
    returns : (..., T) simple returns, oldest first, of one series or of many; no NaN. The weights know all of them.

    Returns
    -------
    (..., T + 1) ; as ``volatility.filtered_variances``.

    Raises
    ------
    InputError
        As ``volatility.filtered_variances``.

    Source: Hoeting, Madigan, Raftery and Volinsky (1999), *Bayesian model averaging: a tutorial*, Statistical Science
    14; the models as of ``volatility.fitted_garch``.
    """
    returns, mean_square = past_variances(returns)
    rows = (returns / np.sqrt(mean_square)[..., None]).reshape(-1, returns.shape[-1])
    found = np.concatenate([_averaged(rows[first : first + _BLOCK]) for first in range(0, len(rows), _BLOCK)])
    return np.asarray(found.reshape(*returns.shape[:-1], -1) * mean_square[..., None])


def model_weights(returns: Float) -> Float:
    """(...,  len(MODELS)) weights of the models after some returns; takes and raises as ``averaged_variances``."""
    returns, mean_square = past_variances(returns)
    scaled = (returns / np.sqrt(mean_square)[..., None]).reshape(-1, returns.shape[-1])
    return _weights(_variances(scaled), scaled).T.reshape(*returns.shape[:-1], -1)


def _averaged(scaled: Float) -> Float:
    """(n, T + 1) of (n, T) returns of a mean square of one."""
    variances = _variances(scaled)
    return np.asarray(np.einsum("mn,mnt->nt", _weights(variances, scaled), variances))


def _variances(scaled: Float) -> Float:
    """(models, n, T + 1)."""
    # Variances are linear in what they are fed: models of one decay mix the same two sums.
    fed = np.empty((2, *scaled.shape[:-1], scaled.shape[-1] + 1))
    np.square(scaled, out=fed[0, ..., 1:])
    # Half of the days are falls: what leans towards them counts them twice.
    np.copysign(fed[0, ..., 1:], -scaled, out=fed[1, ..., 1:])
    fed[1, ..., 0] = 0.0
    sums = np.empty((2, len(_DECAYS), *fed.shape[1:]))
    for row, decay in enumerate(_DECAYS):
        # So that every model begins at one.
        fed[0, ..., 0] = 1 / (1 - decay)
        sums[:, row] = recursion(fed, decay)
    found = _SHARES @ sums.reshape(_SHARES.shape[1], -1)
    found += _LEVELS
    return np.maximum(found, FLOOR, out=found).reshape(len(MODELS), *fed.shape[1:])


def _weights(variances: Float, scaled: Float) -> Float:
    """(models, n) that sum to one."""
    known = variances[:, :, FIRST:-1]
    with_return = known + scaled[:, FIRST:] ** 2 / (_DEGREES - 2)
    told = (_DEGREES * _sum_of_logs(known) - (_DEGREES + 1) * _sum_of_logs(with_return)) / 2
    weights = np.exp(told - told.max(axis=0))
    return np.asarray(weights / weights.sum(axis=0))


def _sum_of_logs(values: Float) -> Float:
    """Sums along the last axis; by the logarithms of products of four, which is faster."""
    n = values.shape[-1] // 4
    first, second, third, fourth = (values[..., i * n : (i + 1) * n] for i in range(4))
    whole = np.log(first * second * (third * fourth)).sum(axis=-1)
    return np.asarray(whole + np.log(values[..., 4 * n :]).sum(axis=-1))
