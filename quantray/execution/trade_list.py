"""What shall be traded, what is known of it, and how it is to be executed."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np

from quantray.arrays import Bool, Float, Int, Names
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.errors import InputError
from quantray.execution.impact import ImpactModel
from quantray.execution.selection import SelectionRules
from quantray.execution.venues import VENUES, Venue

__all__ = ["PlanTerms", "TradeList", "days_to_complete", "trades_of_weights"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TradeList:
    """What shall be traded, and what is known of it.

    Parameters
    ----------
    symbols : (P,) unique.
    shares : (P,) whole; sales negative.
    price : (P,) money a share, on arrival.
    impact : of the P names, with ``adv`` in shares.
    halted : (P,) names that are not traded now.
    float_shares : (P,) shares that can be traded at all; infinite where nobody knows.
    limits : (P,) worst prices, by default none.

    Raises
    ------
    InputError
        A name repeats or is halted, shares are not whole or are zero, a price or a volume is unknown, an order is
        larger than the float, or a limit is no price.
    """

    symbols: Names
    shares: Int
    price: Float
    impact: ImpactModel
    halted: Bool | None = None
    float_shares: Float | None = None
    limits: tuple[Decimal | None, ...] | None = None

    def __post_init__(self) -> None:
        n_orders = len(self.symbols)
        if self.shares.shape != (n_orders,) or self.price.shape != (n_orders,) or self.impact.adv.shape != (n_orders,):
            raise InputError(f"shares, prices and impact must be of all {n_orders} symbols.")
        if len(set(self.symbols.tolist())) != n_orders:
            raise InputError("symbols of a trade list repeat; add their shares up first.")
        for name in ("halted", "float_shares", "limits"):
            given = getattr(self, name)
            if given is not None and len(given) != n_orders:
                raise InputError(
                    f"{name} are {len(given)} for {n_orders} symbols; give one for each, or None for none."
                )
        if self.shares.dtype.kind != "i":
            raise InputError("shares of a trade list must be whole; round them first, as trades_of_weights does.")
        self._refuse(self.shares == 0, "have no shares; leave them out")
        self._refuse(~(self.price > 0) | ~np.isfinite(self.price), "have no price; leave them out or wait for one")
        self._refuse(
            ~self.impact.known, "have no known volume, volatility or spread; fill in their adv or leave them out"
        )
        self._refuse(~(self.impact.volatility > 0), "have no volatility; fill it in or leave them out")
        if self.halted is not None:
            self._refuse(self.halted, "are halted; leave them out until they trade again")
        if self.float_shares is not None:
            beyond = np.abs(self.shares) > self.float_shares
            self._refuse(beyond, "are ordered beyond their float; make the orders smaller")
        for symbol, limit in zip(self.symbols.tolist(), self.limits or (), strict=False):
            if limit is not None and not (isinstance(limit, Decimal) and limit.is_finite() and limit > 0):
                raise InputError(f"limit {limit} of {symbol} must be exact and positive, such as Decimal('10.05').")

    def _refuse(self, bad: Bool, why: str) -> None:
        if bad.any():
            some = ", ".join(self.symbols[bad][:3].tolist())
            raise InputError(f"{int(bad.sum())} of {len(bad)} names ({some}) {why}.")

    @property
    def value(self) -> Float:
        """(P,) money, not negative."""
        return np.asarray(np.abs(self.shares) * self.price)

    def select(self, index: Int) -> "TradeList":
        """Some of the orders, by their places."""
        return TradeList(
            symbols=self.symbols[index],
            shares=self.shares[index],
            price=self.price[index],
            impact=self.impact.select(index),
            limits=None if self.limits is None else tuple(self.limits[k] for k in index.tolist()),
        )


@dataclass(frozen=True, kw_only=True)
class PlanTerms:
    """How a list of trades is executed.

    Parameters
    ----------
    participation : most of a day's volume that an order may be; above 0 and at most 1.
    when_late : what happens to an order that needs more than ``most_days``; one that needs fewer is always stretched.
    most_days : trading days that an order may take.
    slices : of continuous trading in a day.
    closing : whether to trade in the closing auction, too.
    urgency : of orders that are not given one.
    rules : of the selection.
    venues : to send slices to.
    dark : share of each slice that is offered to dark pools.
    exchange : whose hours hold.

    Raises
    ------
    InputError
        A number is out of range.
    """

    participation: float = 0.10
    when_late: Literal["stretch", "refuse"] = "refuse"
    most_days: int = 10
    slices: int = 8
    closing: bool = False
    urgency: float = 1.0
    rules: SelectionRules = field(default_factory=SelectionRules)
    venues: tuple[Venue, ...] = VENUES
    dark: float = 0.15
    exchange: str = DEFAULT_EXCHANGE

    def __post_init__(self) -> None:
        if not 0 < self.participation <= 1 or self.most_days < 1 or not 0 <= self.urgency < np.inf:
            raise InputError(
                f"participation {self.participation:g} must be above 0 and at most 1, most_days {self.most_days} at "
                f"least 1, and urgency {self.urgency:g} not negative."
            )
        if self.slices < 1 or not 0 <= self.dark <= 1:
            raise InputError(f"slices {self.slices} must be 1 or more, and dark {self.dark:g} a share from 0 to 1.")
        names = [venue.name for venue in self.venues]
        if not names or len(set(names)) != len(names):
            raise InputError(f"venues are {', '.join(names) or 'none'}; give at least one, and each once.")
        if self.when_late not in ("stretch", "refuse"):
            raise InputError(f"when_late {self.when_late!r} is not one of stretch, refuse.")


def trades_of_weights(target: Float, held: Float, price: Float, aum: float) -> Int:
    """(N,) shares to trade from held weights to target ones, towards zero; sales negative.

    Raises
    ------
    InputError
        The AUM is not positive, or a name to trade has no price.
    """
    moved = np.asarray(target, dtype=np.float64) - np.asarray(held, dtype=np.float64)
    if not aum > 0 or not (np.asarray(price)[moved != 0] > 0).all():
        raise InputError(f"aum {aum:g} must be positive, and every name that is traded must have a price.")
    return np.trunc(np.divide(moved * aum, price, out=np.zeros_like(moved), where=moved != 0)).astype(np.int64)


def days_to_complete(shares: Int, adv: Float, participation: float) -> Int:
    """(P,) trading days that orders need at a share of a usual day's volume, 1 at least."""
    return np.maximum(np.ceil(np.abs(shares) / (participation * adv) - 1e-9), 1).astype(np.int64)
