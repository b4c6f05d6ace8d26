"""What trading costs: basis points become money here, and quoted spreads are paid where the data hold them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = [
    "HALF_SPREAD",
    "CostModel",
    "LinearCosts",
    "MarketDay",
    "from_bps",
    "trading_costs",
]

HALF_SPREAD = "half_spread_bps"
"""Field of a panel: half of the quoted spread in basis points of the price; NaN where nobody quoted."""


@dataclass(frozen=True, eq=False)
class MarketDay:
    """What a cost model may know: the day's row of every field."""

    date: np.datetime64
    nav: float
    fields: Mapping[str, Float]
    """Name -> (N,)."""


class CostModel(Protocol):
    """Says what trades cost."""

    def __call__(self, trades: Float, day: MarketDay) -> Float:
        """(N,) money paid, not negative, for (N,) money traded (sales negative)."""
        ...


@dataclass(frozen=True)
class LinearCosts:
    """Half of the spread and a commission, in basis points of the money traded.

    Parameters
    ----------
    half_spread_bps : used where the panel has no ``half_spread_bps`` field or no value in it.
    commission_bps : added to it.
    """

    half_spread_bps: float = 5.0
    commission_bps: float = 0.0

    def __post_init__(self) -> None:
        if not (self.half_spread_bps >= 0 and self.commission_bps >= 0):
            raise InputError("half_spread_bps and commission_bps must not be negative.")

    def __call__(self, trades: Float, day: MarketDay) -> Float:
        """See ``CostModel``."""
        return np.asarray(from_bps(np.abs(trades) * self.bps(day.fields)))

    def bps(self, fields: Mapping[str, Float]) -> float | Float:
        """Basis points of the money traded, in the shape of the field ``half_spread_bps``; one number without it."""
        quoted = fields.get(HALF_SPREAD)
        spread = self.half_spread_bps if quoted is None else np.where(quoted >= 0, quoted, self.half_spread_bps)
        return spread + self.commission_bps

    def described(self, fields: Mapping[str, Float]) -> str:
        """What trades in a panel are charged, in words."""
        flat, more = f"{self.half_spread_bps + self.commission_bps:g} bp of the money traded", ""
        if HALF_SPREAD not in fields:
            return flat
        if self.commission_bps:
            more = f" and {self.commission_bps:g} bp"
        return f"half of the quoted spread{more}, where none is known {flat}"


def from_bps(bps: npt.ArrayLike) -> Float:
    """Basis points as fractions, in any shape."""
    return np.asarray(np.asarray(bps, dtype=np.float64) * 1e-4)


def trading_costs(traded: Float, costs_bps: float | Float) -> Float:
    """(...) what is paid for (..., N) amounts traded, all names together and in the unit of the amounts.

    Parameters
    ----------
    traded : not negative.
    costs_bps : of what is traded; one number, or one for each name (and day).
    """
    if np.ndim(costs_bps) == 0:
        return np.asarray(from_bps(costs_bps) * traded.sum(axis=-1))
    return np.asarray((from_bps(costs_bps) * traded).sum(axis=-1))
