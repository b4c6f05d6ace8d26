"""Replay decisions through time and account for every dollar."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.analytics.track import Delistings, TrackRecord
from quantray.arrays import Bool, Dates, Float, Names
from quantray.backtest.costs import CostModel, LinearCosts, MarketDay
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN, carried_forward, delisting_returns
from quantray.portfolio.rebalance import Policy

__all__ = ["DELIST_AFTER", "Accounting", "Decisions", "backtest"]

DELIST_AFTER = 10
"""Days without a close after which a name counts as delisted."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """Target weights decided at the close of D dates.

    Parameters
    ----------
    dates : (D,) strictly increasing.
    assets : (N,).
    weights : (D, N) fractions of NAV; shorts negative, cash is what is left; no NaN.
    """

    dates: Dates
    assets: Names
    weights: Float

    def __post_init__(self) -> None:
        if self.weights.shape != (len(self.dates), len(self.assets)):
            raise InputError(
                f"weights are {self.weights.shape} for {len(self.dates)} dates and {len(self.assets)} assets."
            )
        if not np.isfinite(self.weights).all():
            raise InputError("weights hold NaN or infinite values; give an asset without a view a weight of 0.")
        if not (np.diff(self.dates).astype(np.int64) > 0).all():
            raise InputError("decision dates are not strictly increasing; sort them and drop duplicates.")


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """How a backtest keeps its books.

    Parameters
    ----------
    lag : trading days from a decision to its trades, which happen at that day's close.
    initial_nav : money at the start.
    dividends : ``reinvest`` earns total returns in each asset; ``cash`` pays dividends into cash, where the panel has
        ``dividend_yield``.
    cash_rate : simple yearly rate earned on cash and paid on borrowed cash, spread evenly over the panel's periods.
    delist_after : days without a close after which a holding is sold at its last one.
    delisting_return : simple return booked on that sale where the panel's ``delist_return`` does not know it, such as
        -0.3 (Shumway, 1997); 0 takes the last close.
    """

    lag: int = 1
    initial_nav: float = 1_000_000.0
    dividends: Literal["reinvest", "cash"] = "reinvest"
    cash_rate: float = 0.0
    delist_after: int = DELIST_AFTER
    delisting_return: float = 0.0

    def __post_init__(self) -> None:
        if self.lag < 0 or self.delist_after < 1 or not self.initial_nav > 0:
            raise InputError("lag must be 0 or more, delist_after 1 or more, and initial_nav positive.")
        if self.delisting_return < -1 or self.dividends not in ("reinvest", "cash"):
            raise InputError("delisting_return cannot lose more than all, and dividends is 'reinvest' or 'cash'.")


def backtest(
    panel: Panel,
    decisions: Decisions,
    *,
    costs: CostModel | None = None,
    accounting: Accounting | None = None,
    policy: Policy | None = None,
    name: str = "portfolio",
) -> TrackRecord:
    """Hold and trade what was decided, from the first decision to the panel's last date.

    Weights decided at t are established at the close of the ``lag``-th trading day after t, as fractions of the NAV
    left after costs, and earn from then on. Between trades holdings drift. An asset without a close keeps its last
    value and is not traded; after ``delist_after`` such days it is sold at its last close, with the panel's
    ``delist_return`` booked on it where it is known by then (see ``features.returns.delisting_returns``), else the
    accounting's ``delisting_return``.

    Parameters
    ----------
    panel : with ``close`` adjusted to total returns, ``dividend_yield`` if dividends go to cash, and ``delist_return``
        if it is known.
    decisions : every date a row of the panel; every asset with a weight in the panel.
    costs : by default ``LinearCosts()``.
    policy : how far to move towards decided weights; by default all the way.

    Returns
    -------
    TrackRecord
        With holdings on every day. NAV is conserved: each day's change is what was earned less what was paid.

    Raises
    ------
    InputError
        There is no decision, a decision's date or asset is not in the panel, the accounts would begin before it, or
        the NAV is used up.
    """
    book = accounting or Accounting()
    charge = costs or LinearCosts()
    targets = _targets(panel, decisions)
    rows = np.searchsorted(panel.dates, decisions.dates)
    # The accounts begin with cash and nothing else: without a lag, that is the day before the first decision.
    first = int(rows[0]) - (1 if book.lag == 0 else 0)
    if first < 0:
        raise InputError(f"without a lag the accounts begin before {decisions.dates[0]}, the panel's first date.")
    price, age = carried_forward(panel.field("close"))
    recorded = delisting_returns(panel.field("close"), panel.fields.get(DELIST_RETURN))
    # What holders received is written on the day of the last close, when nobody knew it.
    public = {key: values for key, values in panel.fields.items() if key != DELIST_RETURN}
    paid = panel.fields.get("dividend_yield") if book.dividends == "cash" else None
    due = {int(row) + book.lag: k for k, row in enumerate(rows)}
    n_days, n_assets = len(panel.dates) - first, len(panel.assets)
    series = {key: np.zeros(n_days) for key in ("nav", "cash", "pnl", "dividends", "interest", "unfilled")}
    weights, trades, charged = (np.zeros((n_days, n_assets)) for _ in range(3))
    held, cash, delistings = np.zeros(n_assets), book.initial_nav, Delistings()
    for day in range(n_days):
        t = first + day
        if day > 0:
            interest = cash * book.cash_rate / panel.periods_per_year
            earned = _earned(held, price[t], price[t - 1])
            dividend = np.zeros(n_assets) if paid is None else np.nan_to_num(held * paid[t])
            gone = (held != 0) & (age[t] == book.delist_after)
            if gone.any():
                known = gone & ~np.isnan(recorded[t])
                ending = np.where(known, recorded[t], book.delisting_return)
                earned += np.where(gone, (held + earned - dividend) * ending, 0.0)
                delistings = delistings.plus(recorded=int(known.sum()), assumed=int((gone & ~known).sum()))
            # Prices are total-return adjusted, so what is paid into cash leaves the price part of the return.
            held = held + earned - dividend
            trades[day, gone] = -held[gone]
            cash += interest + dividend.sum() + held[gone].sum()
            held[gone] = 0.0
            series["pnl"][day], series["dividends"][day] = (earned - dividend).sum(), dividend.sum()
            series["interest"][day] = interest
        if t in due:
            nav = float(held.sum() + cash)
            now = MarketDay(panel.dates[t], nav, {key: values[t] for key, values in public.items()})
            tradable = age[t] == 0
            target, moving = targets[due[t]], tradable
            if policy is not None:
                target = policy(held / nav, target)
                # What stays must not trade the rounding of its weight, nor its share of the costs.
                moving = tradable & (target != held / nav)
            bought, paid_costs = _trade(held, target, moving, now, charge)
            trades[day] += bought
            charged[day] = paid_costs
            series["unfilled"][day] = np.abs(np.where(tradable, 0.0, target * nav - held)).sum() / nav
            held = held + bought
            cash = nav - float(held.sum()) - float(paid_costs.sum())
        total = float(held.sum()) + cash
        if total <= 0:
            raise InputError(f"{name} has no money left on {panel.dates[t]}; lower its leverage or its costs.")
        series["nav"][day], series["cash"][day] = total, cash
        weights[day] = held / total
    return TrackRecord(
        name=name,
        dates=panel.dates[first:],
        assets=panel.assets,
        holding_dates=panel.dates[first:],
        weights=weights,
        trades=trades,
        costs=charged,
        periods_per_year=panel.periods_per_year,
        delistings=delistings,
        nav=series["nav"],
        cash=series["cash"],
        pnl=series["pnl"],
        dividends=series["dividends"],
        interest=series["interest"],
        unfilled=series["unfilled"],
    )


def _targets(panel: Panel, decisions: Decisions) -> Float:
    """(D, N) weights of the decisions in the panel's order of assets."""
    if len(decisions.dates) == 0:
        raise InputError("there is no decision to replay; check the schedule against the dates of the panel.")
    outside = ~np.isin(decisions.dates, panel.dates)
    if outside.any():
        raise InputError(f"the decision of {decisions.dates[outside][0]} is on no date of the panel.")
    place = {asset: column for column, asset in enumerate(panel.assets.tolist())}
    used = (decisions.weights != 0).any(axis=0)
    unknown = [a for a, u in zip(decisions.assets.tolist(), used, strict=True) if u and a not in place]
    if unknown:
        raise InputError(f"{len(unknown)} assets with weights are not in the panel, such as {unknown[0]}.")
    out = np.zeros((len(decisions.dates), len(panel.assets)))
    columns = [place[asset] for asset in decisions.assets[used].tolist()]
    out[:, columns] = decisions.weights[:, used]
    return out


def _earned(held: Float, price: Float, before: Float) -> Float:
    """(N,) money earned by holdings from one close to the next; zero where nothing is held."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(held != 0, held * (price / before - 1), 0.0)


def _trade(held: Float, target: Float, moving: Bool, day: MarketDay, costs: CostModel) -> tuple[Float, Float]:
    """(N,) money bought and (N,) costs paid, such that weights are fractions of the NAV that remains.

    Costs depend on trades, which depend on the NAV after costs. The iteration contracts at the rate of the cost per
    dollar, so a handful of rounds reach the last bit; what is left is booked to cash, so nothing is lost.
    """
    total = 0.0
    bought = paid = np.zeros_like(held)
    for _ in range(30):
        bought = np.where(moving, target * (day.nav - total) - held, 0.0)
        paid = np.where(bought != 0, costs(bought, day), 0.0)
        if not (np.isfinite(paid).all() and (paid >= 0).all()):
            raise InputError(f"the cost model returned a negative or unknown cost on {day.date}; return zeros instead.")
        before, total = total, float(paid.sum())
        if abs(total - before) <= 1e-15 * day.nav:
            break
    return bought, paid
