"""Return for the risk of falling short: ratios of one return series against a rate, each with its formula.

All take (T,) simple returns of periods, and ``risk_free`` as a simple yearly rate or as (T,) returns of cash; excess
returns are x. Ratios are of one period unless they say yearly. Without a meaningful denominator they are NaN. All raise
``InputError`` for fewer than two returns, missing values or another length of ``risk_free``.
"""

import math

import numpy as np

from quantray.analytics.metrics import checked_series
from quantray.arrays import TRADING_DAYS, Float
from quantray.errors import InputError

__all__ = [
    "adjusted_sharpe",
    "bernardo_ledoit",
    "d_ratio",
    "downside_deviation",
    "downside_frequency",
    "gain_deviation",
    "kappa",
    "loss_deviation",
    "omega",
    "omega_excess",
    "payoff_ratio",
    "prospect_ratio",
    "rachev_ratio",
    "reward_to_shortfall",
    "reward_to_var",
    "stability",
    "tail_ratio",
    "upside_potential",
    "upside_risk",
    "variability_skewness",
    "volatility_error",
    "win_loss_ratio",
]


def omega(excess: Float) -> float:
    """Gains over losses, ``sum max(x, 0) / sum max(-x, 0)``.

    Source: Keating and Shadwick (2002), *A universal performance measure*, JPM 6(3).
    """
    gains, losses = _gains(excess), _gains(-checked_series(excess, "excess returns"))
    return _over(gains.sum(), losses.sum())


def omega_excess(excess: Float) -> float:
    """Omega less one: the mean excess return over the mean loss, also called the Omega-Sharpe ratio.

    Source: Bacon (2008), ch. 4.
    """
    return omega(excess) - 1


def bernardo_ledoit(returns: Float) -> float:
    """Omega at a rate of zero, also called gain-loss ratio and profit factor.

    Source: Bernardo and Ledoit (2000), *Gain, loss, and asset pricing*, JPE 108(1).
    """
    return omega(returns)


def d_ratio(returns: Float) -> float:
    """``n_losses * sum of losses / (n_gains * sum of gains)``: low is good.

    Source: Dowd (2000), *Adjusting for risk: an improved Sharpe ratio*, IREF 9(3); Bacon (2008), ch. 4.
    """
    values = checked_series(returns, "returns")
    gains, losses = _gains(values), _gains(-values)
    return _over((losses > 0).sum() * losses.sum(), (gains > 0).sum() * gains.sum())


def kappa(excess: Float, order: int = 3) -> float:
    """Mean excess return over the root of the lower partial moment, ``mean(x) / mean(max(-x, 0)^k)^(1/k)``.

    Of order 2 it is the Sortino ratio of a period, of order 1 Omega less one.

    Source: Kaplan and Knowles (2004), *Kappa: a generalized downside risk-adjusted performance measure*, JPM 8(3).
    """
    if order < 1:
        raise InputError(f"the order {order} of kappa must be 1 or more; 2 is the Sortino ratio.")
    return _over(np.mean(excess), float(np.mean(_gains(-checked_series(excess, "returns")) ** order)) ** (1 / order))


def downside_deviation(excess: Float, *, periods_per_year: int = TRADING_DAYS) -> float:
    """Yearly ``sqrt(mean(min(x, 0)^2))``; all periods count.

    Source: Sortino and Price (1994), *Performance measurement in a downside risk framework*, JOI 3(3).
    """
    falls = _gains(-checked_series(excess, "excess returns"))
    return math.sqrt(float(np.mean(falls**2)) * periods_per_year)


def upside_risk(excess: Float, *, periods_per_year: int = TRADING_DAYS) -> float:
    """Yearly ``sqrt(mean(max(x, 0)^2))``.

    Source: Bacon (2008), ch. 4.
    """
    return math.sqrt(float(np.mean(_gains(excess) ** 2)) * periods_per_year)


def downside_frequency(excess: Float) -> float:
    """Share of periods below the rate.

    Source: Bacon (2008), ch. 4.
    """
    return float((checked_series(excess, "excess returns") < 0).mean())


def upside_potential(excess: Float) -> float:
    """Mean gain over the downside deviation, ``mean(max(x, 0)) / sqrt(mean(min(x, 0)^2))``.

    Source: Sortino, van der Meer and Plantinga (1999), *The Dutch triangle*, JPM 26(1).
    """
    return _over(_gains(excess).mean(), downside_deviation(excess, periods_per_year=1))


def variability_skewness(excess: Float) -> float:
    """Upside over downside variance; above one where gains vary more than losses.

    Source: Bacon (2008), ch. 4.
    """
    return _over(upside_risk(excess, periods_per_year=1) ** 2, downside_deviation(excess, periods_per_year=1) ** 2)


def gain_deviation(returns: Float, *, periods_per_year: int = TRADING_DAYS) -> float:
    """Yearly standard deviation (n - 1) of the periods with gains.

    Source: Bacon (2008), ch. 4.
    """
    return _deviation(returns, 1, periods_per_year)


def loss_deviation(returns: Float, *, periods_per_year: int = TRADING_DAYS) -> float:
    """Yearly standard deviation (n - 1) of the periods with losses.

    Source: Bacon (2008), ch. 4.
    """
    return _deviation(returns, -1, periods_per_year)


def prospect_ratio(returns: Float, minimum: float = 0.0) -> float:
    """Gains less 2.25 times losses over a minimum, per downside deviation below it.

    ``(mean(max(r, 0) + 2.25 min(r, 0)) - minimum) / sqrt(mean(min(r - minimum, 0)^2))``, minimum per period.

    Source: Watanabe (2006), *Is Sharpe ratio still effective?*, JPM 11(1); Bacon (2008), ch. 4.
    """
    values = checked_series(returns, "returns")
    felt = np.where(values > 0, values, 2.25 * values)
    return _over(felt.mean() - minimum, downside_deviation(values - minimum, periods_per_year=1))


def tail_ratio(returns: Float, level: float = 0.95) -> float:
    """Size of the right tail over the left: ``q(level) / |q(1 - level)|``, quantiles of type 7.

    Source: pyfolio's ``tail_ratio``.
    """
    low, high = np.quantile(checked_series(returns, "returns"), [1 - level, level])
    return _over(high, abs(low))


def rachev_ratio(excess: Float, level: float = 0.95) -> float:
    """Mean of the best over mean loss of the worst share of ``1 - level`` of periods.

    Source: Biglova, Ortobelli, Rachev and Stoyanov (2004), *Different approaches to risk estimation*, JPM 31(1).
    """
    values = checked_series(excess, "excess returns")
    low, high = np.quantile(values, [1 - level, level])
    return _over(values[values >= high].mean(), -values[values <= low].mean())


def reward_to_var(excess: Float, level: float = 0.95) -> float:
    """Mean excess return over the historical value-at-risk of a period.

    Source: Dowd (2000), *Adjusting for risk: an improved Sharpe ratio*, IREF 9(3).
    """
    values = checked_series(excess, "excess returns")
    return _over(values.mean(), -float(np.quantile(values, 1 - level)))


def reward_to_shortfall(excess: Float, level: float = 0.95) -> float:
    """Mean excess return over the historical expected shortfall of a period: the STARR or conditional Sharpe ratio.

    Source: Martin, Rachev and Siboulet (2003), *Phi-alpha optimal portfolios and extreme risk management*, Wilmott.
    """
    values = checked_series(excess, "excess returns")
    return _over(values.mean(), -values[values <= np.quantile(values, 1 - level)].mean())


def adjusted_sharpe(excess: Float, *, periods_per_year: int = TRADING_DAYS) -> float:
    """Yearly Sharpe ratio that pays for skewness S and excess kurtosis K: ``SR (1 + S SR / 6 - K SR^2 / 24)``.

    The correction takes the ratio of a period, whose moments S and K are.

    Source: Pezier and White (2006), *The relative merits of investable hedge fund indices and of funds of hedge funds*.
    """
    values = checked_series(excess, "excess returns")
    deviation = float(values.std(ddof=1))
    if not deviation > 0:
        return math.nan
    standard = (values - values.mean()) / values.std()
    ratio, skew, kurtosis = values.mean() / deviation, (standard**3).mean(), (standard**4).mean() - 3
    return float(ratio * (1 + skew / 6 * ratio - kurtosis / 24 * ratio**2)) * math.sqrt(periods_per_year)


def volatility_error(returns: Float, *, periods_per_year: int = TRADING_DAYS) -> float:
    """Standard error of the yearly volatility: ``s sqrt((K + 2) / (4 T))`` with excess kurtosis K, returns independent.

    Source: Cramer (1946), *Mathematical Methods of Statistics*, ch. 27, by the delta method.
    """
    values = checked_series(returns, "returns")
    deviation = float(values.std(ddof=1))
    if not deviation > 0:
        return math.nan
    kurtosis = float((((values - values.mean()) / values.std()) ** 4).mean() - 3)
    return deviation * math.sqrt(max(kurtosis + 2, 0.0) / (4 * len(values)) * periods_per_year)


def payoff_ratio(returns: Float) -> float:
    """Mean gain of winning periods over mean loss of losing ones.

    Source: Kaufman (2013), *Trading Systems and Methods*, ch. 21.
    """
    values = checked_series(returns, "returns")
    gains, losses = values[values > 0], -values[values < 0]
    return _over(gains.mean(), losses.mean()) if len(gains) and len(losses) else math.nan


def win_loss_ratio(returns: Float) -> float:
    """Number of winning over losing periods.

    Source: Bacon (2008), ch. 4.
    """
    values = checked_series(returns, "returns")
    return _over((values > 0).sum(), (values < 0).sum())


def stability(returns: Float) -> float:
    """R-squared of cumulative log returns on time; one where wealth grows at an even rate.

    Source: pyfolio's ``stability_of_timeseries``.
    """
    values = checked_series(returns, "returns")
    if (values <= -1).any():
        return math.nan
    path = np.cumsum(np.log1p(values))
    return float(np.corrcoef(np.arange(len(path)), path)[0, 1] ** 2) if path.std() > 0 else math.nan


def _gains(values: Float) -> Float:
    return np.maximum(checked_series(values, "returns"), 0.0)


def _over(above: float | np.floating, below: float | np.floating) -> float:
    return float(above) / float(below) if below > 0 else math.nan


def _deviation(returns: Float, sign: int, periods_per_year: int) -> float:
    values = checked_series(returns, "returns")
    chosen = values[sign * values > 0]
    return float(chosen.std(ddof=1)) * math.sqrt(periods_per_year) if len(chosen) > 1 else math.nan
