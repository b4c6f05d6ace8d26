"""What a quality check of daily bars is made of: bars, thresholds, flags and treatments."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from quantray.arrays import Bool, Dates, Float, Int
from quantray.data.calendar import BarLength

__all__ = ["BEYOND_NEWS", "BEYOND_QUIET", "PRICES", "Check", "Flags", "SortedBars", "Thresholds", "Treatment"]

Treatment = Literal["keep", "repair", "drop_cell", "drop_row", "drop_asset", "refuse"]
"""``keep`` reports only; ``repair`` is described by each check; ``drop_cell`` blanks the flagged prices;
``drop_row`` removes the flagged rows; ``drop_asset`` removes an asset from its first flagged row on;
``refuse`` stops the import."""

PRICES = ("open", "high", "low", "close")
"""The price columns of a bar."""

BEYOND_QUIET, BEYOND_NEWS = np.log(3.0), np.log(5.0)
"""Log moves that no quiet day makes, and that no news makes: true moves of listed shares stay within five times."""


class Thresholds(BaseModel):
    """What the checks measure against."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    exchange: str = "XNYS"
    """Trading calendar; ``24/7`` for a market that never closes."""
    bars: BarLength = "daily"
    """How long a bar lasts."""
    today: date | None = None
    """Bars dated later are of the future; by default the day of the import."""
    thin_share: float = Field(0.7, gt=0, lt=1)
    """A trading day is thin with fewer rows than this share of the median day around it."""
    stale_days: int = Field(10, ge=2)
    """Equal closes in a row, without any range, that make a price stale."""
    jump: float = Field(0.5, gt=0)
    """Absolute log return that counts as a jump."""
    revert_days: int = Field(5, ge=1)
    """Rows within which a jump that comes back is a bad print."""
    extreme: float = Field(0.8, gt=0)
    """Absolute simple return of one day that is reported as extreme."""


@dataclass(frozen=True, eq=False)
class Flags:
    """Rows that a check flagged, with one number per row for its message."""

    rows: Bool
    value: Float | None = None
    columns: tuple[str, ...] = PRICES
    cells: dict[str, Bool] | None = None
    """Cell by cell where a check flags single prices of a row."""
    by_day: bool = False
    """Examples are one per day, smallest value first; else one per asset, largest first."""

    def among(self, rows: Bool) -> "Flags":
        """The same flags on some rows only."""
        cells = None if self.cells is None else {name: mask & rows for name, mask in self.cells.items()}
        return replace(self, rows=self.rows & rows, cells=cells)


@dataclass(frozen=True)
class Check:
    """A named check: what it looks for, what may be done, and how it is written in messages."""

    name: str
    meaning: str
    find: Callable[["SortedBars"], Flags]
    treatment: Treatment
    allowed: tuple[Treatment, ...]
    detail: str = ""
    """Format of one example; ``{v}`` is the flag's value, ``{open}`` and so on the row's prices."""
    repair: Callable[["SortedBars", Flags], pd.DataFrame] | None = None
    by_later: bool = False
    """Whether later bars decide it, so that new ones may show that stored ones are wrong."""
    advice: Callable[["SortedBars", Flags], str] | None = None
    """What to do about it, for the message of a refusal; by default to treat the rows or to mend the file."""


@dataclass(frozen=True, eq=False)
class SortedBars:
    """Bars sorted by symbol and date, with what several checks need."""

    frame: pd.DataFrame
    settings: Thresholds

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> Float:
        """(rows,) values of a column; NaN where there is none."""
        if name not in self.frame:
            return np.full(len(self), np.nan)
        return self.frame[name].to_numpy(dtype=np.float64)

    @cached_property
    def day(self) -> np.ndarray:
        """(rows,) dates."""
        return self.frame["date"].to_numpy().astype("datetime64[D]")

    @cached_property
    def days(self) -> tuple[Dates, Int, Int]:
        """(D,) distinct dates, (rows,) place of each row's date among them, and (D,) rows of each."""
        number = self.day.astype(np.int64)
        first = int(number.min()) if len(number) else 0
        count = np.bincount(number - first)
        held = np.flatnonzero(count)
        place = np.zeros(len(count), dtype=np.int64)
        place[held] = np.arange(len(held))
        return (held + first).astype("datetime64[D]"), place[number - first], count[held]

    @cached_property
    def code(self) -> np.ndarray:
        """Number of each row's symbol, rising with the row."""
        return self.frame["symbol"].cat.codes.to_numpy().astype(np.int64)

    @cached_property
    def repeated(self) -> tuple[Bool, Bool]:
        """Rows that share symbol and date with another, and those among them that are not the last."""
        same = (self.code[1:] == self.code[:-1]) & (self.day[1:] == self.day[:-1])
        before, after = np.append(False, same), np.append(same, False)
        return before | after, after

    @cached_property
    def factor(self) -> Float:
        """What splits and dividends add to each day's price ratio to make it the gross return."""
        dividend, split = self.column("dividend"), self.column("split")
        if not (dividend > 0).any():
            return split
        paid = np.nan_to_num(dividend / self.column("close"), nan=0.0, posinf=0.0, neginf=0.0)
        return np.asarray(split * (1 + np.maximum(paid, 0.0)))

    @cached_property
    def jumps(self) -> tuple[np.ndarray, Float, np.ndarray]:
        """Rows whose total return is beyond the threshold: rows, log moves, rows before them."""
        close, code = self.column("close"), self.code
        rows = np.flatnonzero(close > 0)
        if len(rows) < 2:
            return np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
        level = np.log(close[rows])
        if (self.factor != 1).any():
            level = level + np.cumsum(np.log(self.factor))[rows]
        move = np.diff(level)
        big = (np.abs(move) > self.settings.jump) & (code[rows[1:]] == code[rows[:-1]])
        return rows[1:][big], move[big], rows[:-1][big]

    def flagged(self, rows: np.ndarray, values: Float | None = None) -> Flags:
        """Flags on some rows, with a value for each."""
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[rows] = True
        value = None
        if values is not None:
            value = np.full(len(self), np.nan)
            value[rows] = values
        return Flags(mask, value)
