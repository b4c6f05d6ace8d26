"""The portfolios on the day of the last trade: risk by factor, effective bets, and their place under the frontier."""

import numpy as np
from pydantic import BaseModel, ConfigDict

from quantray.analytics.track import TrackRecord
from quantray.arrays import Float
from quantray.covariance.factor import FactorModel, fundamental_factors, risk_tree, statistical_factors
from quantray.data.panel import Panel
from quantray.errors import QuantrayError
from quantray.features.returns import simple_returns
from quantray.portfolio.constraints import Limits
from quantray.portfolio.frontier import efficient_frontier

__all__ = ["Holding", "Snapshot", "effective_bets", "risk_model", "take_snapshot"]

_YEARS, _MODEL_YEARS = 2, 3
"""Behind the frontier, and at most behind the tree of risks."""
_CAP = 0.05
_LEAST_NAMES = 5


class Holding(BaseModel):
    """One portfolio in a snapshot; risks and returns are yearly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    volatility: float
    """By the factor model of the frontier."""
    expected_return: float
    """At the trailing mean returns, as the frontier takes them."""
    effective_bets: float
    risk: dict[str, float]
    """Part of the volatility owed to each group of factors and to specific risk. The parts sum to the volatility by the
    model that the notes name last, which may differ from that of the frontier."""
    covered: float
    """Sum of the weights that the model covers."""
    left_out: float = 0.0
    """Sum of the absolute weights that it does not cover."""


class Snapshot(BaseModel):
    """Ex-ante risk of all portfolios on one day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: str
    holdings: dict[str, Holding]
    frontier: tuple[tuple[float, float], ...]
    """Volatility and expected return of efficient long-only portfolios of at most 5 % a name."""
    notes: tuple[str, ...]


def effective_bets(model: FactorModel, weights: Float) -> float:
    """The effective number of uncorrelated bets: the exponential of the entropy of their shares of the variance.

    The bets are the factors, which must be uncorrelated, and the specific returns of all names.

    Parameters
    ----------
    model : with a diagonal factor covariance, as ``statistical_factors`` makes it.
    weights : (N,).

    Source: Meucci (2009), *Managing diversification*, Risk 22(5).
    """
    exposure = model.loadings.T @ weights
    parts = np.concatenate([exposure**2 * np.diagonal(model.factor_covariance), model.specific_variance * weights**2])
    shares = parts[parts > 0] / parts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def take_snapshot(panel: Panel, records: tuple[TrackRecord, ...], sectors: dict[str, str]) -> Snapshot | None:
    """Look at the weights on the day of the last trade of any record through models estimated on the days up to it.

    Records that keep holdings on the days of their trades only show those of the last one until then.

    Names without prices on nine of ten days are left out; what they weigh is said in ``left_out``. There is nothing to
    see (None) where a portfolio never traded or fewer than five names have such prices.
    """
    last = [record.on_trade_dates() for record in records]
    if any(len(record.holding_dates) == 0 for record in last):
        return None
    day = max(record.holding_dates[-1] for record in last)
    row = panel.row(day)
    periods = panel.periods_per_year
    close = panel.field("close")[max(row - _YEARS * periods, 0) : row + 1]
    returns = simple_returns(close)[1:]
    known = (~np.isnan(returns)).mean(axis=0) >= 0.9
    known &= ~np.isnan(close[-1]) & (np.nan_to_num(np.nanstd(np.where(known, returns, 0.0), axis=0)) > 0)
    if known.sum() < _LEAST_NAMES:
        return None
    returns, names = returns[:, known], panel.assets[known]
    model = statistical_factors(returns)
    alpha = np.nanmean(returns, axis=0)
    tree_model, note = risk_model(panel, row, known, sectors, model)
    holdings = {}
    for record in records:
        place = {asset: i for i, asset in enumerate(record.assets.tolist())}
        held = record.weights[np.searchsorted(record.holding_dates, day, side="right") - 1]
        weights = np.array([held[place[a]] if a in place else 0.0 for a in names.tolist()])
        tree = risk_tree(tree_model, weights)
        parts = dict(zip(tree.groups, tree.group_variance, strict=True)) | {"specific": tree.specific_variance}
        scale = tree.volatility / tree.variance * np.sqrt(periods) if tree.variance > 0 else 0.0
        holdings[record.name] = Holding(
            volatility=float(np.sqrt(model.variance(weights) * periods)),
            expected_return=float(alpha @ weights * periods),
            effective_bets=effective_bets(model, weights),
            risk={name: float(value * scale) for name, value in parts.items()},
            covered=float(weights.sum()),
            left_out=max(float(np.abs(held).sum() - np.abs(weights).sum()), 0.0),
        )
    return Snapshot(
        date=str(panel.dates[row]),
        holdings=holdings,
        frontier=_frontier(model, alpha, periods),
        notes=(*model.notes, *note),
    )


def risk_model(
    panel: Panel, row: int, known: np.ndarray, sectors: dict[str, str], fallback: FactorModel
) -> tuple[FactorModel, tuple[str, ...]]:
    """A fundamental model of some names at the close of a row where volumes and history allow one, else another.

    Parameters
    ----------
    known : (N,) which of the panel's names.
    fallback : of them, from returns alone.

    Returns
    -------
    The model, and its notes or the reason for the other.
    """
    if "volume" not in panel.fields:
        return fallback, ("risk by statistical factors: the panel has no volume",)
    rows = slice(max(row - _MODEL_YEARS * panel.periods_per_year, 0), row + 1)
    labels = [sectors.get(name) for name in panel.assets[known].tolist()]
    try:
        model = fundamental_factors(
            panel.field("close")[rows][:, known], panel.field("volume")[rows][:, known], sectors=labels
        )
    except QuantrayError as error:
        return fallback, (f"risk by statistical factors: {error}",)
    return model, model.notes


def _frontier(model: FactorModel, alpha: Float, periods: int) -> tuple[tuple[float, float], ...]:
    limits = Limits(weight=(0.0, max(_CAP, 1.5 / model.n_assets)))
    points = efficient_frontier(limits, alpha=alpha, model=model, risk_aversions=np.geomspace(400, 0.5, 16).tolist())
    return tuple((float(p.volatility * np.sqrt(periods)), float(p.expected_return * periods)) for p in points)
