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
    "described",
    "from_bps",
    "quoted_bps",
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
        spread = quoted_bps(day.fields, self.half_spread_bps)
        return np.asarray(from_bps(np.abs(trades) * (spread + self.commission_bps)))


def from_bps(bps: npt.ArrayLike) -> Float:
    """Basis points as fractions, in any shape."""
    return np.asarray(np.asarray(bps, dtype=np.float64) * 1e-4)


def quoted_bps(fields: Mapping[str, Float], otherwise: float) -> float | Float:
    """Half of the quoted spread where the data hold one, in the shape of the field ``half_spread_bps``.

    Parameters
    ----------
    otherwise : basis points where there is no value; without the field this one number is the answer.
    """
    quoted = fields.get(HALF_SPREAD)
    return otherwise if quoted is None else np.where(quoted >= 0, quoted, otherwise)


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


def described(fields: Mapping[str, Float], otherwise: float) -> str:
    """What trades are charged, in words; see ``quoted_bps``."""
    flat = f"{otherwise:g} bp of the money traded"
    return flat if HALF_SPREAD not in fields else f"half of the quoted spread, where none is known {flat}"
