"""Today's book in yesterday's crisis: what it would have lost had the drivers moved as they did then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from quantray.arrays import Bool, Dates, Float, Names, as_day, frozen
from quantray.covariance.factor import FactorModel
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import carried_forward, simple_returns
from quantray.risk.factor import checked_model
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.pricing import revalue_book
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.stress import StressResult, valued
from quantray.risk.stressing.moves import Moves, filled_moves

__all__ = ["CRISES", "History", "Replay", "replay"]

CRISES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "dot-com crash": ("2000-03-24", "2002-10-09"),
        "autumn 2008": ("2008-08-29", "2008-11-20"),
        "March 2020": ("2020-02-19", "2020-03-23"),
    }
)
"""Name -> the closes between which the S&P 500 fell most; of 2008, from the last month's end before Lehman Brothers."""


@dataclass(frozen=True, eq=False)
class History:
    """Past changes of H drivers over T days; all arrays are read-only.

    Parameters
    ----------
    dates : (T,) increasing.
    drivers : (H,) unique.
    changes : (T, H) from the day before, in the drivers' units; NaN where unknown.

    Raises
    ------
    InputError
        Shapes disagree, dates do not increase, or drivers repeat.
    """

    dates: Dates
    drivers: Names
    changes: Float

    def __post_init__(self) -> None:
        dates = np.asarray(self.dates).astype("datetime64[D]")
        drivers, changes = np.asarray(self.drivers, dtype=np.str_), np.asarray(self.changes, dtype=np.float64)
        if changes.shape != (len(dates), len(drivers)):
            raise InputError(f"changes are {changes.shape} for {len(dates)} dates and {len(drivers)} drivers.")
        if not (np.diff(dates).astype(np.int64) > 0).all() or len(set(drivers.tolist())) != len(drivers):
            raise InputError("a history has increasing dates and each driver once; sort it and drop duplicates.")
        for name, values in (("dates", dates), ("drivers", drivers), ("changes", changes)):
            object.__setattr__(self, name, frozen(values))

    @classmethod
    def of_market(cls, market: Market) -> Self:
        """What the market itself remembers."""
        return cls(market.dates, market.drivers, market.changes)

    @classmethod
    def of_panel(cls, panel: Panel, field: str = "close") -> Self:
        """Returns of a panel's prices; raises as ``Panel.field``."""
        return cls.of_levels(panel.dates, panel.assets, panel.field(field))

    @classmethod
    def of_levels(
        cls, dates: Dates, drivers: Sequence[str] | Names, levels: Float, absolute: npt.ArrayLike = False
    ) -> Self:
        """Changes of (T, H) levels. Within a series a gap is a change on the day it ends; outside nothing is known.

        Parameters
        ----------
        absolute : of all or of each, whether changes are differences.

        Raises
        ------
        InputError
            As the class.
        """
        levels = np.asarray(levels, dtype=np.float64)
        held = carried_forward(levels)[0]
        ended = np.isnan(carried_forward(levels[::-1])[0][::-1])
        differences = np.vstack([np.full((1, levels.shape[1]), np.nan), np.diff(held, axis=0)])
        changes = np.where(np.broadcast_to(absolute, levels.shape), differences, simple_returns(held))
        changes[ended] = np.nan
        return cls(dates, np.asarray(drivers, dtype=np.str_), changes)

    def with_drivers(self, other: "History") -> "History":
        """Both histories on the days of the first, which counts for drivers that both have.

        Days that only the other has are left out, so ask the one with more days.
        """
        new = ~np.isin(other.drivers, self.drivers)
        place = np.searchsorted(other.dates, self.dates)
        there = np.zeros(len(self.dates), dtype=np.bool_)
        inside = place < len(other.dates)
        there[inside] = other.dates[place[inside]] == self.dates[inside]
        more = np.full((len(self.dates), int(new.sum())), np.nan)
        more[there] = other.changes[place[there]][:, new]
        return History(self.dates, np.concatenate([self.drivers, other.drivers[new]]), np.hstack([self.changes, more]))

    def between(self, start: str | np.datetime64, end: str | np.datetime64) -> "History":
        """The changes from the close of ``start`` to that of ``end``.

        Raises
        ------
        InputError
            There are none.
        """
        first, last = as_day(start), as_day(end)
        chosen = (self.dates > first) & (self.dates <= last)
        if not chosen.any():
            span = f"{self.dates[0]} to {self.dates[-1]}" if len(self.dates) else "no days"
            raise InputError(f"the history, {span}, has no changes from {first} to {last}; give another window.")
        return History(self.dates[chosen], self.drivers, self.changes[chosen])


@dataclass(frozen=True, eq=False)
class Replay:
    """What a book would have lost in a window of the past."""

    result: StressResult
    """At the end of the window."""
    dates: Dates
    """(T,) of the window."""
    path: Float
    """(T,) lost by the close of each, as a fraction of NAV."""
    by_model: tuple[str, ...]
    """Drivers of the book without any history in the window, which the risk model moved."""
    partly: tuple[str, ...]
    """Drivers that it moved on some days."""

    @property
    def worst(self) -> float:
        """The largest loss on the way."""
        return float(self.path.max())

    @property
    def worst_date(self) -> np.datetime64:
        """The day of it."""
        return np.datetime64(self.dates[int(self.path.argmax())])


def replay(
    holdings: Holdings,
    market: Market,
    history: History,
    start: str | np.datetime64,
    end: str | np.datetime64,
    *,
    model: FactorModel | None = None,
    name: str | None = None,
) -> Replay:
    """Value a book as if drivers moved from here as they did from the close of ``start`` to that of ``end``.

    Positions are held through the window, and options do not age; returns compound, differences add up. On days without
    a change of a driver the risk model moves it by what the day's other changes say of the factors: such drivers are
    named, and have no move of their own, which makes their losses too even.

    Parameters
    ----------
    history : may have other drivers than the market, in any order.
    model : of the market's drivers, today's; not needed where nothing is missing.
    name : by default the dates.

    Raises
    ------
    InputError
        The history has no such days, a driver of the book is missing on some and there is no model, the model is of
        other drivers, or as ``sensitivities.sensitivities``.
    """
    window = history.between(start, end)
    changes = _aligned(window, market)
    seen = sensitivities(holdings, market)
    needed = np.zeros(market.n_drivers, dtype=np.bool_)
    needed[seen.columns] = needed[seen.cross_columns[0]] = True
    missing = np.isnan(changes)
    never, sometimes = missing.all(axis=0) & needed, missing.any(axis=0) & ~missing.all(axis=0) & needed
    if model is None:
        if (lost := market.drivers[never | sometimes]).size:
            raise InputError(
                f"{', '.join(lost[:5].tolist())}{' and more' if len(lost) > 5 else ''} have no changes on some days "
                f"from {start} to {end}; give a risk model to move them, or leave them out."
            )
        moves = Moves(np.nan_to_num(changes), np.zeros((len(changes), 0)))
    else:
        checked_model(model, market)
        moves = filled_moves(model, changes)
    path = np.where(market.absolute, np.cumsum(moves.drivers, axis=0), np.cumprod(1 + moves.drivers, axis=0) - 1)
    whole = Moves(path[-1:], moves.factors.sum(axis=0, keepdims=True))
    title = f"{as_day(start)} to {as_day(end)}" if name is None else name
    source = f"changes from {as_day(start)} to {as_day(end)}, {len(changes)} days"
    notes = _notes(market, never, sometimes, missing, model)
    result = valued(holdings, market, whole, model, names=[title], sources=[source], notes=[notes], seen=seen)[0]
    return Replay(
        result,
        window.dates,
        -revalue_book(holdings, market, np.where(market.absolute, path, np.maximum(path, -1.0))),
        tuple(market.drivers[never].tolist()),
        tuple(market.drivers[sometimes].tolist()),
    )


def _aligned(window: History, market: Market) -> Float:
    """(T, M) changes of the market's drivers; NaN where the history has none."""
    at = {name: i for i, name in enumerate(window.drivers.tolist())}
    places = np.array([at.get(name, -1) for name in market.drivers.tolist()], dtype=np.int64)
    return (
        np.where(places >= 0, window.changes[:, places], np.nan)
        if at
        else np.full((len(window.dates), market.n_drivers), np.nan)
    )


def _notes(market: Market, never: Bool, sometimes: Bool, missing: Bool, model: FactorModel | None) -> tuple[str, ...]:
    """What the model moved, and what it knew nothing of."""
    notes = []
    if never.any():
        notes.append(f"moved by the risk model, without history: {', '.join(market.drivers[never].tolist())}")
    if sometimes.any():
        days = int(missing[:, sometimes].sum())
        names = ", ".join(market.drivers[sometimes].tolist())
        notes.append(f"moved by the risk model on {days} days in all: {names}")
    if model is not None:
        still = (never | sometimes) & ~model.loadings.any(axis=1)
        if still.any():
            notes.append(f"no factor moves them, so they stayed: {', '.join(market.drivers[still].tolist())}")
    return tuple(notes)
