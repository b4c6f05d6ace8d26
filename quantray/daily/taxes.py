"""Targets whose sales keep to what they may cost in tax and gain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quantray.arrays import Float, Int
from quantray.daily.targets import Targets
from quantray.errors import InputError
from quantray.portfolio.taxed_sales import SaleLot, SaleTerms, taxed_sales

__all__ = ["SaleTaxes", "within_taxes"]

_ROUNDING = 5e-5
"""Of cash, a fraction of NAV that is not worth a word."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SaleTaxes:
    """How sales are taxed, and how much of that a rebalance takes. Not tax advice.

    Parameters
    ----------
    lots : symbol -> its open lots, in money of the base currency; see ``institution.lots.lot_choice.sale_lots``.
    worth : see ``portfolio.taxed_sales.SaleTerms``.
    most_gain : fraction of NAV that the sales of a rebalance may gain, losses set off; no cap by default.
    """

    lots: Mapping[str, Sequence[SaleLot]]
    worth: float = 1.0
    most_gain: float | None = None

    def terms(self, nav: float) -> SaleTerms:
        """The terms in money."""
        return SaleTerms(worth=self.worth, most_gain=None if self.most_gain is None else self.most_gain * nav)


def within_taxes(targets: Targets, taxes: SaleTaxes) -> tuple[Targets, tuple[str, ...]]:
    """Targets that keep the shares whose sale would cost too much tax, and what that left undone.

    Purchases are made smaller by the money that is missing then, all by the same share. Gains are at the day's closes;
    those of covered short sales are not limited.

    Raises
    ------
    InputError
        The lots of a name that is to be sold are not what is held of it.
    SolverError
        As ``portfolio.taxed_sales``.
    """
    change = targets.after - targets.before
    wanted = np.where(change < 0, np.clip(np.minimum(-change, targets.before), 0, None), 0).astype(np.int64)
    if not wanted.any():
        return targets, ()
    lots = [taxes.lots.get(name, ()) for name in targets.symbols.tolist()]
    held = np.array([sum(lot.shares for lot in own) for own in lots], dtype=np.int64)
    if (wrong := (wanted > 0) & (held != targets.before)).any():
        name = int(np.argmax(wrong))
        raise InputError(
            f"the lots of {targets.symbols[name]} hold {held[name]} shares, and {targets.before[name]} are held; book "
            "its trades and corporate actions first."
        )
    made = taxed_sales(wanted, targets.prices, lots, taxes.terms(targets.nav))
    after = np.where(made.shares < wanted, targets.before - made.shares, targets.after)
    missing = float((after - targets.after) @ targets.prices)
    after = _fewer_purchases(after, change, targets.prices, missing)
    note = f"sales gain {made.gain / targets.nav:.2%} of NAV, of which tax takes {made.tax / targets.nav:.2%} of NAV"
    done = replace(targets, after=after.astype(np.int64))
    if missing > 0:
        note += f", for which {missing / targets.nav:.2%} of NAV stays unsold"
        less = targets.cash - done.cash
        note += f" and cash is {less:.2%} of NAV below what was wanted" if less > _ROUNDING else ""
    return done, (note,)


def _fewer_purchases(after: Int, change: Int, prices: Float, missing: float) -> Int:
    """Whole shares after purchases that do without some money, as far as they can."""
    bought = np.where(change > 0, change, 0)
    cost = float(bought @ prices)
    if missing <= 0 or cost == 0:
        return after
    fewer = np.floor(bought * max(1 - missing / cost, 0.0) + 1e-9).astype(np.int64)
    return np.asarray(after - bought + fewer)
