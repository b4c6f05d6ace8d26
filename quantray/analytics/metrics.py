"""Performance of a return series, and of a track record with its trades."""

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from quantray.analytics.track import TrackRecord
from quantray.arrays import TRADING_DAYS, Bool, Float, Int
from quantray.errors import InputError
from quantray.portfolio.rebalance import unnecessary_turnover

__all__ = [
    "Performance",
    "Relative",
    "Trading",
    "checked_series",
    "drawdown",
    "over_cash",
    "performance",
    "relative",
    "sharpe_of_moments",
    "sharpe_ratio",
    "trading",
    "varies",
]

_FLAT = 1e-12
"""Standard deviation per period up to which returns do not vary: what is left of it is rounding."""


@dataclass(frozen=True)
class Performance:
    """Measures of one return series r over T periods, y of them a year; x is r less cash. Losses are positive.

    Source: Bacon (2008), *Practical Portfolio Performance Measurement and Attribution*, 2nd ed., ch. 4, where a measure
    names no other.
    """

    total_return: float
    """``prod(1 + r) - 1``."""
    annual_return: float
    """Geometric: ``prod(1 + r)^(y / T) - 1``."""
    annual_volatility: float
    """``s(r) sqrt(y)``, with T - 1."""
    sharpe: float
    """``mean(x) / s(x) sqrt(y)``. Source: Sharpe (1994), *The Sharpe ratio*, JPM 21(1)."""
    sharpe_error: float
    """Its standard error: ``sqrt((1 - S z + (K + 2) z^2 / 4) / (T - 1)) sqrt(y)`` with the ratio z of a period,
    skewness S and excess kurtosis K. Source: Mertens (2002)."""
    sortino: float
    """``mean(x) / sqrt(mean(min(x, 0)^2)) sqrt(y)``. Source: Sortino and Price (1994), JOI 3(3)."""
    calmar: float
    """Annual return over maximum drawdown. Source: Young (1991), *Calmar ratio: a smoother tool*, Futures 20."""
    max_drawdown: float
    """``max(1 - W_t / max(W_s, s <= t))`` of wealth W, the beginning included."""
    max_drawdown_days: int
    """Trading days of the longest time below an earlier high."""
    daily_var_95: float
    """Historical value at risk of one period: minus the quantile of r at 5 %, of type 7."""
    daily_es_95: float
    """Mean loss on periods at or beyond that value at risk. Source: Acerbi and Tasche (2002), JBF 26(7)."""
    skewness: float
    """``mean(z^3)`` of standardised x, divided by T."""
    excess_kurtosis: float
    """``mean(z^4) - 3``."""
    hit_rate: float
    """Share of periods with a return above zero."""
    n_days: int
    """T."""

    def as_dict(self) -> dict[str, float]:
        """Name -> value."""
        return {name: float(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Relative:
    """Measures of returns r against a benchmark b, y periods a year.

    Source: Grinold and Kahn (1999), *Active Portfolio Management*, 2nd ed., ch. 2 and 5.
    """

    active_return: float
    """``mean(r - b) y``."""
    tracking_error: float
    """``s(r - b) sqrt(y)``."""
    information_ratio: float
    """Active return over tracking error."""
    beta: float
    """``cov(r, b) / var(b)``."""
    correlation: float
    """``cov(r, b) / (s(r) s(b))``."""
    volatility_ratio: float
    """``s(r) / s(b)``."""

    def as_dict(self) -> dict[str, float]:
        """Name -> value."""
        return {name: float(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Trading:
    """What trading and concentration were like."""

    annual_turnover: float
    """One-way: half the money traded in a year over NAV."""
    unnecessary_turnover: float
    """Share of the turnover that trades took back within three rebalances."""
    annual_cost: float
    """Trading costs of a year over mean NAV."""
    mean_effective_names: float
    """Mean of one over the sum of squared weights, over the days with trades."""
    mean_names: float
    largest_weight: float
    mean_invested: float
    """Mean sum of weights."""
    delistings_recorded: float
    """Holdings that ended with the delisting return in the data."""
    delistings_assumed: float
    """Holdings that ended with ``Accounting.delisting_return``."""

    def as_dict(self) -> dict[str, float]:
        """Name -> value."""
        return {name: float(value) for name, value in asdict(self).items()}


def varies(returns: Float) -> Bool:
    """Whether each series of (T, ...) returns varies; one that holds nothing does not, nor one of a single period."""
    if len(returns) < 2:
        return np.zeros(np.shape(returns)[1:], dtype=np.bool_)
    return np.asarray(np.std(returns, axis=0, ddof=1) > _FLAT)


def sharpe_ratio(returns: Float, *, periods_per_year: int = TRADING_DAYS) -> Float:
    """(...) yearly Sharpe ratio of each series of (T, ...) returns; NaN where they do not vary, see ``varies``.

    Returns are in excess of nothing: subtract a cash rate first. Who ranks strategies and takes an idle one for a ratio
    of 0 says so with ``np.nan_to_num``.
    """
    return sharpe_of_moments(
        np.mean(returns, axis=0), np.std(returns, axis=0, ddof=1), periods_per_year=periods_per_year
    )


def sharpe_of_moments(mean: npt.ArrayLike, deviation: npt.ArrayLike, *, periods_per_year: int = TRADING_DAYS) -> Float:
    """``sharpe_ratio`` where the mean and standard deviation of a period are known; both broadcast.

    With ``periods_per_year=1`` it is the ratio of one period.
    """
    mean, deviation = np.broadcast_arrays(np.asarray(mean, dtype=np.float64), np.asarray(deviation, dtype=np.float64))
    out = np.full(mean.shape, np.nan)
    np.divide(mean, deviation, out=out, where=deviation > _FLAT)
    return np.asarray(out * math.sqrt(periods_per_year))


def performance(returns: Float, *, risk_free: float | Float = 0.0, periods_per_year: int = TRADING_DAYS) -> Performance:
    """Measures of simple returns per period.

    Ratios without a meaningful denominator (no volatility, no drawdown) are NaN.

    Parameters
    ----------
    returns : (T,) simple returns; no NaN.
    risk_free : simple yearly rate, spread evenly over periods, or (T,) returns of cash.
    periods_per_year : of the returns; ``TrackRecord.periods_per_year`` for those of a record.

    Raises
    ------
    InputError
        Fewer than two returns, NaN, or another length of ``risk_free``.

    Source: Bacon (2008), *Practical Portfolio Performance Measurement and Attribution*, 2nd ed.; the standard error
    of the Sharpe ratio from Mertens (2002) and Lo (2002), *The statistics of Sharpe ratios*, FAJ 58(4).
    """
    returns = checked_series(returns, "returns")
    excess = over_cash(returns, risk_free, periods_per_year=periods_per_year)
    wealth = np.cumprod(1 + returns)
    total = float(wealth[-1] - 1)
    years = len(returns) / periods_per_year
    annual = float(wealth[-1] ** (1 / years) - 1) if wealth[-1] > 0 else -1.0
    deviation = float((excess if np.ndim(risk_free) == 0 else returns).std(ddof=1))
    daily_sharpe = float(sharpe_ratio(excess, periods_per_year=1))
    flat = math.isnan(daily_sharpe)
    skew, kurtosis = (math.nan, math.nan) if flat else _shape(excess)
    downside = float(np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2)))
    depth, longest = drawdown(returns)
    loss = -float(np.quantile(returns, 0.05))
    root = math.sqrt(periods_per_year)
    variance = 1 - skew * daily_sharpe + (kurtosis + 2) / 4 * daily_sharpe**2
    return Performance(
        total_return=total,
        annual_return=annual,
        annual_volatility=deviation * root,
        sharpe=daily_sharpe * root,
        sharpe_error=math.nan if flat else math.sqrt(max(variance, 0.0) / (len(returns) - 1)) * root,
        sortino=float(excess.mean()) / downside * root if downside > 0 else math.nan,
        calmar=annual / depth if depth > 0 else math.nan,
        max_drawdown=depth,
        max_drawdown_days=longest,
        daily_var_95=loss,
        daily_es_95=-float(returns[returns <= -loss].mean()),
        skewness=skew,
        excess_kurtosis=kurtosis,
        hit_rate=float((returns > 0).mean()),
        n_days=len(returns),
    )


def over_cash(returns: Float, risk_free: float | Float = 0.0, *, periods_per_year: int = TRADING_DAYS) -> Float:
    """(T,) returns in excess of cash; a yearly rate is spread evenly over periods.

    Raises
    ------
    InputError
        Fewer than two returns, missing values, or another length of ``risk_free``.
    """
    returns = checked_series(returns, "returns")
    if np.ndim(risk_free) == 0:
        return returns - float(risk_free) / periods_per_year
    rate = checked_series(np.asarray(risk_free), "risk-free returns")
    if len(rate) != len(returns):
        raise InputError(f"{len(rate)} risk-free returns for {len(returns)} returns; take the same dates.")
    return returns - rate


def drawdown(returns: Float) -> tuple[float, int]:
    """The deepest fall below an earlier high (positive), and the most periods in a row spent below one."""
    wealth = np.concatenate([[1.0], np.cumprod(1 + np.asarray(returns, dtype=np.float64))])
    below = 1 - wealth / np.maximum.accumulate(wealth)
    position = np.arange(len(below))
    last_high = np.maximum.accumulate(np.where(below <= 0, position, 0))
    return float(below.max()), int((position - last_high).max())


def relative(returns: Float, benchmark: Float, *, periods_per_year: int = TRADING_DAYS) -> Relative:
    """Measures of returns against a benchmark's over the same periods.

    Raises
    ------
    InputError
        The lengths differ, or as ``performance``.
    """
    returns, benchmark = checked_series(returns, "returns"), checked_series(benchmark, "benchmark")
    if len(returns) != len(benchmark):
        raise InputError(f"{len(returns)} returns against {len(benchmark)} of the benchmark; take the same dates.")
    active = returns - benchmark
    covariance = np.cov(returns, benchmark, ddof=1)
    own, other = math.sqrt(covariance[0, 0]), math.sqrt(covariance[1, 1])
    return Relative(
        active_return=float(active.mean()) * periods_per_year,
        tracking_error=float(active.std(ddof=1)) * math.sqrt(periods_per_year),
        information_ratio=float(sharpe_ratio(active, periods_per_year=periods_per_year)),
        beta=float(covariance[0, 1] / covariance[1, 1]) if other > 0 else math.nan,
        correlation=float(covariance[0, 1] / (own * other)) if own * other > 0 else math.nan,
        volatility_ratio=own / other if other > 0 else math.nan,
    )


def trading(record: TrackRecord) -> Trading:
    """Turnover and costs of a track record, and its concentration on the days it traded."""
    record = record.on_trade_dates()
    years = record.years
    squares = (record.weights**2).sum(axis=1)
    held = squares > 0
    effective = 1 / squares[held]
    return Trading(
        annual_turnover=float(record.turnover.sum()) / years,
        unnecessary_turnover=unnecessary_turnover(record.trades / record.nav[_rows(record)][:, None]),
        annual_cost=float(record.cost_series.sum() / record.nav.mean()) / years,
        mean_effective_names=float(effective.mean()) if held.any() else 0.0,
        mean_names=float((record.weights[held] != 0).sum(axis=1).mean()) if held.any() else 0.0,
        largest_weight=float(np.abs(record.weights).max(initial=0.0)),
        mean_invested=float(record.weights[held].sum(axis=1).mean()) if held.any() else 0.0,
        delistings_recorded=record.delistings.recorded,
        delistings_assumed=record.delistings.assumed,
    )


def _rows(record: TrackRecord) -> Int:
    """(H,) row of each holding date among the dates of the accounts."""
    return np.searchsorted(record.dates, record.holding_dates)


def checked_series(returns: Float, name: str) -> Float:
    """(T,) returns as they came.

    Raises
    ------
    InputError
        Fewer than two periods, several series, or missing values.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 1 or len(returns) < 2:
        raise InputError(f"{name} are {returns.shape}; at least two periods of one series are needed.")
    if not np.isfinite(returns).all():
        raise InputError(f"{name} hold {int((~np.isfinite(returns)).sum())} missing values; fill or drop them first.")
    return returns


def _shape(values: Float) -> tuple[float, float]:
    """Skewness and excess kurtosis of values that vary."""
    standard = (values - values.mean()) / values.std()
    return float((standard**3).mean()), float((standard**4).mean() - 3)
