"""Every measure of a return series by name, for reports and files; each is computed where its formula stands."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quantray.analytics import against, drawdowns, ratios
from quantray.analytics.metrics import over_cash, performance, relative, varies
from quantray.analytics.periods import period_returns
from quantray.analytics.selection import SharpeEstimate, minimum_track_record, probabilistic_sharpe
from quantray.arrays import TRADING_DAYS, Dates, Float

__all__ = ["Basis", "measures"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Basis:
    """What measures are taken against."""

    risk_free: float | Float = 0.0
    """Simple yearly rate, or (T,) returns of cash."""
    benchmark: Float | None = None
    """(T,) returns; without it, measures against a benchmark are left out."""
    dates: Dates | None = None
    """(T,) without which measures of months are left out."""
    periods_per_year: int = TRADING_DAYS


def measures(returns: Float, basis: Basis | None = None) -> dict[str, float]:
    """Name -> value of all measures that the inputs allow; NaN where one has no meaning.

    Yearly figures are of ``performance``, ``relative`` and the functions of ``ratios``, ``drawdowns`` and ``against``.

    Raises
    ------
    InputError
        Fewer than three returns, missing values, or lengths that differ.
    """
    basis = basis or Basis()
    year = basis.periods_per_year
    excess = over_cash(returns, basis.risk_free, periods_per_year=year)
    cash = np.asarray(returns) - excess
    rate = float(np.mean(cash)) * year
    found = performance(returns, risk_free=basis.risk_free, periods_per_year=year).as_dict()
    found |= _of_excess(excess, year) | _of_returns(np.asarray(returns), year, rate)
    if varies(excess):
        told = SharpeEstimate.of(excess, periods_per_year=year)
        found["probabilistic_sharpe"] = probabilistic_sharpe(told)
        found["minimum_track_record"] = minimum_track_record(told) / year
    if basis.dates is not None:
        months = np.array([month.total for month in period_returns(basis.dates, returns, "month")])
        found |= {"best_month": months.max(), "worst_month": months.min(), "winning_months": (months > 0).mean()}
    if basis.benchmark is not None:
        found |= _of_benchmark(returns, basis)
    return {name: float(value) for name, value in found.items()}


def _of_excess(excess: Float, year: int) -> dict[str, float]:
    plain: dict[str, Callable[[Float], float]] = {
        "omega": ratios.omega,
        "omega_excess": ratios.omega_excess,
        "kappa_3": ratios.kappa,
        "downside_frequency": ratios.downside_frequency,
        "upside_potential": ratios.upside_potential,
        "variability_skewness": ratios.variability_skewness,
        "rachev_ratio": ratios.rachev_ratio,
        "reward_to_var": ratios.reward_to_var,
        "reward_to_shortfall": ratios.reward_to_shortfall,
    }
    found = {name: measure(excess) for name, measure in plain.items()}
    found["downside_deviation"] = ratios.downside_deviation(excess, periods_per_year=year)
    found["upside_risk"] = ratios.upside_risk(excess, periods_per_year=year)
    found["adjusted_sharpe"] = ratios.adjusted_sharpe(excess, periods_per_year=year)
    return found


def _of_returns(returns: Float, year: int, rate: float) -> dict[str, float]:
    plain: dict[str, Callable[[Float], float]] = {
        "bernardo_ledoit": ratios.bernardo_ledoit,
        "d_ratio": ratios.d_ratio,
        "tail_ratio": ratios.tail_ratio,
        "prospect_ratio": ratios.prospect_ratio,
        "payoff_ratio": ratios.payoff_ratio,
        "win_loss_ratio": ratios.win_loss_ratio,
        "stability": ratios.stability,
        "average_drawdown": drawdowns.average_drawdown,
        "average_drawdown_days": drawdowns.average_drawdown_days,
        "time_under_water": drawdowns.time_under_water,
        "pain_index": drawdowns.pain_index,
        "ulcer_index": drawdowns.ulcer_index,
        "recovery_factor": drawdowns.recovery_factor,
    }
    found = {name: measure(returns) for name, measure in plain.items()}
    for name, of in (
        ("pain_ratio", drawdowns.pain_ratio),
        ("martin_ratio", drawdowns.martin_ratio),
        ("burke_ratio", drawdowns.burke_ratio),
        ("sterling_ratio", drawdowns.sterling_ratio),
    ):
        found[name] = of(returns, risk_free=rate, periods_per_year=year)
    found["gain_deviation"] = ratios.gain_deviation(returns, periods_per_year=year)
    found["loss_deviation"] = ratios.loss_deviation(returns, periods_per_year=year)
    found["volatility_error"] = ratios.volatility_error(returns, periods_per_year=year)
    return found | {"best_day": float(returns.max()), "worst_day": float(returns.min())}


def _of_benchmark(returns: Float, basis: Basis) -> dict[str, float]:
    assert basis.benchmark is not None, "checked by the caller"
    market, rate, year = basis.benchmark, basis.risk_free, basis.periods_per_year
    model = against.market_model(returns, market, risk_free=rate, periods_per_year=year)
    taken = against.captures(returns, market)
    found = relative(returns, market, periods_per_year=year).as_dict() | vars(model)
    found |= {
        "treynor_ratio": against.treynor_ratio(returns, market, risk_free=rate, periods_per_year=year),
        "m2": against.m2(returns, market, risk_free=rate, periods_per_year=year),
        "excess_m2": against.excess_m2(returns, market, risk_free=rate, periods_per_year=year),
        "up_beta": against.side_beta(returns, market, up=True, risk_free=rate, periods_per_year=year),
        "down_beta": against.side_beta(returns, market, up=False, risk_free=rate, periods_per_year=year),
        "batting_average": against.batting_average(returns, market),
        "up_capture": taken.up,
        "down_capture": taken.down,
        "capture_ratio": taken.ratio,
        "up_share": taken.up_share,
        "down_share": taken.down_share,
    }
    return {f"vs_{name}": float(value) for name, value in found.items()}
