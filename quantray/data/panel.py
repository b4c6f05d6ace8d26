"""The panel: dates by assets, read-only, with point-in-time membership."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pandas as pd

from quantray.arrays import TRADING_DAYS, Bool, Dates, Float, Names, as_day, frozen
from quantray.data.fingerprints import Fingerprints, Window
from quantray.errors import DataError, InputError

__all__ = ["Panel"]


@dataclass(frozen=True, eq=False)
class Panel:
    """Aligned fields of N assets over T dates, daily or weekly; all arrays are read-only.

    The panel takes over the arrays it is given, without a copy: do not write to them afterwards.

    Parameters
    ----------
    dates : (T,) datetime64[D], strictly increasing.
    assets : (N,) unique names.
    fields : name -> (T, N) float64; NaN where nothing is known. In panels from a ``MarketStore`` the prices are
        adjusted so that ``close`` ratios are total returns and ``close * volume`` is the money traded.
    member : (T, N) bool; True where the asset belongs to the universe, known at the close of that date.
    periods_per_year : rows in a year, from the calendar of the data; see ``data.calendar.periods_per_year``.

    Raises
    ------
    InputError
        Shapes disagree, dates are not increasing, names repeat, or a year has no period.
    """

    dates: Dates
    assets: Names
    fields: Mapping[str, Float]
    member: Bool
    periods_per_year: int = TRADING_DAYS

    def __post_init__(self) -> None:
        dates = np.asarray(self.dates).astype("datetime64[D]")
        assets = np.asarray(self.assets, dtype=np.str_)
        shape = (len(dates), len(assets))
        if self.periods_per_year < 1:
            raise InputError(f"periods_per_year {self.periods_per_year} must be 1 or more, such as 252, 365 or 52.")
        if not (np.diff(dates).astype(np.int64) > 0).all():
            raise InputError("panel dates are not strictly increasing; sort them and drop duplicates.")
        if len(set(assets.tolist())) != len(assets):
            raise InputError("panel asset names repeat; give each asset one column.")
        fields = {name: np.asarray(self.fields[name], dtype=np.float64) for name in sorted(self.fields)}
        for name, values in [*fields.items(), ("member", np.asarray(self.member))]:
            if values.shape != shape:
                raise InputError(f"panel field {name!r} is {values.shape} for {shape[0]} dates and {shape[1]} assets.")
        object.__setattr__(self, "dates", frozen(dates))
        object.__setattr__(self, "assets", frozen(assets))
        object.__setattr__(self, "fields", MappingProxyType({name: frozen(v) for name, v in fields.items()}))
        object.__setattr__(self, "member", frozen(np.asarray(self.member, dtype=np.bool_)))

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[object, ...]]:
        return type(self), (self.dates, self.assets, dict(self.fields), self.member, self.periods_per_year)

    def __repr__(self) -> str:
        span = f"{self.dates[0]} to {self.dates[-1]}" if len(self.dates) else "no dates"
        return f"Panel({len(self.dates)} dates, {span}; {len(self.assets)} assets; fields {', '.join(self.fields)})"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of dates T and of assets N."""
        return len(self.dates), len(self.assets)

    @classmethod
    def from_long(cls, frame: pd.DataFrame, *, fields: Sequence[str] | None = None) -> Self:
        """A panel from rows of (date, symbol, fields...), as ``to_long`` writes them.

        Membership is the column ``member``; without one, it is where ``close`` (or the first field) is known.

        Raises
        ------
        DataError
            A column, a date or a symbol is missing, a (date, symbol) pair repeats, or there are no rows.
        """
        missing = {"date", "symbol"} - set(frame.columns)
        if missing:
            raise DataError(f"the long frame lacks {sorted(missing)}; it has {list(frame.columns)}.")
        keys = {"date", "symbol", "member"}
        names = [str(c) for c in frame.columns if c not in keys] if fields is None else list(fields)
        if frame.empty or not names:
            raise DataError("the long frame has no rows or no fields; check the dates and symbols asked for.")
        for key in ("date", "symbol"):
            if frame[key].isna().any():
                row = int(np.argmax(frame[key].isna().to_numpy()))
                raise DataError(f"row {row} of the long frame has no {key}; drop it or fill it in.")
        # Days and cells are small integers, so marking them in an array beats sorting or hashing millions of rows.
        days = frame["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
        present = np.zeros(int(days.max() - days.min()) + 1, dtype=np.bool_)
        present[days - days.min()] = True
        row = (np.cumsum(present) - 1)[days - days.min()]
        dates = (np.flatnonzero(present) + days.min()).astype("datetime64[D]")
        codes, symbols = pd.factorize(frame["symbol"], sort=True)
        cell = row * len(symbols) + codes
        used = np.zeros(len(dates) * len(symbols), dtype=np.bool_)
        used[cell] = True
        if int(used.sum()) != len(cell):
            pair = frame.loc[frame.duplicated(["date", "symbol"])].iloc[0]
            raise DataError(f"{pair['symbol']} on {str(pair['date'])[:10]} appears twice; drop duplicate rows first.")
        values = {}
        for name in names:
            if name not in frame:
                raise DataError(f"field {name!r} is not in the frame; it has {list(frame.columns)}.")
            grid = np.full(used.size, np.nan)
            grid[cell] = frame[name].to_numpy(dtype=np.float64)
            values[name] = grid.reshape(len(dates), len(symbols))
        member = ~np.isnan(values["close" if "close" in values else names[0]])
        if "member" in frame:
            member = np.zeros(used.size, dtype=np.bool_)
            member[cell] = frame["member"].to_numpy(dtype=np.bool_)
        return cls(dates, np.asarray(symbols, dtype=np.str_), values, member.reshape(len(dates), len(symbols)))

    def to_long(self) -> pd.DataFrame:
        """Rows of (date, symbol, fields..., member), of members and where a field is known, by date and then asset."""
        known = self.member.copy()
        for values in self.fields.values():
            known |= ~np.isnan(values)
        row, column = np.nonzero(known)
        # Names as numpy texts would take four bytes a letter in every row.
        names = pd.array(self.assets.tolist(), dtype="str")
        data: dict[str, Any] = {"date": self.dates[row], "symbol": names.take(column)}
        del row, column
        data |= {name: values[known] for name, values in self.fields.items()}
        return pd.DataFrame(data | {"member": self.member[known]}, copy=False)

    def field(self, name: str) -> Float:
        """One field as a read-only (T, N) array.

        Raises
        ------
        DataError
            The panel has no such field.
        """
        try:
            return self.fields[name]
        except KeyError:
            raise DataError(f"the panel has no field {name!r}; it has {', '.join(self.fields)}.") from None

    def to_frame(self, name: str) -> pd.DataFrame:
        """One field as a frame of dates by assets."""
        return pd.DataFrame(self.field(name), index=pd.DatetimeIndex(self.dates), columns=self.assets)

    def until(self, date: object) -> Self:
        """The panel up to and including a date, or up to and including a row number.

        Raises
        ------
        InputError
            Neither a date nor a row number of zero or more.
        """
        if isinstance(date, int | np.integer):
            if date < 0:
                raise InputError(f"row {date} is negative; rows count from 0, the first date.")
            return self._rows(slice(0, int(date) + 1))
        return self._rows(slice(0, int(np.searchsorted(self.dates, as_day(date), side="right"))))

    def between(self, start: object, end: object) -> Self:
        """The panel from ``start`` to ``end``, both included.

        Raises
        ------
        InputError
            The start is after the end.
        """
        first, last = as_day(start), as_day(end)
        if first > last:
            raise InputError(f"start {first} is after end {last}.")
        low, high = np.searchsorted(self.dates, first), np.searchsorted(self.dates, last, side="right")
        return self._rows(slice(int(low), int(high)))

    def select(self, assets: Sequence[str] | Names) -> Self:
        """The panel of some assets, in the order given.

        Raises
        ------
        DataError
            A name is not in the panel.
        """
        position = {name: column for column, name in enumerate(self.assets.tolist())}
        unknown = [str(name) for name in assets if str(name) not in position]
        if unknown:
            raise DataError(f"{len(unknown)} assets are not in the panel, such as {', '.join(unknown[:5])}.")
        columns = [position[str(name)] for name in assets]
        # By ``take``, which keeps a date's values together; an index would turn them about, to be turned back.
        fields = {name: values.take(columns, axis=1) for name, values in self.fields.items()}
        return replace(self, assets=self.assets[columns], fields=fields, member=self.member.take(columns, axis=1))

    def with_member(self, member: Bool) -> Self:
        """The same panel with another (T, N) membership."""
        return replace(self, member=member)

    def with_fields(self, **fields: Float) -> Self:
        """The same panel with fields added or replaced."""
        return replace(self, fields={**self.fields, **fields})

    def with_only(self, *names: str) -> Self:
        """The same panel with these fields alone, of those that it has."""
        return replace(self, fields={name: self.fields[name] for name in names if name in self.fields})

    def row(self, date: object) -> int:
        """The row of a date.

        Raises
        ------
        DataError
            The date is not a row of the panel.
        """
        day = as_day(date)
        position = int(np.searchsorted(self.dates, day))
        if position == len(self.dates) or self.dates[position] != day:
            raise DataError(f"{day} is not a date of this panel; it runs {self.dates[0]} to {self.dates[-1]}.")
        return position

    def fingerprint(self) -> str:
        """Hash of everything in the panel; equal content gives equal fingerprints, whatever it was sliced from."""
        return self.fingerprints().of(Window(slice(0, len(self.dates)), np.ones(len(self.assets), dtype=np.bool_)))

    def fingerprints(self) -> Fingerprints:
        """Of windows, each that of the panel which ``cut`` makes of it; those that overlap share the work."""
        return Fingerprints(self.dates, self.assets, self.fields, self.member, self.periods_per_year)

    def cut(self, window: Window) -> Self:
        """The rows and columns of a window."""
        return self._rows(window.rows).select(self.assets[window.columns])

    def _rows(self, rows: slice) -> Self:
        fields = {name: values[rows] for name, values in self.fields.items()}
        return replace(self, dates=self.dates[rows], fields=fields, member=self.member[rows])
