"""Replay decisions through time and account for every dollar."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from quantray.analytics.track import Delistings, TrackRecord
from quantray.arrays import Bool, Dates, Float, Names
from quantray.backtest.costs import CostModel, CostsByDay, ImpactCosts, LinearCosts, MarketDay
from quantray.backtest.spreading import OpenOrders, part_of
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN, delisting_returns
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
    """How a backtest keeps its accounts.

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

    Where the costs have a ``participation``, what a name may be traded in a day is so much of the volume that was usual
    at the close before. A larger trade is an order for shares that is worked at the closes of the days after, evenly
    over as many as it needs. The next decision replaces what is left of it, a name that is gone takes its order along,
    and what is bought before other names are sold is borrowed.

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
    terms = accounting or Accounting()
    targets = _targets(panel, decisions)
    rows = np.searchsorted(panel.dates, decisions.dates)
    # The accounts begin with cash and nothing else: without a lag, that is the day before the first decision.
    first = int(rows[0]) - (1 if terms.lag == 0 else 0)
    if first < 0:
        raise InputError(f"without a lag the accounts begin before {decisions.dates[0]}, the panel's first date.")
    due = {int(row) + terms.lag: target for row, target in zip(rows, targets, strict=True)}
    accounts = _Accounts(panel, first, terms, costs or LinearCosts())
    for t in range(first, len(panel.dates)):
        if t > first:
            accounts.earn(t)
        if t in due:
            accounts.trade(t, due[t], policy)
        else:
            accounts.go_on(t)
        accounts.close(t, name)
    return accounts.record(name)


class _Accounts:
    """Holdings and cash from row ``first`` of a panel on, both in money, and what happened to them day by day."""

    def __init__(self, panel: Panel, first: int, terms: Accounting, costs: CostModel) -> None:
        self._panel, self._first, self._terms, self._charged = panel, first, terms, costs
        n_days, n_assets = len(panel.dates) - first, len(panel.assets)
        # Last closes and how many days old they are; before the first, they count from the panel's first row.
        self._price, self._age = np.full(n_assets, np.nan), np.zeros(n_assets, dtype=np.int64)
        for t in range(first + 1):
            self._see(t)
        self._dividend_yield = panel.fields.get("dividend_yield") if terms.dividends == "cash" else None
        names = ("nav", "cash", "pnl", "dividends", "interest", "unfilled")
        self._series = {name: np.zeros(n_days) for name in names}
        self._weights = np.zeros((n_days, n_assets))
        self._trades: dict[int, Float] = {}
        self._costs: dict[int, Float] = {}
        self._held, self._cash, self._delistings = np.zeros(n_assets), terms.initial_nav, Delistings()
        self._open: OpenOrders | None = None

    def _see(self, t: int) -> None:
        """Closes of the day; where there is none, the last one is a day older."""
        close = self._panel.field("close")[t]
        unknown = np.isnan(close)
        self._price = np.where(unknown, self._price, close)
        self._age = np.where(unknown, self._age + 1, 0)

    def earn(self, t: int) -> None:
        """Prices move, dividends and interest are paid, and what is gone is sold."""
        day, held, before = t - self._first, self._held, self._price
        self._see(t)
        interest = self._cash * self._terms.cash_rate / self._panel.periods_per_year
        earned = _earned(held, self._price, before)
        paid = self._dividend_yield
        dividend = np.zeros(len(held)) if paid is None else np.nan_to_num(held * paid[t])
        gone = (held != 0) & (self._age == self._terms.delist_after)
        if gone.any():
            earned += self._ended(t, gone, held + earned - dividend)
        # Prices are total-return adjusted, so what is paid into cash leaves the price part of the return.
        held = held + earned - dividend
        if gone.any():
            self._trades[day] = np.where(gone, -held, 0.0)
        self._cash += interest + dividend.sum() + held[gone].sum()
        held[gone] = 0.0
        self._held = held
        if self._open is not None:
            growth = np.nan_to_num(self._price / before, nan=1.0) - (0.0 if paid is None else np.nan_to_num(paid[t]))
            self._open = self._open.moved(growth, self._age >= self._terms.delist_after)
        self._book(day, pnl=(earned - dividend).sum(), dividends=dividend.sum(), interest=interest)

    def trade(self, t: int, target: Float, policy: Policy | None) -> None:
        """Move towards (N,) target weights, as far as the policy says and prices and volumes are there."""
        held, tradable = self._held, self._age == 0
        nav, moving = float(held.sum() + self._cash), tradable
        if policy is not None:
            target = policy(held / nav, target)
            # What stays must not trade the rounding of its weight, nor its share of the costs.
            moving = tradable & (target != held / nav)
        day, most = self._market(t, nav), self._most(t, nav)
        if most is None:
            bought, paid = _trade(lambda left: target * left - held, moving, day, self._charged)
            self._open = None
        else:
            orders = OpenOrders.of(np.where(moving, target * nav - held, 0.0), most)
            bought, paid = _trade(
                lambda left: part_of(target * left - held, orders.days, most), moving, day, self._charged
            )
            whole = np.where(moving, target * (nav - float(paid.sum())) - held, 0.0)
            self._open = OpenOrders(whole, orders.days, orders.done).after(bought)
        self._book(t - self._first, unfilled=np.abs(np.where(tradable, 0.0, target * nav - held)).sum() / nav)
        self._settle(t, nav, bought, paid)

    def go_on(self, t: int) -> None:
        """Trade today's part of what is left of the last decision's orders."""
        if self._open is None or not self._open.some:
            return
        held, tradable = self._held, self._age == 0
        nav = float(held.sum() + self._cash)
        most = self._most(t, nav)
        # Where the costs' terms have changed since, nothing limits what is left but its days.
        parts = self._open.parts(np.full(len(held), np.inf) if most is None else most)
        # A sale of all ends at nothing, not at its rounding.
        ends = np.abs(held + parts) <= 1e-12 * np.abs(parts)
        parts = np.where(ends, -held, parts)
        bought, paid = _trade(
            lambda left: parts, tradable & (parts != 0), self._market(t, nav, self._open.done), self._charged
        )
        self._open = self._open.after(bought)
        self._book(t - self._first, unfilled=np.abs(np.where(tradable, 0.0, parts)).sum() / nav)
        self._settle(t, nav, bought, paid)

    def close(self, t: int, name: str) -> None:
        """Write down what the day leaves."""
        day, total = t - self._first, float(self._held.sum()) + self._cash
        if total <= 0:
            raise InputError(f"{name} has no money left on {self._panel.dates[t]}; lower its leverage or its costs.")
        self._book(day, nav=total, cash=self._cash)
        self._weights[day] = self._held / total

    def record(self, name: str) -> TrackRecord:
        """All that was written down."""
        panel, dates = self._panel, self._panel.dates[self._first :]
        traded = [day for day, bought in sorted(self._trades.items()) if (bought != 0).any()]
        none = np.zeros(len(panel.assets))
        return TrackRecord(
            name=name,
            dates=dates,
            assets=panel.assets,
            holding_dates=dates,
            weights=self._weights,
            trade_dates=dates[traded],
            trades=np.array([self._trades[day] for day in traded]).reshape(-1, len(none)),
            costs=np.array([self._costs.get(day, none) for day in traded]).reshape(-1, len(none)),
            periods_per_year=panel.periods_per_year,
            delistings=self._delistings,
            **self._series,
        )

    def _market(self, t: int, nav: float, done: Float | None = None) -> MarketDay:
        """What costs may know: what holders received is written on the day of the last close, when nobody knew it."""
        public = {key: values[t] for key, values in self._panel.fields.items() if key != DELIST_RETURN}
        return MarketDay(self._panel.dates[t], nav, public, done)

    def _most(self, t: int, nav: float) -> Float | None:
        """(N,) money that may be traded on a day, by what was known at the close before."""
        charged = self._charged
        if isinstance(charged, CostsByDay):
            charged = charged.on(self._panel.dates[t])
        if not isinstance(charged, ImpactCosts) or charged.participation is None:
            return None
        return charged.most({key: values[t - 1] for key, values in self._panel.fields.items()}, nav)

    def _settle(self, t: int, nav: float, bought: Float, paid: Float) -> None:
        """Write down what was traded and paid, and hold it."""
        day = t - self._first
        self._trades[day] = self._trades.get(day, 0.0) + bought
        self._costs[day] = paid
        self._held = self._held + bought
        self._cash = nav - float(self._held.sum()) - float(paid.sum())

    def _ended(self, t: int, gone: Bool, value: Float) -> Float:
        """(N,) money that the delisting returns of what is gone add to (N,) values."""
        columns, terms = np.flatnonzero(gone), self._terms
        recorded = self._panel.fields.get(DELIST_RETURN)
        close = self._panel.field("close")[: t + 1, columns]
        found = delisting_returns(close, None if recorded is None else recorded[: t + 1, columns])[t]
        known = ~np.isnan(found)
        self._delistings = self._delistings.plus(recorded=int(known.sum()), assumed=int((~known).sum()))
        added = np.zeros(len(value))
        added[columns] = value[columns] * np.where(known, found, terms.delisting_return)
        return added

    def _book(self, day: int, **amounts: float) -> None:
        for name, amount in amounts.items():
            self._series[name][day] = amount


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


def _trade(wanted: Callable[[float], Float], moving: Bool, day: MarketDay, costs: CostModel) -> tuple[Float, Float]:
    """(N,) money bought and (N,) costs paid, such that weights are fractions of the NAV that remains.

    Costs depend on trades, which depend on the NAV after costs. The iteration contracts at the rate of the cost per
    dollar, so a handful of rounds reach the last bit; what is left is booked to cash, so nothing is lost.

    Parameters
    ----------
    wanted : the NAV after costs to (N,) money to buy.
    """
    total = 0.0
    charged: Callable[[Float], Float] = partial(costs, day=day)
    if isinstance(costs, ImpactCosts | CostsByDay):
        charged = costs.of_day(day, len(moving))
    for _ in range(30):
        bought = np.where(moving, wanted(day.nav - total), 0.0)
        paid = np.where(bought != 0, charged(bought), 0.0)
        if not (np.isfinite(paid).all() and (paid >= 0).all()):
            raise InputError(f"the cost model returned a negative or unknown cost on {day.date}; return zeros instead.")
        before, total = total, float(paid.sum())
        if abs(total - before) <= 1e-15 * day.nav:
            break
    return bought, paid
