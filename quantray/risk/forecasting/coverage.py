"""Every test of a method's forecasts in one table, over all days and by calendar year."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from quantray.arrays import Bool, Dates, Float
from quantray.errors import InputError
from quantray.risk.backtests import (
    RiskTest,
    TrafficLight,
    acerbi_szekely,
    christoffersen,
    conditional_coverage,
    du_escanciano,
    duration,
    kupiec,
    traffic_light,
)
from quantray.risk.forecasting.quantiles import normal_quantile, normal_shortfall, student_quantile, student_shortfall
from quantray.risk.forecasting.var_forecasts import Forecasts

__all__ = ["TESTS", "Coverage", "coverage", "coverage_by_year", "tail_degrees"]

TESTS = (
    "frequency",
    "independence",
    "coverage",
    "durations",
    "shortfall, mean",
    "shortfall, sum",
    "tail, size",
    "tail, memory",
)
"""Kupiec; Christoffersen, alone and with Kupiec; Christoffersen-Pelletier; Acerbi-Szekely 1 and 2; Du-Escanciano."""
_LAGS = 5
_HEAVIEST = 2.05


@dataclass(frozen=True, eq=False)
class Coverage:
    """The tests of one method's forecasts at one level."""

    method: str
    level: float
    n_days: int
    """With a forecast."""
    n_refused: int
    """Without one, which no test sees."""
    n_hits: int
    tests: Mapping[str, RiskTest]
    """By name of ``TESTS``; without those that the days do not allow."""
    untold: Mapping[str, str]
    """Why each of the others could not be made."""
    light: TrafficLight
    """The supervisor's zone of all days together."""

    @property
    def expected(self) -> float:
        """Hits if the forecasts are right."""
        return self.n_days * (1 - self.level)

    def p_value(self, test: str) -> float:
        """Of a test; NaN where it could not be made."""
        return self.tests[test].p_value if test in self.tests else np.nan


def coverage(
    forecasts: Forecasts, outcomes: Float, *, days: Bool | None = None, n_draws: int = 1000, seed: int = 0
) -> tuple[Coverage, ...]:
    """Every test, level by level.

    The losses that the tests of Acerbi and Szekely simulate are Student's, of so many degrees of freedom that their
    shortfall is as many times their value-at-risk as in the forecasts; see ``tail_degrees``.

    Parameters
    ----------
    outcomes : (D,) returns that came.
    days : (D,) to look at; by default all.
    n_draws, seed : of those simulations.

    Raises
    ------
    InputError
        Outcomes do not fit, or no day among those asked for has a forecast.
    """
    outcomes = np.asarray(outcomes, dtype=np.float64)
    if outcomes.shape != forecasts.ranks.shape or not np.isfinite(outcomes).all():
        raise InputError(f"outcomes are {outcomes.shape} or incomplete for {len(forecasts.ranks)} days of forecasts.")
    asked = np.ones(len(outcomes), dtype=np.bool_) if days is None else np.asarray(days, dtype=np.bool_)
    used = asked & forecasts.known
    if not used.any():
        raise InputError(f"none of {int(asked.sum())} days has a forecast by {forecasts.method}; ask for other days.")
    return tuple(
        _tested(
            forecasts.method,
            level,
            -outcomes[used],
            forecasts.var[used, column],
            forecasts.shortfall[used, column],
            forecasts.ranks[used],
            int((asked & ~used).sum()),
            (n_draws, seed),
        )
        for column, level in enumerate(forecasts.levels)
    )


def coverage_by_year(
    forecasts: Forecasts, outcomes: Float, dates: Dates, *, n_draws: int = 1000, seed: int = 0
) -> dict[int, tuple[Coverage, ...]]:
    """``coverage`` of every calendar year with a forecast; takes and raises as that does.

    Parameters
    ----------
    dates : (D,) of the outcomes.
    """
    years = np.asarray(dates).astype("datetime64[Y]").astype(np.int64) + 1970
    if years.shape != np.shape(outcomes):
        raise InputError(f"{len(years)} dates for {len(outcomes)} outcomes; give one for each.")
    return {
        int(year): coverage(forecasts, outcomes, days=years == year, n_draws=n_draws, seed=seed)
        for year in np.unique(years[forecasts.known])
    }


def tail_degrees(var: Float, shortfall: Float, probability: float) -> float:
    """Degrees of freedom of the Student's t whose shortfall over value-at-risk is the median of the forecasts'.

    Infinite where it is no heavier than the normal distribution's, and 2.05 at least.

    Parameters
    ----------
    var, shortfall : (D,) forecasts, positive.
    probability : of a hit, one less the level.
    """
    ratio, level = float(np.median(shortfall / var)), 1 - probability

    def excess(log_degrees: float) -> float:
        degrees = float(np.exp(log_degrees))
        return student_shortfall(level, degrees) / student_quantile(level, degrees) - ratio

    if ratio <= normal_shortfall(level) / normal_quantile(level) or excess(np.log(1e4)) >= 0:
        return np.inf
    if excess(np.log(_HEAVIEST)) <= 0:
        return _HEAVIEST
    return float(np.exp(optimize.brentq(excess, np.log(_HEAVIEST), np.log(1e4))))


def _tested(
    method: str,
    level: float,
    losses: Float,
    var: Float,
    shortfall: Float,
    ranks: Float,
    refused: int,
    draws: tuple[int, int],
) -> Coverage:
    hits, probability = losses > var, 1 - level
    count, n = int(hits.sum()), len(hits)

    def shortfalls(average: bool) -> RiskTest:
        degrees = tail_degrees(var, shortfall, probability)
        return acerbi_szekely(
            losses, var, shortfall, probability, average=average, degrees=degrees, n_draws=draws[0], seed=draws[1]
        )

    makers: tuple[Callable[[], RiskTest], ...] = (
        lambda: kupiec(count, n, probability),
        lambda: christoffersen(hits),
        lambda: conditional_coverage(hits, probability),
        lambda: duration(hits),
        lambda: shortfalls(True),
        lambda: shortfalls(False),
        lambda: du_escanciano(ranks, probability),
        lambda: du_escanciano(ranks, probability, lags=_LAGS),
    )
    tests, untold = {}, {}
    for name, make in zip(TESTS, makers, strict=True):
        try:
            tests[name] = make()
        except InputError as error:
            untold[name] = str(error)
    return Coverage(method, level, n, refused, count, tests, untold, traffic_light(count, n, probability))
