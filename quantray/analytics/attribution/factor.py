"""Return by factor: yesterday's exposures times today's factor returns, what is specific, cash and costs; and the risk.

With a factor model the exposures come from holdings; without one, ``regressed_factors`` finds them from the returns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.attribution.breakdown import Breakdown, break_down, known
from quantray.analytics.attribution.holdings import CASH, DIVIDENDS, Holdings
from quantray.analytics.attribution.linking import Linking
from quantray.analytics.regression import Regression, mean_t, regress
from quantray.arrays import TRADING_DAYS, Dates, Float, Names
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError

__all__ = [
    "COSTS",
    "SPECIFIC",
    "FactorAttribution",
    "RegressedFactors",
    "factor_attribution",
    "model_returns",
    "regressed_factors",
]

SPECIFIC, COSTS = "specific", "costs"

Models = FactorModel | Sequence[tuple[np.datetime64, FactorModel]]
"""One model of all days, or models by the day whose close they know, oldest first; each explains the days after it."""


@dataclass(frozen=True, eq=False)
class FactorAttribution:
    """A return and its risk by factor. E rows: K factors, what is specific, cash, dividends and costs."""

    breakdown: Breakdown
    exposures: Float
    """(T, K) at the close before."""
    factor_returns: Float
    """(T, K)."""
    volatility: Float
    """(E,) yearly standard deviation of each row's part of the return: exposure times volatility."""
    correlation: Float
    """(E,) of that part with the return; NaN where one does not vary."""
    risk: Float
    """(E,) their product, which sums to the yearly volatility of the return."""
    t: Float
    """(E,) t-statistic of the mean part, with Newey-West errors."""


def factor_attribution(
    holdings: Holdings,
    models: Models,
    *,
    asset_returns: Float | None = None,
    factor_returns: Float | None = None,
    benchmark: Holdings | None = None,
    method: Linking = "carino",
    periods_per_year: int = TRADING_DAYS,
) -> FactorAttribution:
    """Split returns after costs by factor.

    Parameters
    ----------
    models : of the assets of the holdings in their order; one for all days, or by the date whose close they know.
    asset_returns : (T, N) from which factor returns are estimated, NaN where unknown; see ``model_returns``.
    factor_returns : (T, K) instead, where they are known, such as those of a ``FactorHistory``.
    benchmark : on the same days and assets, whose parts are taken off: the excess is explained.

    Raises
    ------
    InputError
        Models are of other assets or factors, the first is younger than the first close, neither or both kinds of
        returns are given, or something is missing.
    DataError
        The parts do not sum to the return.

    Source: Menchero and Poduri (2008), *Custom factor attribution*, FAJ 64(2); risk by Davis and Menchero (2010),
    *Risk contribution is exposure times volatility times correlation*.
    """
    eras = _eras(models, holdings.dates, len(holdings.assets))
    if (asset_returns is None) == (factor_returns is None):
        raise InputError("give either asset_returns, to estimate factor returns from, or factor_returns.")
    if factor_returns is None:
        factor_returns = model_returns(models, np.asarray(asset_returns), holdings.dates)
    factor_returns = known(factor_returns, holdings.dates, "factor returns")
    names = [str(name) for name in _names(eras)]
    if factor_returns.shape != (len(holdings.dates), len(names)):
        raise InputError(f"factor returns are {factor_returns.shape} for {len(names)} factors; give each one.")
    exposures, parts = _parts(holdings, eras, factor_returns)
    if benchmark is not None:
        if not np.array_equal(benchmark.assets, holdings.assets) or len(benchmark.dates) != len(holdings.dates):
            raise InputError(f"{benchmark.name} has other assets or days than the holdings; bring both on one panel.")
        against, their_parts = _parts(benchmark, eras, factor_returns)
        exposures, parts = exposures - against, parts - their_parts
    rows = [*names, SPECIFIC, CASH, DIVIDENDS, COSTS]
    used = [i for i, row in enumerate(rows) if row != DIVIDENDS or parts[:, i].any()]
    split = break_down(
        "Factors",
        holdings.dates,
        [rows[i] for i in used],
        "contribution",
        parts[:, used],
        holdings.returns,
        benchmark=None if benchmark is None else benchmark.returns,
        method=method,
    )
    return FactorAttribution(split, exposures, factor_returns, *_risk(split.parts, periods_per_year))


def model_returns(models: Models, asset_returns: Float, dates: Dates) -> Float:
    """(T, K) factor returns: each day's asset returns regressed on the exposures known the day before.

    Assets count by the inverse of their specific variance. Where every asset belongs to a market and to one sector, the
    sectors' returns average zero by that weight, so that the market is what all have in common.

    Parameters
    ----------
    asset_returns : (T, N); assets that lack a return between two models are left out of those days.

    Raises
    ------
    InputError
        Shapes disagree, or a model explains days on which fewer assets than factors have returns.

    Source: Menchero, Orr and Wang (2011), *The Barra US Equity Model (USE4)*, methodology notes.
    """
    eras = _eras(models, dates, asset_returns.shape[1])
    out = np.empty((len(dates), len(_names(eras))))
    for days, model in eras:
        block = asset_returns[days]
        inside = np.isfinite(block).all(axis=0)
        if inside.sum() < model.n_factors:
            raise InputError(
                f"{int(inside.sum())} assets have all returns from {dates[days][0]} on, fewer than {model.n_factors} "
                "factors; give models more often or fill the gaps."
            )
        out[days] = block[:, inside] @ _portfolios(model, np.flatnonzero(inside)).T
    return out


@dataclass(frozen=True, eq=False)
class RegressedFactors:
    """A return by given factors through betas that were constant over the time: not what was held, but how it moved."""

    breakdown: Breakdown
    """Rows: the factors, ``alpha`` (the intercept of every period) and ``residual`` (zero on average)."""
    regression: Regression


def regressed_factors(
    dates: Dates,
    returns: Float,
    factor_returns: Float,
    names: Sequence[str] | Names,
    *,
    method: Linking = "carino",
) -> RegressedFactors:
    """Split returns by regressing them on factor returns, for a record without holdings or without a factor model.

    Parameters
    ----------
    returns : (T,); take a rate of cash off both sides first where factors are excess returns.
    factor_returns : (T, K).

    Raises
    ------
    InputError
        As ``regression.regress`` and ``linking.link``.
    """
    found = regress(returns, factor_returns)
    n = len(dates)
    parts = np.column_stack([factor_returns * found.slopes, np.full(n, found.intercept), found.residuals])
    rows = [*(str(name) for name in names), "alpha", "residual"]
    split = break_down("Factors by regression", dates, rows, "contribution", parts, returns, method=method)
    return RegressedFactors(split, found)


Eras = list[tuple[slice, FactorModel]]


def _eras(models: Models, dates: Dates, n_assets: int) -> Eras:
    """Rows of days and the model that explains them."""
    dated = [(None, models)] if isinstance(models, FactorModel) else list(models)
    if not dated:
        raise InputError("there is no factor model; give one at least.")
    starts = [0 if day is None else int(np.searchsorted(dates, day, side="right")) for day, _ in dated]
    if dated[0][0] is not None and not dated[0][0] < dates[0]:
        raise InputError(f"the first factor model is of {dated[0][0]}; one from before {dates[0]} is needed.")
    if starts != sorted(starts):
        raise InputError("factor models are out of order; give them from the oldest to the youngest.")
    first = list(_named(dated[0][1]))
    for _, model in dated:
        if model.n_assets != n_assets or list(_named(model)) != first:
            raise InputError(f"a factor model of {model.n_assets} assets or other factors does not fit {n_assets}.")
    ends = [*starts[1:], len(dates)]
    return [(slice(a, b), m) for a, b, (_, m) in zip(starts, ends, dated, strict=True) if a < b]


def _names(eras: Eras) -> Names:
    return _named(eras[0][1])


def _named(model: FactorModel) -> Names:
    return np.asarray(model.factor_names, dtype=np.str_)


def _parts(holdings: Holdings, eras: Eras, factor_returns: Float) -> tuple[Float, Float]:
    """(T, K) exposures and (T, K + 4) parts of the return."""
    exposures = np.empty_like(factor_returns)
    for days, model in eras:
        exposures[days] = holdings.weights[days] @ model.loadings
    by_factor = exposures * factor_returns
    specific = holdings.contributions.sum(axis=1) - by_factor.sum(axis=1)
    return exposures, np.column_stack([by_factor, specific, holdings.cash, holdings.dividends, -holdings.costs])


def _portfolios(model: FactorModel, inside: np.ndarray) -> Float:
    """(K, N) weights that turn the returns of some assets into factor returns."""
    design, variance = model.loadings[inside], model.specific_variance[inside]
    floor = np.median(variance[variance > 0]) * 1e-3 if (variance > 0).any() else 1.0
    weight = 1 / np.maximum(variance, floor)
    weighted = design * (weight / weight.sum())[:, None]
    out: Float = np.linalg.pinv(design.T @ weighted, rcond=1e-10, hermitian=True) @ weighted.T
    names = _named(model)
    sectors = np.flatnonzero(np.char.startswith(names, "sector: "))
    market = np.flatnonzero(names == "market")
    if len(market) == 1 and len(sectors) and (design[:, sectors].sum(axis=1) == design[:, market[0]]).all():
        average = weighted[:, sectors].sum(axis=0) / weighted[:, market[0]].sum() @ out[sectors]
        out[market[0]] += average
        out[sectors] -= average
    return out


def _risk(parts: Float, periods_per_year: int) -> tuple[Float, Float, Float, Float]:
    """Volatility, correlation, risk and t of each part."""
    total = parts.sum(axis=1)
    left, whole = parts - parts.mean(axis=0), total - total.mean()
    freedom = max(len(parts) - 1, 1)
    own, sigma = np.sqrt((left**2).sum(axis=0) / freedom), float(np.sqrt(whole @ whole / freedom))
    covariance = left.T @ whole / freedom
    root = np.sqrt(periods_per_year)
    risk = covariance / sigma * root if sigma > 0 else np.zeros(parts.shape[1])
    correlation = np.full(parts.shape[1], np.nan)
    np.divide(covariance, own * sigma, out=correlation, where=own * sigma > 0)
    return own * root, correlation, risk, mean_t(parts)
