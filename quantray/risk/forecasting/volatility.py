"""Volatility that changes from day to day: GARCH(1,1) with leverage, and exponential weights as its special case.

Tomorrow's variance is ``omega + alpha * today's squared return + beta * today's variance``, and ``leverage`` times the
squared return more after a fall. Returns have a mean of zero, as is usual for a day. The filter gives the variance
forecast for every day from the days before it, and one more for the day after the last.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize
from scipy.linalg import lapack

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = [
    "FIRST",
    "FLOOR",
    "Garch",
    "exponential_weights",
    "filtered_variances",
    "fitted_garch",
    "past_variances",
    "recursion",
]

FIRST = 20
"""Returns without which nothing is forecast."""
FLOOR = 0.01
"""Part of the mean square that no variance is below."""
_FEWEST = 100
_MOST_PERSISTENT = 0.9999
_STARTS = [(reaction, persistence) for persistence in (0.5, 0.9, 0.98) for reaction in (0.03, 0.08, 0.2)]


@dataclass(frozen=True)
class Garch:
    """The parameters of GARCH(1,1), with leverage that of Glosten, Jagannathan and Runkle.

    Raises
    ------
    InputError
        A parameter is negative or missing, or variances would grow without bound: ``persistence`` above one.
    """

    omega: float
    alpha: float
    beta: float
    leverage: float = 0.0

    def __post_init__(self) -> None:
        values = (self.omega, self.alpha, self.beta, self.leverage)
        if not all(value >= 0 for value in values) or self.persistence > 1 + 1e-9:
            raise InputError(
                f"GARCH with {values} must have no negative parameter, and alpha + beta + leverage / 2 at most 1."
            )

    @property
    def persistence(self) -> float:
        """Share of an excess of variance that is left a day later; falls are half of the days."""
        return self.alpha + self.beta + self.leverage / 2

    def fed(self, returns: Float) -> Float:
        """What returns add to the variance of the next day, beside ``beta`` times the variance of their own."""
        return np.asarray(self.omega + np.where(returns < 0, self.alpha + self.leverage, self.alpha) * returns**2)


def exponential_weights(decay: float = 0.94) -> Garch:
    """Variances as exponentially weighted means of squared returns; 0.94 is RiskMetrics' decay for days.

    Raises
    ------
    InputError
        A decay that is not between 0 and 1.
    """
    if not 0 < decay < 1:
        raise InputError(f"a decay of {decay} must lie between 0 and 1, such as 0.94.")
    return Garch(0.0, 1 - decay, decay)


def filtered_variances(returns: Float, model: Garch) -> Float:
    """Variances that the model forecasts for every day and for the day after the last.

    Parameters
    ----------
    returns : (..., T) simple returns, oldest first, of one series or of many; no NaN.

    Returns
    -------
    (..., T + 1) ; the first is the mean square of all returns, and none is below a hundredth of it, so that the first
    move after still days is not taken for a giant.

    Raises
    ------
    InputError
        A missing return, fewer than ``FIRST``, or returns that do not vary.
    """
    returns, mean_square = past_variances(returns)
    return np.maximum(_filtered(returns, model, mean_square), FLOOR * mean_square[..., None])


def past_variances(returns: Float) -> tuple[Float, Float]:
    """(..., T) returns and their (...) mean squares; raises as ``filtered_variances``."""
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim < 1 or returns.shape[-1] < FIRST or not np.isfinite(returns).all():
        raise InputError(f"returns are {returns.shape} or incomplete; volatility takes at least {FIRST} without NaN.")
    mean_square = np.asarray((returns**2).mean(axis=-1))
    if not (returns.max(axis=-1) - returns.min(axis=-1) > 1e-12 * np.sqrt(mean_square)).all():
        raise InputError("the returns do not vary, so no volatility can be forecast; start where they do.")
    return returns, mean_square


def fitted_garch(returns: Float, *, start: Garch | None = None, leverage: bool = False) -> Garch:
    """GARCH(1,1) of the largest Gaussian likelihood, which is consistent for returns of heavier tails as well.

    Parameters
    ----------
    returns : (T,) simple returns, oldest first; no NaN. The first variance is that of all of them.
    start : where to look first besides a small grid, such as yesterday's fit.
    leverage : whether falls may add more to the variance than rises.

    Raises
    ------
    InputError
        A missing return, fewer than 100, or returns that do not vary.

    Source: Bollerslev (1986), *Generalized autoregressive conditional heteroskedasticity*, Journal of Econometrics 31;
    Glosten, Jagannathan and Runkle (1993), Journal of Finance 48, for leverage; Bollerslev and Wooldridge (1992) for
    other tails.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 1 or len(returns) < _FEWEST or not np.isfinite(returns).all():
        raise InputError(f"returns are {returns.shape} or incomplete; GARCH takes at least {_FEWEST} without NaN.")
    scale = float(np.sqrt((returns**2).mean()))
    if not float(returns.std()) > 1e-12 * scale:
        raise InputError("the returns do not vary, so their volatility has no dynamics.")
    scaled = returns / scale
    starts = [
        _Point(0.0, persistence, reaction / persistence, lean)
        for reaction, persistence in _STARTS
        for lean in ((0.0, 0.7) if leverage else (0.0,))
    ]
    if start is not None:
        starts.append(_Point.of(start, scale))
    best = min(starts, key=lambda point: _loss(np.array(point), scaled)[0])
    found = optimize.minimize(
        _loss,
        np.array(best),
        args=(scaled,),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-12.0, 6.0), (0.0, _MOST_PERSISTENT), (0.0, 1.0), (0.0, 1.0 if leverage else 0.0)],
        options={"maxiter": 200},
    )
    return _Point(*found.x.tolist()).model(scale)


class _Point(NamedTuple):
    """Parameters in which bounds are a box; of returns whose mean square is one."""

    level: float
    """Log of the long-run variance."""
    persistence: float
    reaction: float
    """Share of the persistence that is due to returns, not to the variance before."""
    lean: float
    """Share of that which is due to falls alone."""

    @classmethod
    def of(cls, model: Garch, scale: float) -> "_Point":
        persistence = float(np.clip(model.persistence, 1e-6, _MOST_PERSISTENT))
        long_run = max(model.omega, 1e-12 * scale**2) / scale**2 / (1 - persistence)
        returns = model.alpha + model.leverage / 2
        lean = model.leverage / 2 / returns if returns > 0 else 0.0
        return cls(float(np.clip(np.log(long_run), -12.0, 6.0)), persistence, min(returns / persistence, 1.0), lean)

    def model(self, scale: float) -> Garch:
        reaction = self.persistence * self.reaction
        return Garch(
            float(np.exp(self.level)) * (1 - self.persistence) * scale**2,
            reaction * (1 - self.lean),
            self.persistence * (1 - self.reaction),
            2 * reaction * self.lean,
        )


def _loss(values: Float, returns: Float) -> tuple[float, Float]:
    """Mean of minus twice the log likelihood, without its constant, and its slope; returns of mean square one."""
    point = _Point(*values.tolist())
    model = point.model(1.0)
    squares = returns**2
    variances = _filtered(returns, model, np.asarray(1.0))[:-1]
    value = float((np.log(variances) + squares / variances).mean())
    pull = (1 - squares / variances) / variances / len(squares)
    # The slopes of variances follow the same recursion; those of the first day are zero.
    past = squares[:-1]
    inputs = np.stack([np.ones(len(past)), past, variances[:-1], np.where(returns[:-1] < 0, past, 0.0)])
    by_omega, by_alpha, by_beta, by_leverage = recursion(inputs, model.beta) @ pull[1:]
    by_returns = by_alpha * (1 - point.lean) + 2 * by_leverage * point.lean
    return value, np.array(
        [
            by_omega * model.omega,
            -by_omega * np.exp(point.level) + by_returns * point.reaction + by_beta * (1 - point.reaction),
            point.persistence * (by_returns - by_beta),
            point.persistence * point.reaction * (2 * by_leverage - by_alpha),
        ]
    )


def _filtered(returns: Float, model: Garch, first: Float) -> Float:
    inputs = np.empty((*returns.shape[:-1], returns.shape[-1] + 1))
    inputs[..., 0] = first
    inputs[..., 1:] = model.fed(returns)
    return recursion(inputs, model.beta)


def recursion(inputs: Float, decay: float) -> Float:
    """(..., T) sums ``y[t] = decay * y[t - 1] + inputs[t]``; as a solve, for a loop would take too long."""
    n = inputs.shape[-1]
    bands = np.empty((2, n))
    bands[0], bands[1] = 1.0, -decay
    solved, _ = lapack.dtbtrs(bands, inputs.reshape(-1, n).T, uplo="L", diag="U")
    return np.ascontiguousarray(solved.T).reshape(inputs.shape)
