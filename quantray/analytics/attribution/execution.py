"""What trading cost, kind by kind: from a backtest's accounts, or from orders and fills."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.analytics.attribution.breakdown import Breakdown, break_down, known
from quantray.analytics.attribution.linking import Linking
from quantray.arrays import Dates, Float
from quantray.errors import InputError

__all__ = ["BEFORE", "Orders", "Shortfall", "attribute_execution", "shared_costs", "shortfall"]

BEFORE = "before trading"


def attribute_execution(
    dates: Dates, returns: Float, costs: Mapping[str, Float], *, method: Linking = "carino"
) -> Breakdown:
    """Split returns after costs into the return before them and each kind of cost.

    Parameters
    ----------
    returns : (T,) after costs.
    costs : kind (delay, spread, impact, commission, missed trades) -> (T,) fractions of NAV lost to it; gains, such as
        of a delay that paid, are negative.

    Raises
    ------
    InputError
        A value is missing.
    """
    returns = known(returns, dates, "returns")
    given = {kind: known(values, dates, f"costs of {kind}") for kind, values in costs.items()}
    lost = np.column_stack(list(given.values()) or [0 * returns])
    rows = [BEFORE, *(given or ["trading"])]
    parts = np.column_stack([returns + lost.sum(axis=1), -lost])
    return break_down("Execution", dates, rows, "contribution", parts, returns, method=method)


def shared_costs(costs: Float, bps: Mapping[str, float]) -> dict[str, Float]:
    """(T,) booked costs by kind, where each kind charges a fixed number of basis points of what is traded.

    Raises
    ------
    InputError
        Basis points are negative, or all are zero while costs were booked.
    """
    total = sum(bps.values())
    if min(bps.values(), default=0) < 0 or (total <= 0 and np.any(costs)):
        raise InputError(f"{dict(bps)} basis points cannot explain costs that were booked; give those of the backtest.")
    return {kind: np.asarray(costs) * (each / total if total else 0.0) for kind, each in bps.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Orders:
    """O orders and what became of them; quantities are shares, buys positive and sells negative."""

    dates: Dates
    """(O,) day that each is counted on."""
    ordered: Float
    """(O,) decided."""
    filled: Float
    """(O,) done, of the same sign, no more than decided."""
    decision_price: Float
    """(O,) when it was decided."""
    arrival_price: Float
    """(O,) when trading began, or the benchmark of the fills."""
    fill_price: Float
    """(O,) average; NaN where nothing was filled."""
    last_price: Float
    """(O,) when what was left was given up."""
    fees: Float
    """(O,) money."""
    half_spread: Float | None = None
    """(O,) money a share, taken off what execution cost; by default it is all counted as impact."""


@dataclass(frozen=True, eq=False)
class Shortfall:
    """Money lost against the decision prices, by order and kind; gains are negative."""

    delay: Float
    spread: Float
    impact: Float
    commission: Float
    missed: Float

    @property
    def total(self) -> Float:
        """(O,) all of it: what a paper portfolio at the decision prices would have earned more."""
        return self.delay + self.spread + self.impact + self.commission + self.missed

    def on(self, dates: Dates, order_dates: Dates, nav: Float) -> dict[str, Float]:
        """Kind -> (T,) fractions of (T,) NAV at the start of each day, for ``attribute_execution``.

        Raises
        ------
        InputError
            An order is on no day of the accounts.
        """
        outside = ~np.isin(order_dates, dates)
        if outside.any():
            raise InputError(
                f"{int(outside.sum())} orders, first of {order_dates[outside][0]}, are on no day of these."
            )
        row, out = np.searchsorted(dates, order_dates), {}
        for kind, lost in vars(self).items():
            daily = np.zeros(len(dates))
            np.add.at(daily, row, lost)
            out["missed trades" if kind == "missed" else kind] = daily / nav
        return out


def shortfall(orders: Orders) -> Shortfall:
    """What orders lost against a paper portfolio that trades all at the decision prices, free of cost.

    Raises
    ------
    InputError
        More was filled than ordered, on the other side, or without a price.

    Source: Perold (1988), *The implementation shortfall: paper versus reality*, JPM 14(3).
    """
    done, price = np.asarray(orders.filled, dtype=np.float64), np.asarray(orders.fill_price, dtype=np.float64)
    wrong = (done * orders.ordered < 0) | (np.abs(done) > np.abs(orders.ordered)) | ((done != 0) & ~np.isfinite(price))
    if wrong.any():
        raise InputError(f"order {int(np.argmax(wrong))} has fills beyond it or without a price; count fills once.")
    worked = np.where(done != 0, done * (price - orders.arrival_price), 0.0)
    spread = np.zeros(len(done)) if orders.half_spread is None else np.abs(done) * orders.half_spread
    return Shortfall(
        delay=done * (orders.arrival_price - orders.decision_price),
        spread=spread,
        impact=worked - spread,
        commission=np.asarray(orders.fees, dtype=np.float64),
        missed=(orders.ordered - done) * (orders.last_price - orders.decision_price),
    )
