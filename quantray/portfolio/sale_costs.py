"""Sales that cost more than purchases, as by their tax, in the form that the solvers know: one cost and a slope.

A trade t costs ``cost |t|``, and a sale ``tax`` more for each unit: together ``(cost + tax / 2) |t| - tax / 2 t``. That
is convex while a loss saves no more than buying back costs. Where it saves more, a name is only sold: bought back at
once it would be a wash sale, whose loss does not count.
"""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float

__all__ = ["SaleCosts", "sale_costs"]


@dataclass(frozen=True, eq=False)
class SaleCosts:
    """The same costs as ``cost |t| + slope t`` for trades t from what is held, and the bound that keeps them convex."""

    cost: Float
    """(N,), not negative."""
    slope: Float
    """(N,)."""
    upper: Float
    """(N,) of weights."""


def sale_costs(cost: Float, tax: Float, previous: Float, lower: Float, upper: Float) -> SaleCosts:
    """What sales add, for names that are held; who is short pays no tax for selling.

    Parameters
    ----------
    cost : (N,) of a unit bought or sold.
    tax : (N,) of a unit sold, on top; negative where a loss saves tax.
    previous, lower, upper : (N,) weights held, and their bounds.
    """
    held = np.where(previous > 0, tax, 0.0)
    # Where a name must be bought, no sale will save anything.
    only_sold = (held < -2 * cost) & (lower <= previous)
    counted = np.maximum(held, -2 * cost)
    return SaleCosts(
        np.where(only_sold, 0.0, cost + counted / 2),
        np.where(only_sold, -(cost + held), -counted / 2),
        np.where(only_sold, np.minimum(upper, previous), upper),
    )
