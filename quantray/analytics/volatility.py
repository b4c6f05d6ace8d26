"""Volatility of two speeds, followed with many sets of parameters at once, and how well the past tells them apart.

The variance of a day is a slow part, which returns to a level over months or years, and a fast one, which fades within
weeks; surprises move both, and losses may move them more than gains. Each set of parameters follows the whole record;
what it made likely gives the set its weight. Days ahead are drawn from all sets by weight, so that a forecast is as
unsure of the parameters, and of where variance returns to, as the record leaves it.

Shapes: T days, D days of forecast, G sets of parameters, P paths.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from quantray.arrays import Float, Int

__all__ = ["VolatilityPast", "VolatilityPaths", "follow_volatility"]

_SLOW_PERSISTENCES = (0.99, 0.997, 0.9995)
_SLOW_GAINS = (0.01, 0.03, 0.06)
_FAST = ((0.0, 0.0), (0.85, 0.06), (0.85, 0.16), (0.95, 0.06), (0.95, 0.16))
"""Persistence and gain; nothing where there is one speed only."""
_LEANS = (0.0, 0.6)
"""Share by which a loss weighs more than its square, and a gain less."""
_LEVELS = (0.5, 0.7, 1.0, 1.4, 2.0)
"""Where variance returns to, over the mean square so far."""

_WEIGHED_EVERY = 5
"""Days between two looks at the weights by which returns are standardised."""
_PRIOR_DAYS = 20
"""Days' weight of the first variance and of normal kurtosis, without which the first levels would be nothing."""
_LARGEST = 100.0
"""Squares beyond it count as it in the kurtosis, lest one crash unsays what all other days tell."""


@dataclass(frozen=True, eq=False)
class VolatilityPast:
    """What a record says of volatility on some of its days."""

    standardised: Float
    """(T,) returns less their past mean, over the volatility that was expected of them; NaN after the last
    day of forecast."""
    weights: Float
    """(D, G) of the sets of parameters, sums of one."""
    slow: Float
    """(D, G) slow part of the next day's variance."""
    fast: Float
    """(D, G) fast part."""
    level: Float
    """(D,) mean square so far."""

    def on(self, rows: Int) -> "VolatilityPast":
        """Some of the days of forecast."""
        return VolatilityPast(self.standardised, self.weights[rows], self.slow[rows], self.fast[rows], self.level[rows])

    def paths(self, quantiles: Float) -> "VolatilityPaths":
        """(D, P) paths whose sets of parameters lie at some quantiles (P,) of the weights, between 0 and 1."""
        bounds = self.weights.cumsum(axis=1)
        chosen = np.array([np.searchsorted(bound, quantiles) for bound in bounds]).clip(max=bounds.shape[1] - 1)
        slow_persistence, slow_gain, fast_persistence, fast_gain, lean, levels = (
            each[chosen] for each in _parameters()
        )
        slow, fast = (np.take_along_axis(part, chosen, axis=1) for part in (self.slow, self.fast))
        level = levels * self.level[:, None]
        return VolatilityPaths(slow_persistence, slow_gain, fast_persistence, fast_gain, lean, level, slow, fast)


@dataclass(eq=False)
class VolatilityPaths:
    """Variances of days ahead, one after another; ``slow`` and ``fast`` (D, P) move on with each shock."""

    slow_persistence: Float
    slow_gain: Float
    fast_persistence: Float
    fast_gain: Float
    lean: Float
    level: Float
    slow: Float
    fast: Float

    def shocks(self, draws: Iterator[Float], mean_square: Float) -> Iterator[Float]:
        """(D, P) deviations from the mean of one day after another, from standardised draws, which are written to.

        Parameters
        ----------
        mean_square : (D,) of the draws. They miss one because variances were forecast; that widens the days, but is no
            surprise that later variances would follow.
        """
        over = 1 / mean_square[:, None]
        pull = (1 - self.slow_persistence) * self.level
        for drawn in draws:
            variance = self.slow + self.fast
            surprise = drawn * drawn
            surprise -= self.lean * (drawn * np.abs(drawn))
            surprise *= over
            surprise -= 1
            surprise *= variance
            self.slow *= self.slow_persistence
            self.slow += pull
            self.slow += self.slow_gain * surprise
            self.fast *= self.fast_persistence
            self.fast += self.fast_gain * surprise
            yield np.multiply(drawn, np.sqrt(variance, out=variance), out=drawn)


def follow_volatility(returns: Float, ends: Int) -> VolatilityPast:
    """Follow the variances of all sets of parameters through a record.

    A likelihood of normal days overstates what days with fat tails tell, so that it is taken to the power of
    ``2 / (kurtosis - 1)`` of the standardised returns so far, at which weights spread as widely as the estimates of
    quasi-maximum likelihood do.

    Parameters
    ----------
    returns : (T,) simple returns.
    ends : (D,) returns known on each day of forecast; what is said of a day depends on no later one.

    Source: Engle and Lee (1999), *A long-run and short-run component model of stock return volatility*; Glosten,
    Jagannathan and Runkle (1993) for the lean; Francq and Zakoian (2004), *Maximum likelihood estimation of pure GARCH
    processes*, Bernoulli 10(4), for the spread of the estimates; Holmes and Walker (2017), *Assigning a value to a
    power likelihood in a general Bayesian model*, Biometrika 104(2).
    """
    n, kept = len(returns), {int(end): row for row, end in enumerate(ends)}
    left = returns - np.concatenate([[0.0], (np.cumsum(returns) / np.arange(1, n + 1))[:-1]])
    start = float((left[:_PRIOR_DAYS] ** 2).mean()) or 1e-12
    levels = (np.append(0.0, np.cumsum(left**2)) + _PRIOR_DAYS * start) / (np.arange(n + 1) + _PRIOR_DAYS)
    sets, standardised = _Sets.at(start), np.full(n, np.nan)
    found = np.empty((3, len(ends), sets.slow.size))
    weights = sets.weights()
    for t in range(int(max(ends)) + 1):
        if t % _WEIGHED_EVERY == 0:
            weights = sets.weights()
        if t in kept:
            found[:, kept[t]] = sets.weights(), sets.slow, sets.fast
        if t < n:
            standardised[t] = left[t] / np.sqrt(weights @ (sets.slow + sets.fast))
            sets.see(float(left[t]), float(standardised[t]), float(levels[t + 1]))
    return VolatilityPast(standardised, found[0], found[1], found[2], levels[ends])


@dataclass(eq=False)
class _Sets:
    """What all sets of parameters expect of the next day, and how likely they made the days so far."""

    slow: Float
    """(G,)."""
    fast: Float
    """(G,)."""
    likelihood: Float
    """(G,) twice the logarithm, up to a constant."""
    second: float = float(_PRIOR_DAYS)
    fourth: float = 3.0 * _PRIOR_DAYS
    """Sums of powers of standardised returns, and the days of both."""
    days: int = _PRIOR_DAYS

    @classmethod
    def at(cls, variance: float) -> "_Sets":
        size = len(_parameters()[0])
        return cls(np.full(size, variance), np.zeros(size), np.zeros(size))

    def weights(self) -> Float:
        kurtosis = max(self.fourth * self.days / self.second**2, 3.0)
        found = np.exp((self.likelihood - self.likelihood.max()) / (kurtosis - 1))
        return np.asarray(found / found.sum())

    def see(self, deviation: float, standardised: float, mean_square: float) -> None:
        slow_persistence, slow_gain, fast_persistence, fast_gain, lean, levels = _parameters()
        variance, square = self.slow + self.fast, deviation**2
        self.likelihood -= np.log(variance) + square / variance
        surprise = square * (1 - lean * np.sign(deviation)) - variance
        level = levels * mean_square
        self.slow = level + slow_persistence * (self.slow - level) + slow_gain * surprise
        self.fast = fast_persistence * self.fast + fast_gain * surprise
        limited = min(standardised**2, _LARGEST)
        self.second, self.fourth, self.days = self.second + limited, self.fourth + limited**2, self.days + 1


@cache
def _parameters() -> tuple[Float, ...]:
    """(G,) slow persistence and gain, fast persistence and gain, lean and level of every set.

    For each, variances stay positive: gains are below what persistence leaves.
    """
    sets = itertools.product(_SLOW_PERSISTENCES, _SLOW_GAINS, _FAST, _LEANS, _LEVELS)
    grid = np.array([(*slow, *fast, lean, level) for *slow, fast, lean, level in sets])
    return tuple(np.ascontiguousarray(column) for column in grid.T)
