"""What may come: the distribution of return, volatility and drawdown over days to a year, and how often it was right.

Three ways to draw the days ahead. ``filtered`` (the default) draws past days at today's volatility, which then follows
a GARCH(1, 1); ``bootstrap`` draws blocks of past days as they were; ``gaussian`` draws independent normal days. Each
knows the past of its day only, so it can be walked forward over a record: ``coverage`` measures how often it was right.

Shapes: D days of forecast, P paths, Q quantiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import special

from quantray.analytics.metrics import checked_series
from quantray.arrays import TRADING_DAYS, Float, Int
from quantray.errors import InputError

__all__ = ["LEVELS", "Horizon", "Method", "Outlook", "OutlookSettings", "Quantity", "outlook", "outlooks_at"]

Method = Literal["filtered", "bootstrap", "gaussian"]
Quantity = Literal["return", "volatility", "drawdown"]

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Quantiles of every distribution: the median and the ends of bands of 50, 80 and 95 %."""

_ALPHAS = (0.03, 0.05, 0.08, 0.12, 0.16)
_PERSISTENCES = (0.95, 0.97, 0.98, 0.99, 0.995)
"""Among which the likelihood of the past chooses."""


@dataclass(frozen=True, kw_only=True)
class OutlookSettings:
    """How days ahead are drawn.

    Raises
    ------
    InputError
        A number is out of range, or the method is unknown.
    """

    method: Method = "filtered"
    horizons: tuple[int, ...] = (1, 5, 21, 63, 126, 252)
    """Trading days ahead."""
    n_paths: int = 2000
    window: int = 2520
    """Past days to draw from, at most."""
    least: int = 252
    """Past days below which nothing is forecast."""
    block: float = 21.0
    """Mean days in a block of the bootstrap."""
    seed: int = 0
    periods_per_year: int = TRADING_DAYS

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise InputError(f"method {self.method!r} is unknown; choose one of {', '.join(get_args(Method))}.")
        if not self.horizons or min(self.horizons) < 1 or self.n_paths < 100 or self.block < 1:
            raise InputError("horizons and block must be 1 day or more, and n_paths 100 or more.")
        if not 20 <= self.least <= self.window:
            raise InputError(f"least {self.least} must be 20 days or more and no more than window {self.window}.")


@dataclass(frozen=True, eq=False)
class Horizon:
    """Distributions over one horizon, of the D days on which they were made."""

    days: int
    quantiles: dict[Quantity, Float]
    """(D, Q) at ``LEVELS``: simple return, yearly volatility (around zero), and depth of the deepest drawdown on the
    way, positive."""
    chance_of_gain: Float
    """(D,) probability of a return above zero."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """The days ahead of the last return, horizon by horizon."""

    method: Method
    horizons: tuple[Horizon, ...]


def outlook(returns: Float, settings: OutlookSettings | None = None) -> Outlook:
    """The distribution of the days after a record.

    Parameters
    ----------
    returns : (T,) simple daily returns.

    Raises
    ------
    InputError
        Fewer than ``least`` returns, missing values, or a loss of everything.

    Source: Barone-Adesi, Giannopoulos and Vosper (1999), *VaR without correlations for portfolios of derivative
    securities*, JFM 19(5), for filtered simulation; Politis and Romano (1994), *The stationary bootstrap*, JASA 89.
    """
    settings = settings or OutlookSettings()
    return Outlook(settings.method, outlooks_at(returns, np.array([len(returns)]), settings))


def outlooks_at(returns: Float, ends: Int, settings: OutlookSettings) -> tuple[Horizon, ...]:
    """Distributions made on several days, each from the returns before it alone.

    The same numbers are drawn on every day, so a day's forecast is the same whatever follows it.

    Parameters
    ----------
    ends : (D,) returns known on each day, at least ``settings.least``.

    Raises
    ------
    InputError
        As ``outlook``.
    """
    returns = checked_series(returns, "returns")
    ends = np.asarray(ends, dtype=np.int64)
    if len(ends) == 0 or ends.min() < settings.least or ends.max() > len(returns):
        raise InputError(
            f"{len(returns)} returns are too few for a forecast from {settings.least} days; give a longer record, or "
            "ask for fewer days with least."
        )
    if (returns <= -1).any():
        raise InputError("a return of -100 % has no outlook; end the record before it.")
    found, last = [], max(settings.horizons)
    shape = (len(ends), settings.n_paths)
    log, squares, high, depth = (np.zeros(shape) for _ in range(4))
    for day, step in zip(range(1, last + 1), _steps(returns, ends, settings), strict=False):
        log += np.log1p(np.maximum(step, -0.999))
        squares += step**2
        np.maximum(high, log, out=high)
        np.maximum(depth, high - log, out=depth)
        if day in settings.horizons:
            found.append(_horizon(day, log, squares, depth, settings))
    return tuple(found)


def _horizon(day: int, log: Float, squares: Float, depth: Float, settings: OutlookSettings) -> Horizon:
    scale = settings.periods_per_year / day
    return Horizon(
        day,
        {
            "return": np.expm1(_quantiles(log)),
            "volatility": np.sqrt(_quantiles(squares) * scale),
            "drawdown": -np.expm1(-_quantiles(depth)),
        },
        (log > 0).mean(axis=1),
    )


def _quantiles(values: Float) -> Float:
    """(D, Q)."""
    return np.asarray(np.quantile(values, LEVELS, axis=1).T)


def _steps(returns: Float, ends: Int, settings: OutlookSettings) -> Iterator[Float]:
    """(D, P) simple returns of one day ahead after another."""
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, get_args(Method).index(settings.method)]))
    lengths = np.minimum(ends, settings.window)
    if settings.method == "bootstrap":
        return _blocks(returns, ends, lengths, settings, generator)
    if settings.method == "gaussian":
        return _normal(returns, ends, lengths, settings, generator)
    return _filtered(returns, ends, lengths, settings, generator)


def _blocks(
    returns: Float, ends: Int, lengths: Int, settings: OutlookSettings, generator: np.random.Generator
) -> Iterator[Float]:
    place = np.zeros((len(ends), settings.n_paths), dtype=np.int64)
    for day in range(max(settings.horizons)):
        fresh = generator.random(settings.n_paths) < (1.0 if day == 0 else 1 / settings.block)
        start = (generator.random(settings.n_paths) * lengths[:, None]).astype(np.int64)
        place = np.where(fresh, start, (place + 1) % lengths[:, None])
        yield returns[(ends - lengths)[:, None] + place]


def _normal(
    returns: Float, ends: Int, lengths: Int, settings: OutlookSettings, generator: np.random.Generator
) -> Iterator[Float]:
    mean, deviation = _moments(returns, ends, lengths)
    for _ in range(max(settings.horizons)):
        yield mean[:, None] + deviation[:, None] * _even_normals(settings.n_paths, generator)


def _filtered(
    returns: Float, ends: Int, lengths: Int, settings: OutlookSettings, generator: np.random.Generator
) -> Iterator[Float]:
    mean, _ = _moments(returns, ends, lengths)
    past = _Volatility.of(returns)
    alpha, persistence, level, variance = (values[ends][:, None] for values in past.ahead())
    variance = np.broadcast_to(variance, (len(ends), settings.n_paths))
    for _ in range(max(settings.horizons)):
        drawn = (_even(settings.n_paths, generator) * lengths[:, None]).astype(np.int64)
        shock = past.standardised[(ends - lengths)[:, None] + drawn] * np.sqrt(variance)
        yield mean[:, None] + shock
        variance = (1 - persistence) * level + alpha * shock**2 + (persistence - alpha) * variance


@dataclass(frozen=True, eq=False)
class _Volatility:
    """GARCH(1, 1) variances of every day, known the day before, by the parameters that were likeliest until then."""

    standardised: Float
    """(T,) returns less their past mean, over their volatility."""
    chosen: Int
    """(T + 1,) place of the parameters chosen from what is known before each day, the day after the last included."""
    levels: Float
    """(T + 1,) mean square so far, which variances return to."""
    variances: Float
    """(T + 1,)."""

    @classmethod
    def of(cls, returns: Float) -> "_Volatility":
        n = len(returns)
        alphas, persistences = _grid()
        count = np.arange(1, n + 1)
        before = np.concatenate([[0.0], (np.cumsum(returns) / count)[:-1]])
        left = returns - before
        start = float((left[:20] ** 2).mean()) or 1e-12
        # Twenty days' weight of the first variance keeps the first levels from being nothing.
        levels = (np.concatenate([[0.0], np.cumsum(left**2)]) + 20 * start) / (np.arange(n + 1) + 20)
        variance, likelihood = np.full(len(alphas), start), np.zeros(len(alphas))
        chosen, variances = np.zeros(n + 1, dtype=np.int64), np.empty(n + 1)
        weight = persistences - alphas
        for t in range(n):
            chosen[t] = int(likelihood.argmax())
            variances[t] = variance[chosen[t]]
            likelihood -= np.log(variance) + left[t] ** 2 / variance
            variance = (1 - persistences) * levels[t + 1] + alphas * left[t] ** 2 + weight * variance
        chosen[n] = int(likelihood.argmax())
        variances[n] = variance[chosen[n]]
        return cls(left / np.sqrt(variances[:n]), chosen, levels, variances)

    def ahead(self) -> tuple[Float, Float, Float, Float]:
        """(T + 1,) alpha, persistence, level and variance of the day after each number of known returns."""
        alphas, persistences = _grid()
        return alphas[self.chosen], persistences[self.chosen], self.levels, self.variances


def _grid() -> tuple[Float, Float]:
    """(25,) alphas and persistences."""
    alphas, persistences = np.meshgrid(_ALPHAS, _PERSISTENCES)
    return alphas.ravel(), persistences.ravel()


def _moments(returns: Float, ends: Int, lengths: Int) -> tuple[Float, Float]:
    """(D,) mean and standard deviation of the days that may be drawn."""
    left = returns - returns[0]
    sums = np.concatenate([[0.0], np.cumsum(left)]), np.concatenate([[0.0], np.cumsum(left**2)])
    first, second = (total[ends] - total[ends - lengths] for total in sums)
    mean = first / lengths
    return mean + returns[0], np.sqrt(np.maximum(second / lengths - mean**2, 0.0) * lengths / (lengths - 1))


def _even(n: int, generator: np.random.Generator) -> Float:
    """(n,) numbers between 0 and 1, one in each n-th, in random order: quantiles of one day are exact."""
    return np.asarray((generator.permutation(n) + generator.random(n)) / n)


def _even_normals(n: int, generator: np.random.Generator) -> Float:
    return np.asarray(special.ndtri(np.clip(_even(n, generator), 1e-12, 1 - 1e-12)))
