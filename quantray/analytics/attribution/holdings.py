"""What every holding of a record earned, day by day, from its accounts: the ground that attributions stand on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from quantray.analytics.attribution.breakdown import closed, known
from quantray.analytics.track import TrackRecord
from quantray.arrays import Bool, Dates, Float, Names
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.features.returns import carried_forward

__all__ = ["CASH", "DIVIDENDS", "NO_SECTOR", "Holdings", "SectorHoldings", "by_sector", "held_days", "held_weights"]

CASH = "cash"
DIVIDENDS = "dividends"
NO_SECTOR = "no sector"

_FITS = 1e-9
"""Relative gap of holdings and cash to NAV up to which prices are those that the accounts were kept with."""


@dataclass(frozen=True, eq=False)
class Holdings:
    """N assets through T days; contributions are fractions of the NAV at the close before."""

    name: str
    dates: Dates
    """(T,) on which returns were earned."""
    assets: Names
    """(N,)."""
    weights: Float
    """(T, N) at the close before."""
    contributions: Float
    """(T, N) of prices, and of dividends where it is known whose they are."""
    cash: Float
    """(T,) interest."""
    dividends: Float
    """(T,) of which it is not known whose they are."""
    costs: Float
    """(T,) of trading, not negative."""
    returns: Float
    """(T,) after costs: contributions, interest and dividends less costs."""

    def on(self, keep: Bool) -> "Holdings":
        """Some of the days."""
        days = ("dates", "weights", "contributions", "cash", "dividends", "costs", "returns")
        return replace(self, **{name: getattr(self, name)[keep] for name in days})

    @property
    def gross(self) -> Float:
        """(T,) returns before the costs of trading."""
        return np.asarray(self.returns + self.costs)


def held_days(record: TrackRecord, panel: Panel | None = None) -> Holdings:
    """What the holdings of a record earned each day.

    Parameters
    ----------
    panel : with the ``close`` of the backtest, needed of a record as read back, which keeps holdings on days of trades;
        and ``dividend_yield``, without which dividends paid in cash are a row of their own.

    Raises
    ------
    InputError
        The record has one day only, or holdings on days of trades only and there is no panel.
    DataError
        The panel lacks a day or an asset, its closes are not those of the accounts, or the accounts do not add up.
    """
    if len(record.dates) < 2:
        raise InputError(f"{record.name} has one day of accounts; there is a return to explain from the second on.")
    known(record.nav, record.dates, f"NAV of {record.name}")
    daily, trades = _every_day(record, panel)
    nav = record.nav
    held = daily * nav[:, None]
    earned = held[1:] - trades[1:] - held[:-1]
    owed = _dividends(record, panel, held)
    own = record.dividends[1:] if owed is None else np.zeros(len(nav) - 1)
    before = nav[:-1]
    found = Holdings(
        name=record.name,
        dates=record.dates[1:],
        assets=record.assets,
        weights=daily[:-1],
        contributions=(earned if owed is None else earned + owed) / before[:, None],
        cash=record.interest[1:] / before,
        dividends=own / before,
        costs=record.cost_series[1:] / before,
        returns=record.returns,
    )
    closed(_sum(found), found.returns, f"holdings of {record.name}", found.dates)
    return found


def held_weights(
    dates: Dates, assets: Names, weights: Float, returns: Float, *, cash: Float | None = None, name: str = "weights"
) -> Holdings:
    """Holdings of given weights, such as those of an index, without costs.

    Parameters
    ----------
    weights : (T, N) at the close before each day.
    returns : (T, N) simple; NaN only where nothing is held.
    cash : (T,) return of what the weights leave; by default zero.

    Raises
    ------
    InputError
        Shapes disagree, or a holding has no return.
    """
    weights = known(weights, dates, f"weights of {name}")
    returns = np.asarray(returns, dtype=np.float64)
    if weights.shape != returns.shape or weights.shape != (len(dates), len(assets)):
        raise InputError(f"{name}: weights {weights.shape} and returns {returns.shape} must be (days, assets).")
    unknown = (weights != 0) & ~np.isfinite(returns)
    if unknown.any():
        t, n = (int(place[0]) for place in np.nonzero(unknown))
        raise InputError(f"{name} holds {assets[n]} on {dates[t]} without a return; give one or leave it out.")
    parts = weights * np.where(weights != 0, returns, 0.0)
    none = np.zeros(len(dates))
    interest = none if cash is None else (1 - weights.sum(axis=1)) * known(cash, dates, "returns of cash")
    return Holdings(name, dates, assets, weights, parts, interest, none, none, parts.sum(axis=1) + interest)


@dataclass(frozen=True, eq=False)
class SectorHoldings:
    """Holdings by sector: weights and contributions, cash among them, which sum to one and to the gross return."""

    sectors: tuple[str, ...]
    """(S,)."""
    weights: Float
    """(T, S)."""
    contributions: Float
    """(T, S)."""
    unlabelled: int
    """Assets held without a sector."""


def by_sector(holdings: Holdings, sectors: Mapping[str, str]) -> SectorHoldings:
    """Holdings by sector; names without one have a row of their own, as have cash and dividends of unknown origin."""
    assets = holdings.assets.tolist()
    labels = [sectors.get(asset) or NO_SECTOR for asset in assets]
    held = (holdings.weights != 0).any(axis=0) | (holdings.contributions != 0).any(axis=0)
    found = sorted({label for label, is_held in zip(labels, held.tolist(), strict=True) if is_held})
    if NO_SECTOR in found:
        found = [label for label in found if label != NO_SECTOR] + [NO_SECTOR]
    place = {label: i for i, label in enumerate(found)}
    member = np.zeros((len(assets), len(found)))
    for n, label in enumerate(labels):
        if held[n]:
            member[n, place[label]] = 1.0
    weights, parts = holdings.weights @ member, holdings.contributions @ member
    names, extra_w, extra_c = [*found, CASH], [1 - weights.sum(axis=1)], [holdings.cash]
    if holdings.dividends.any():
        names, extra_w, extra_c = [*names, DIVIDENDS], [*extra_w, 0 * holdings.cash], [*extra_c, holdings.dividends]
    unlabelled = sum(label == NO_SECTOR for label, is_held in zip(labels, held.tolist(), strict=True) if is_held)
    return SectorHoldings(
        sectors=tuple(names),
        weights=np.column_stack([weights, *extra_w]),
        contributions=np.column_stack([parts, *extra_c]),
        unlabelled=unlabelled,
    )


def _sum(holdings: Holdings) -> Float:
    gross = holdings.contributions.sum(axis=1) + holdings.cash + holdings.dividends
    return np.asarray(gross - holdings.costs)


def _every_day(record: TrackRecord, panel: Panel | None) -> tuple[Float, Float]:
    """(T, N) weights at each close and money traded each day."""
    trades = np.zeros((len(record.dates), len(record.assets)))
    trades[np.searchsorted(record.dates, record.trade_dates)] = record.trades
    if len(record.holding_dates) == len(record.dates):
        return record.weights, trades
    if panel is None:
        raise InputError(f"{record.name} keeps holdings on days of trades only; give the panel that it was kept on.")
    growth = _growth(record, panel)
    weights = np.zeros_like(trades)
    rows = np.searchsorted(record.dates, record.holding_dates)
    for k, row in enumerate(rows.tolist()):
        end = int(rows[k + 1]) if k + 1 < len(rows) else len(record.dates)
        money = record.weights[k] * record.nav[row]
        weights[row] = record.weights[k]
        drift = np.cumprod(growth[row + 1 : end], axis=0)
        weights[row + 1 : end] = money * drift / record.nav[row + 1 : end, None]
    gap = np.abs(weights.sum(axis=1) + record.cash / record.nav - 1)
    worst = int(np.argmax(gap))
    if not gap[worst] <= _FITS:
        raise DataError(
            f"{record.name}: holdings at the panel's closes and cash miss the NAV of {record.dates[worst]} by "
            f"{gap[worst]:.3g} of it; give the panel of the run, same version and adjustment."
        )
    return weights, trades


def _growth(record: TrackRecord, panel: Panel) -> Float:
    """(T, N) of money held without trading, from one close to the next; dividends that went to cash left it."""
    rows, columns = _places(record, panel)
    price, _ = carried_forward(panel.field("close"))
    price = price[rows][:, columns]
    growth = np.ones_like(price)
    with np.errstate(invalid="ignore"):
        np.divide(price[1:], price[:-1], out=growth[1:], where=price[:-1] > 0)
    growth = np.where(np.isfinite(growth), growth, 1.0)
    if record.dividends.any():
        growth -= np.nan_to_num(panel.field("dividend_yield")[rows][:, columns])
    return growth


def _dividends(record: TrackRecord, panel: Panel | None, held: Float) -> Float | None:
    """(T - 1, N) money paid by each holding; None where it is not known whose the dividends are."""
    if not record.dividends.any() or panel is None or "dividend_yield" not in panel.fields:
        return None
    rows, columns = _places(record, panel)
    return np.asarray(held[:-1] * np.nan_to_num(panel.field("dividend_yield")[rows][1:, columns]))


def _places(record: TrackRecord, panel: Panel) -> tuple[slice, list[int]]:
    place = {asset: column for column, asset in enumerate(panel.assets.tolist())}
    absent = [asset for asset in record.assets.tolist() if asset not in place]
    first = int(np.searchsorted(panel.dates, record.dates[0]))
    rows = slice(first, first + len(record.dates))
    if absent or not np.array_equal(panel.dates[rows], record.dates):
        what = f"asset {absent[0]}" if absent else f"days of {record.dates[0]} to {record.dates[-1]}"
        raise DataError(f"the panel has not the {what} of {record.name}; give the panel that it was kept on.")
    return rows, [place[asset] for asset in record.assets.tolist()]
