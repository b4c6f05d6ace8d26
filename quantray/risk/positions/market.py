"""What is known, at the close of a day, of the things that positions are worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, get_args

import numpy as np

from quantray.arrays import Bool, Dates, Float, Int, Names, frozen
from quantray.errors import InputError
from quantray.risk.positions.groups import Groups
from quantray.risk.positions.holdings import AssetClass

__all__ = ["Market"]

_DEFAULT: Any = None
"""Filled in by ``__post_init__``, so that readers find an array."""
_REMEMBERED = 8
"""Arrays of names whose places a market keeps."""


@dataclass(frozen=True, eq=False)
class Market:
    """M drivers of value at the close of a day, and T days of their past changes; all arrays are read-only.

    A driver is the price of a share, a bond, a commodity or an index in its own currency, the price of a currency in
    the base currency, under its code (``EUR``), or a yield or an implied volatility, as a fraction.

    Parameters
    ----------
    date : of the close.
    drivers : (M,) unique names.
    levels : (M,) today; positive, but for yields.
    dates : (T,) of the changes, oldest first, none after ``date``.
    changes : (T, M) in a day: simple returns, of absolute drivers differences; NaN where unknown.
    absolute : (M,) True of yields and volatilities; by default nowhere.
    adv : (M,) money in the base currency that is traded on a usual day; NaN where nobody knows.
    spread_bps : (M,) the whole quoted spread in basis points of the price; NaN where nobody quotes.
    sectors : (M,) sector of each; by default, and where empty, none.
    asset_class : (M,) of ``holdings.AssetClass``; by default, and where empty, that of the positions which hold it.
    base_currency : code of the currency that NAV is counted in.

    Raises
    ------
    InputError
        Shapes disagree, names repeat, a level is missing, a change is infinite, or a day of changes is later than the
        close.
    """

    date: np.datetime64
    drivers: Names
    levels: Float
    dates: Dates
    changes: Float
    absolute: Bool = _DEFAULT
    adv: Float = _DEFAULT
    spread_bps: Float = _DEFAULT
    sectors: Names = _DEFAULT
    base_currency: str = "USD"
    asset_class: Names = _DEFAULT

    def __post_init__(self) -> None:
        drivers = np.asarray(self.drivers, dtype=np.str_)
        m, t = len(drivers), len(self.dates)
        unknown = np.full(m, np.nan)
        columns: dict[str, Any] = {
            "drivers": drivers,
            "levels": np.asarray(self.levels, dtype=np.float64),
            "absolute": np.zeros(m, dtype=np.bool_) if self.absolute is None else np.asarray(self.absolute, np.bool_),
            "adv": unknown if self.adv is None else np.asarray(self.adv, dtype=np.float64),
            "spread_bps": unknown if self.spread_bps is None else np.asarray(self.spread_bps, dtype=np.float64),
            "sectors": np.full(m, "") if self.sectors is None else np.asarray(self.sectors, dtype=np.str_),
            "asset_class": np.full(m, "") if self.asset_class is None else np.asarray(self.asset_class, dtype=np.str_),
        }
        for name, values in columns.items():
            if values.shape != (m,):
                raise InputError(f"{name} of the market are {values.shape} for {m} drivers; give one for each.")
        dates, changes = np.asarray(self.dates).astype("datetime64[D]"), np.asarray(self.changes, dtype=np.float64)
        if changes.shape != (t, m):
            raise InputError(f"changes of the market are {changes.shape} for {t} dates and {m} drivers.")
        places = dict(zip(drivers.tolist(), range(m), strict=True))
        if len(places) != m:
            raise InputError("drivers of the market repeat; give each one column.")
        if np.isinf(changes).any():
            day, driver = np.argwhere(np.isinf(changes))[0].tolist()
            raise InputError(
                f"the change of {drivers[driver]} on {dates[day]} is infinite; give NaN where it is unknown."
            )
        bad = ~np.isfinite(columns["levels"]) | ((columns["levels"] <= 0) & ~columns["absolute"])
        if bad.any():
            names = ", ".join(drivers[bad][:5].tolist())
            raise InputError(
                f"{int(bad.sum())} drivers have no positive level: {names}; fill them in or leave them out."
            )
        if wrong := {*columns["asset_class"].tolist()} - {"", *get_args(AssetClass)}:
            raise InputError(f"asset classes {sorted(wrong)} must be among {', '.join(get_args(AssetClass))}.")
        if (columns["spread_bps"] < 0).any():
            raise InputError("spreads of the market must not be negative; leave unknown ones NaN.")
        if t and (dates[-1] > self.date or not (np.diff(dates).astype(np.int64) > 0).all()):
            raise InputError(f"dates of changes must rise and end by {self.date}, not on {dates[-1]}.")
        for name, values in [*columns.items(), ("dates", dates), ("changes", changes)]:
            object.__setattr__(self, name, frozen(values))
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_found", {})

    @property
    def n_drivers(self) -> int:
        """M."""
        return len(self.drivers)

    @cached_property
    def sector_groups(self) -> Groups:
        """The drivers by sector."""
        return Groups.of(self.sectors)

    @property
    def places(self) -> Mapping[str, int]:
        """Driver -> its place."""
        return MappingProxyType(self._places)  # type: ignore[attr-defined]

    def find(self, names: Names, what: str, holders: Names | None = None) -> Int:
        """Places of some drivers.

        Parameters
        ----------
        what : needs them, for the error.
        holders : who needs each, to be named where it is not the driver's own name.

        Raises
        ------
        InputError
            The market has none of that name.
        """
        # A report asks for the same names again and again; they are held, so their address stays theirs.
        before: dict[int, tuple[Names, Int]] = self._found  # type: ignore[attr-defined]
        if (known := before.get(id(names))) is not None and known[0] is names:
            return known[1]
        places: dict[str, int] = self._places  # type: ignore[attr-defined]
        wanted = names.tolist()
        try:
            # Those of a book are often all that there are.
            all_of_them = names.shape == self.drivers.shape and bool((names == self.drivers).all())
            place = map(places.__getitem__, wanted)
            found = np.arange(len(wanted)) if all_of_them else np.fromiter(place, np.int64, len(wanted))
        except KeyError as error:
            rows = [i for i, name in enumerate(wanted) if name not in places]
            by = wanted if holders is None else holders.tolist()
            lost = sorted({wanted[i] if by[i] == wanted[i] else f"{wanted[i]} (for {by[i]})" for i in rows})
            raise InputError(
                f"{what}: the market has no {', '.join(lost[:5])}{' and more' if len(lost) > 5 else ''}; "
                "give it a level and past changes there, or sell the positions first."
            ) from error
        if not names.flags.writeable and len(before) < _REMEMBERED:
            before[id(names)] = names, frozen(found)
        return found
