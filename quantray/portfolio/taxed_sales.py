"""Sales whose taxes count: which lots to sell of what a target wants sold, and which shares to keep for their tax.

A lot's tax is its rate of the gain, so what n shares of a name cost in tax, from the lot of least tax a share on, is
convex and piecewise linear in n. Of several names at once, the sales are the solution of a linear program: what they
are worth towards the target, less their tax, with the gains of all of them capped. Not tax advice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from quantray.arrays import Float, Int
from quantray.errors import InputError, SolverError

__all__ = ["SaleLot", "SaleTerms", "TaxCurve", "TaxedSales", "tax_curve", "taxed_sales"]

_WHOLE = 1e-6
"""Of a share that the solver may leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleLot:
    """Shares of a name as a sale of them would be taxed.

    Parameters
    ----------
    basis : money a share, in the unit of the prices.
    rate : part of the gain that is paid as tax, between 0 and 1; of a loss what it saves.
    loss_counts : False where a loss would not be allowed, so that it saves nothing.
    """

    id: str
    shares: int
    basis: float
    rate: float
    loss_counts: bool = True

    def __post_init__(self) -> None:
        if self.shares < 1 or not np.isfinite(self.basis) or not 0 <= self.rate <= 1:
            raise InputError(
                f"lot {self.id} has {self.shares} shares of basis {self.basis} at a rate of {self.rate}; give a "
                "positive number, a finite basis and a rate between 0 and 1."
            )

    def gain(self, price: float) -> float:
        """Of a share, money that counts; a loss is negative."""
        return price - self.basis if self.loss_counts else max(price - self.basis, 0.0)

    def tax(self, price: float) -> float:
        """Of a share, money; what is saved is negative."""
        return self.rate * self.gain(price)


@dataclass(frozen=True, kw_only=True)
class SaleTerms:
    """What sales may cost in tax.

    Parameters
    ----------
    worth : what a sale that the target wants is worth, as a part of its money: shares whose tax is more are kept. At
        1, tax keeps nothing and only chooses the lots.
    most_gain : money that all sales together may gain, losses set off; none by default.
    """

    worth: float = 1.0
    most_gain: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.worth <= 1 or not (self.most_gain is None or 0 <= self.most_gain < np.inf):
            raise InputError(
                f"worth is {self.worth} and most_gain {self.most_gain}; give a worth between 0 and 1, and a gain that "
                "is not negative or none."
            )


@dataclass(frozen=True, eq=False)
class TaxCurve:
    """Marginal tax of selling a name: S stretches, each of some shares at one tax a share."""

    shares: Int
    """(S,)."""
    tax: Float
    """(S,) money a share, ascending."""

    def total(self, shares: float) -> float:
        """Tax of selling the first shares."""
        ends = np.cumsum(self.shares)
        sold = np.clip(shares - (ends - self.shares), 0, self.shares)
        return float(sold @ self.tax)


@dataclass(frozen=True, eq=False)
class TaxedSales:
    """Sales of N names."""

    shares: Int
    """(N,) sold, not negative."""
    lots: tuple[Mapping[str, int], ...]
    """Of each name, id of a lot -> shares of it that are sold."""
    tax: float
    gain: float


def tax_curve(lots: Sequence[SaleLot], price: float) -> TaxCurve:
    """The tax of selling ever more of a name, the lot of least tax a share first."""
    ordered = sorted(lots, key=lambda lot: lot.tax(price))
    shares = np.array([lot.shares for lot in ordered], dtype=np.int64)
    return TaxCurve(shares, np.array([lot.tax(price) for lot in ordered], dtype=np.float64))


def taxed_sales(wanted: Int, prices: Float, lots: Sequence[Sequence[SaleLot]], terms: SaleTerms) -> TaxedSales:
    """How many shares to sell of those that are wanted sold, and of which lots, to within a share.

    Parameters
    ----------
    wanted : (N,) shares, not negative.
    prices : (N,) money a share.
    lots : of each name, those that can be sold.

    Raises
    ------
    InputError
        Shapes disagree, a price is not positive, or the lots of a name hold less than is wanted sold.
    SolverError
        HiGHS failed.
    """
    n = len(wanted)
    if np.shape(prices) != (n,) or len(lots) != n or not (np.asarray(prices) > 0).all() or (wanted < 0).any():
        raise InputError(f"{n} sales need as many positive prices and lists of lots, and must not be negative.")
    for name, (count, own) in enumerate(zip(wanted.tolist(), lots, strict=True)):
        if (held := sum(lot.shares for lot in own)) < count:
            raise InputError(
                f"{count} shares of name {name} are to be sold, and its lots hold {held}; book its trades."
            )
    pairs = [(name, lot) for name, own in enumerate(lots) for lot in own if wanted[name] > 0]
    owner = np.array([name for name, _ in pairs], dtype=np.int64)
    most = np.array([lot.shares for _, lot in pairs], dtype=np.int64)
    gain = np.array([lot.gain(float(prices[name])) for name, lot in pairs], dtype=np.float64)
    tax = np.array([lot.tax(float(prices[name])) for name, lot in pairs], dtype=np.float64)
    value = terms.worth * np.asarray(prices, dtype=np.float64)[owner] - tax
    sold = _best(value, gain, most, owner, wanted, terms.most_gain)
    by_lot: tuple[dict[str, int], ...] = tuple({} for _ in range(n))
    for (name, lot), count in zip(pairs, sold.tolist(), strict=True):
        by_lot[name].update({lot.id: count} if count else {})
    shares = np.bincount(owner, weights=sold, minlength=n).astype(np.int64)
    return TaxedSales(shares, by_lot, float(sold @ tax), float(sold @ gain))


def _best(value: Float, gain: Float, most: Int, owner: Int, wanted: Int, most_gain: float | None) -> Int:
    """(S,) whole shares of each lot."""
    if not len(value):
        return np.zeros(0, dtype=np.int64)
    names, row = np.unique(owner, return_inverse=True)
    rows = sparse.csr_matrix((np.ones(len(owner)), (row, np.arange(len(owner)))))
    limits = wanted[names].astype(np.float64)
    if most_gain is not None:
        rows = sparse.vstack([rows, sparse.csr_matrix(gain)])
        limits = np.append(limits, most_gain)
    found = milp(-value, constraints=LinearConstraint(rows, -np.inf, limits), bounds=Bounds(0, most))
    if not found.success:
        raise SolverError(f"HiGHS found no sales within the limits: {found.message}")
    sold = np.floor(np.asarray(found.x) + _WHOLE).astype(np.int64)
    while most_gain is not None and (over := float(sold @ gain) - most_gain) > 1e-9 * max(most_gain, 1.0):
        # Rounding down a loss leaves gains without it: give up those that are worth least for what they gain.
        ratio = np.where((gain > 0) & (sold > 0), value / np.where(gain > 0, gain, 1.0), np.inf)
        worst = int(np.argmin(ratio))
        sold[worst] -= min(int(sold[worst]), int(np.ceil(over / gain[worst])))
    return sold
