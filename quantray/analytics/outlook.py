"""What may come: the distribution of return, volatility and drawdown over days to a year, and how often it was right.

Three ways to draw the days ahead. ``filtered`` (the default) draws past days at today's volatility, which then moves on
as ``volatility`` says, each path with parameters of its own; ``bootstrap`` draws blocks of past days as they were;
``gaussian`` draws independent normal days. With each, a path has a drift of its own, for n days tell the mean to
``s / sqrt(n)`` only: over h days the bands are wider by ``sqrt(1 + h / n)``. Each knows the past of its day only, so it
can be walked forward over a record: ``coverage`` measures how often it was right.

Shapes: D days of forecast, P paths, Q quantiles.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import special

from quantray.analytics.metrics import checked_series
from quantray.analytics.volatility import VolatilityPast, follow_volatility
from quantray.arrays import TRADING_DAYS, Float, Int
from quantray.errors import InputError

__all__ = ["LEVELS", "Horizon", "Method", "Outlook", "OutlookSettings", "Quantity", "outlook", "outlooks_at"]

Method = Literal["filtered", "bootstrap", "gaussian"]
Quantity = Literal["return", "volatility", "drawdown"]

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Quantiles of every distribution: the median and the ends of bands of 50, 80 and 95 %."""
_BLOCK = 8192
"""Paths that are drawn at a time."""


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
    securities*, JFM 19(5), for filtered simulation; Pascual, Romo and Ruiz (2006), *Bootstrap prediction for returns
    and volatilities in GARCH models*, CSDA 50(9), for parameters that vary; Politis and Romano (1994), *The stationary
    bootstrap*, JASA 89; Barberis (2000), *Investing for the long run*, JF 55(1), for the drift.
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
    past = follow_volatility(returns, ends) if settings.method == "filtered" else None
    # In blocks, whose arrays stay in the processor's cache.
    blocks = np.array_split(np.arange(len(ends)), -(-len(ends) * settings.n_paths // _BLOCK))
    parts = [_block(returns, ends[rows], None if past is None else past.on(rows), settings) for rows in blocks]
    return tuple(_joined(same) for same in zip(*parts, strict=True))


def _block(returns: Float, ends: Int, past: VolatilityPast | None, settings: OutlookSettings) -> list[Horizon]:
    found, last = [], max(settings.horizons)
    shape = (len(ends), settings.n_paths)
    log, squares, high, depth = (np.zeros(shape) for _ in range(4))
    for day, step in zip(range(1, last + 1), _steps(returns, ends, past, settings), strict=False):
        log += np.log1p(np.maximum(step, -0.999, out=step))
        squares += np.square(step, out=step)
        np.maximum(high, log, out=high)
        np.maximum(depth, high - log, out=depth)
        if day in settings.horizons:
            found.append(_horizon(day, log, squares, depth, settings))
    return found


def _joined(parts: Sequence[Horizon]) -> Horizon:
    """Of all days, from parts with some of them."""
    quantiles = {name: np.vstack([part.quantiles[name] for part in parts]) for name in parts[0].quantiles}
    return Horizon(parts[0].days, quantiles, np.concatenate([part.chance_of_gain for part in parts]))


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
    """(D, Q), such that a further path would lie below with just these chances."""
    return np.asarray(np.quantile(values, LEVELS, axis=1, method="weibull").T)


def _steps(returns: Float, ends: Int, past: VolatilityPast | None, settings: OutlookSettings) -> Iterator[Float]:
    """(D, P) simple returns of one day ahead after another, each array made anew."""
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, get_args(Method).index(settings.method)]))
    lengths = np.minimum(ends, settings.window)
    mean, deviation = _moments(returns, ends, lengths)
    # What a path earns on top of the mean that its days are drawn around.
    drift = (deviation / np.sqrt(lengths))[:, None] * _even_normals(settings.n_paths, generator)
    if past is not None:
        drift += mean[:, None]
        steps = _filtered(past, ends, lengths, settings, generator)
    elif settings.method == "bootstrap":
        steps = _blocks(returns, ends, lengths, settings, generator)
    else:
        drift += mean[:, None]
        steps = _normal(deviation, settings, generator)
    for step in steps:
        yield np.add(step, drift, out=step)


def _blocks(
    returns: Float, ends: Int, lengths: Int, settings: OutlookSettings, generator: np.random.Generator
) -> Iterator[Float]:
    place = np.zeros((len(ends), settings.n_paths), dtype=np.int64)
    for day in range(max(settings.horizons)):
        fresh = generator.random(settings.n_paths) < (1.0 if day == 0 else 1 / settings.block)
        start = (generator.random(settings.n_paths) * lengths[:, None]).astype(np.int64)
        place = np.where(fresh, start, (place + 1) % lengths[:, None])
        yield returns[(ends - lengths)[:, None] + place]


def _normal(deviation: Float, settings: OutlookSettings, generator: np.random.Generator) -> Iterator[Float]:
    for _ in range(max(settings.horizons)):
        yield deviation[:, None] * _even_normals(settings.n_paths, generator)


def _filtered(
    past: VolatilityPast, ends: Int, lengths: Int, settings: OutlookSettings, generator: np.random.Generator
) -> Iterator[Float]:
    first, shape = ends - lengths, (len(ends), settings.n_paths)
    squares = np.append(0.0, np.cumsum(past.standardised[: ends.max()] ** 2))
    mean_square = (squares[ends] - squares[first]) / lengths
    mean_square[mean_square == 0] = 1.0

    def draws() -> Iterator[Float]:
        for _ in range(max(settings.horizons)):
            rows = (_even(settings.n_paths, generator) * lengths[:, None]).astype(np.int64)
            rows += first[:, None]
            yield past.standardised.take(rows.ravel()).reshape(shape)

    return past.paths(_even(settings.n_paths, generator)).shocks(draws(), mean_square)


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
