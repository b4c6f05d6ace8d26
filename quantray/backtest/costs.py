"""What trading costs: basis points become money here, and quoted spreads are paid where the data hold them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from quantray.arrays import Dates, Float
from quantray.errors import InputError
from quantray.execution.impact import ADV, DAILY_VOLATILITY, ImpactLaw, ImpactModel
from quantray.portfolio.constraints import Market

__all__ = [
    "HALF_SPREAD",
    "CostModel",
    "CostsByDay",
    "ImpactCosts",
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
    done: Float | None = None
    """(N,) money traded of the same orders on the days before, at today's prices; None where they are of today."""


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
        return self.half_spread(fields) + self.commission_bps

    def half_spread(self, fields: Mapping[str, Float]) -> float | Float:
        """``bps`` without the commission."""
        quoted = fields.get(HALF_SPREAD)
        return self.half_spread_bps if quoted is None else np.where(quoted >= 0, quoted, self.half_spread_bps)

    def described(self, fields: Mapping[str, Float]) -> str:
        """What trades in a panel are charged, in words."""
        flat, more = f"{self.half_spread_bps + self.commission_bps:g} bp of the money traded", ""
        if HALF_SPREAD not in fields:
            return flat
        if self.commission_bps:
            more = f" and {self.commission_bps:g} bp"
        return f"half of the quoted spread{more}, where none is known {flat}"


@dataclass(frozen=True)
class ImpactCosts:
    """Spread and commission, and what trades of this size move prices by; needs ``impact.with_liquidity`` of the panel.

    Parameters
    ----------
    law : the impact model, the same that schedules and optimisers use.
    linear : spread and commission.
    aum : money that is managed; trades are charged as if the accounts were as large. None takes them as they are.
    days : over which every trade is executed at an even rate.
    unknown_bps : all that is charged where the volume or the volatility is unknown.
    participation : most of a usual day's volume that is traded of a name in a day at that size, so that larger trades
        take several; None trades all at once. See ``spreading``.

    Raises
    ------
    InputError
        A number is out of range.
    """

    law: ImpactLaw
    linear: LinearCosts
    aum: float | None = None
    days: float = 1.0
    unknown_bps: float = 50.0
    participation: float | None = None

    def __post_init__(self) -> None:
        if not (self.days > 0 and self.unknown_bps >= 0 and (self.aum is None or self.aum > 0)):
            raise InputError("days and aum must be positive, and unknown_bps not negative.")
        if self.participation is not None and not (0 < self.participation <= 1 and self.days == 1):
            raise InputError(
                f"participation {self.participation:g} must be above 0 and at most 1, and days {self.days:g} be 1: it "
                "spreads trades over as many days as they need."
            )

    def __call__(self, trades: Float, day: MarketDay) -> Float:
        """See ``CostModel``."""
        return self.of_day(day, len(trades))(trades)

    def of_day(self, day: MarketDay, n_assets: int) -> Callable[[Float], Float]:
        """The costs of one day as a function of (N,) money traded alone, for who asks several times."""
        model, larger = self.model(day.fields, n_assets), self._larger(day.nav)
        known = model.known
        before = 0.0 if day.done is None else np.where(known, day.done, 0.0) * larger
        commission, unknown = from_bps(self.linear.commission_bps), from_bps(self.unknown_bps)

        def charged(trades: Float) -> Float:
            paid = model.cost(np.where(known, trades, 0.0) * larger, days=self.days, before=before) / larger
            size = np.abs(trades)
            return np.where(known, paid + commission * size, unknown * size)

        return charged

    def most(self, known: Mapping[str, Float], nav: float) -> Float | None:
        """(N,) money that may be traded in a day, infinite where no volume is known; None where nothing limits it.

        Parameters
        ----------
        known : fields at the close before the day.
        nav : of the accounts.
        """
        if self.participation is None:
            return None
        volume = self._of_volume(known)[ADV] / self._larger(nav)
        return np.where(volume > 0, self.participation * volume, np.inf)

    def model(self, fields: Mapping[str, Float], n_assets: int) -> ImpactModel:
        """The impact model of the N names of a day.

        Raises
        ------
        InputError
            The day has no trailing volumes and volatilities.
        """
        fields = self._of_volume(fields)
        spread = 2 * np.broadcast_to(self.linear.half_spread(fields), (n_assets,))
        return self.law.model(fields[ADV], fields[DAILY_VOLATILITY], spread)

    def market(self, market: Market, day: MarketDay, *, at: float = 0.05) -> Market:
        """What an optimiser of one period knows of the same costs; see ``ImpactModel.folded_terms``.

        Names of which no volume is known cost what was agreed for them, in proportion.
        """
        model = self.model(day.fields, len(day.fields[ADV]))
        known = model.known
        cost, impact = np.full(len(known), from_bps(self.unknown_bps)), np.zeros(len(known))
        seen = model.select(known).folded_terms(self.aum or day.nav, days=self.days, at=at)
        cost[known], impact[known] = seen.linear + from_bps(self.linear.commission_bps), seen.impact
        return replace(market, cost=cost, impact=impact)

    def described(self, fields: Mapping[str, Float]) -> str:
        """What trades in a panel are charged, in words."""
        size = "the accounts' size" if self.aum is None else f"{self.aum:,.0f} under management"
        impact = f"{self.law.name.replace('_', ' ')} impact at {size}"
        if self.participation is not None:
            impact += f", at most {self.participation:.0%} of a name's volume a day"
        return (
            f"{self.linear.described(fields)}, and {impact} (where no volume is known {self.unknown_bps:g} bp in all)"
        )

    def _larger(self, nav: float) -> float:
        """How many times larger than the accounts the money is that trades are charged for."""
        return 1.0 if self.aum is None else self.aum / nav

    def _of_volume(self, fields: Mapping[str, Float]) -> Mapping[str, Float]:
        if ADV not in fields or DAILY_VOLATILITY not in fields:
            raise InputError(f"costs with impact need {ADV} and {DAILY_VOLATILITY}; pass the panel to with_liquidity.")
        return fields


@dataclass(frozen=True, eq=False)
class CostsByDay:
    """Costs whose terms change from some days on, such as the share of the volume that is traded.

    Raises
    ------
    InputError
        The days are not as many as the costs, or do not rise.
    """

    first: Dates
    """(K,) first day of each; what is traded before pays by the first."""
    costs: tuple[ImpactCosts, ...]
    """(K,)."""

    def __post_init__(self) -> None:
        if len(self.first) != len(self.costs) or not self.costs or (np.diff(self.first).astype(np.int64) <= 0).any():
            raise InputError(
                f"{len(self.first)} first days of {len(self.costs)} costs must rise, one for each of them."
            )

    def __call__(self, trades: Float, day: MarketDay) -> Float:
        """See ``CostModel``."""
        return self.on(day.date)(trades, day)

    def of_day(self, day: MarketDay, n_assets: int) -> Callable[[Float], Float]:
        """See ``ImpactCosts.of_day``."""
        return self.on(day.date).of_day(day, n_assets)

    def on(self, date: np.datetime64) -> ImpactCosts:
        """The costs of a day."""
        return self.costs[max(int(np.searchsorted(self.first, date, side="right")) - 1, 0)]


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
