"""Bars sorted by symbol and date, a block of them at a time, and the market that all blocks are together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quantray.arrays import Bool, Dates, Float, Int
from quantray.data.blocks import Block
from quantray.data.calendar import is_trading_day, trading_days
from quantray.data.quality.check import PRICES, Flags, Thresholds

__all__ = ["Jumps", "Market", "SortedBars"]


@dataclass(frozen=True, eq=False)
class Jumps:
    """Rows of a block whose total return is beyond the threshold."""

    rows: Int
    moves: Float
    """Log moves."""
    before: Int
    """Rows that they come from."""


@dataclass(frozen=True, eq=False)
class Market:
    """The bars of all symbols, in blocks; what it has worked out of them holds as long as they are not changed."""

    blocks: Sequence[Block]
    """None of them empty."""
    settings: Thresholds

    def parts(self) -> Iterator["SortedBars"]:
        """Block by block."""
        return (self.part(number) for number in range(len(self.blocks)))

    def part(self, number: int) -> "SortedBars":
        """One of the blocks."""
        return SortedBars(self.blocks[number], self, number)

    @cached_property
    def days(self) -> tuple[Dates, Int]:
        """(D,) distinct dates, and (D,) rows of each."""
        numbers = [part.day.astype(np.int64) for part in self.parts()]
        first = min(int(number.min()) for number in numbers)
        count = np.zeros(max(int(number.max()) for number in numbers) - first + 1, dtype=np.int64)
        for number in numbers:
            count += np.bincount(number - first, minlength=len(count))
        held = np.flatnonzero(count)
        return (held + first).astype("datetime64[D]"), count[held]

    @cached_property
    def places(self) -> np.ndarray:
        """Place among the distinct dates, by days since the first of them."""
        dates = self.days[0]
        since = (dates - dates[0]).astype(np.int64)
        place = np.zeros(int(since[-1]) + 1, dtype=np.int32)
        place[since] = np.arange(len(dates))
        return place

    @cached_property
    def sessions(self) -> Dates:
        """Days from the first to the last date on which the exchange was open."""
        return trading_days(self.days[0][0], self.days[0][-1], exchange=self.settings.exchange)

    @cached_property
    def closed(self) -> Bool:
        """(D,) dates on which the exchange was closed."""
        return ~is_trading_day(self.days[0], exchange=self.settings.exchange)

    @cached_property
    def spacing(self) -> float:
        """Days between two bars of a symbol, at the median; NaN where there are fewer than eight pairs."""
        dates = self.days[0]
        count = np.zeros(int((dates[-1] - dates[0]).astype(np.int64)) + 1, dtype=np.int64)
        for part in self.parts():
            count += np.bincount(part.apart[part.code[1:] == part.code[:-1]], minlength=len(count))
        up_to = np.cumsum(count)
        if up_to[-1] < 8:
            return np.nan
        middle = np.searchsorted(up_to, [(up_to[-1] - 1) // 2, up_to[-1] // 2], side="right")
        return float(middle.mean())

    @cached_property
    def several_a_day(self) -> bool:
        """Whether most rows are one of three or more different prices of a symbol on a day."""
        if 2 * sum(int(part.conflicts[0].sum()) for part in self.parts()) <= sum(map(len, self.blocks)):
            return False
        counts = []
        for part in self.parts():
            rows = part.block.frame.iloc[np.flatnonzero(part.conflicts[0])]
            counts.append(rows.groupby(["symbol", "date"], sort=False, observed=True).size().to_numpy())
        return bool(np.median(np.concatenate(counts)) >= 3)

    @cached_property
    def measured(self) -> bool:
        """Whether the money that is traded is known of any bar."""
        return any(not np.isnan(part.column("close") * part.column("volume")).all() for part in self.parts())

    @cached_property
    def jumps(self) -> tuple[Jumps, ...]:
        """Of each block."""
        found, events = [], 0.0
        for part in self.parts():
            # One sum over all bars, whose digits no division into blocks changes.
            level = np.full(1, events)
            if (part.factor != 1).any():
                logs = np.log(part.factor)
                logs[0] += events
                level = np.cumsum(logs)
            found.append(_jumps(part, np.broadcast_to(level, len(part))))
            events = float(level[-1])
        return tuple(found)


def _jumps(part: "SortedBars", events: Float) -> Jumps:
    close, code = part.column("close"), part.code
    rows = np.flatnonzero(close > 0)
    level = np.log(close[rows]) + events[rows]
    move = np.diff(level)
    big = (np.abs(move) > part.settings.jump) & (code[rows[1:]] == code[rows[:-1]])
    return Jumps(rows[1:][big], move[big], rows[:-1][big])


@dataclass(frozen=True, eq=False)
class SortedBars:
    """One block of bars, with what several checks need."""

    block: Block
    market: Market
    """All bars, for what no symbol tells alone."""
    number: int
    """Of the block in the market."""

    def __len__(self) -> int:
        return len(self.block)

    @property
    def settings(self) -> Thresholds:
        """What the checks measure against."""
        return self.market.settings

    def column(self, name: str) -> Float:
        """(rows,) values of a column; NaN where there is none."""
        if name not in self.block:
            return np.full(len(self), np.nan)
        return self.block.columns[name].astype(np.float64, copy=False)

    @cached_property
    def day(self) -> Dates:
        """(rows,) dates."""
        return self.block.columns["date"].astype("datetime64[D]")

    @property
    def apart(self) -> np.ndarray:
        """(rows - 1,) days from one row to the next."""
        return np.diff(self.day).astype(np.int32)

    def each(self, of_days: np.ndarray) -> np.ndarray:
        """(rows,) what holds of each row's date, from (D,) what holds of the market's dates."""
        since = self.day - self.market.days[0][0]
        values: np.ndarray = of_days[self.market.places[since.astype(np.int64)]]
        return values

    @property
    def code(self) -> np.ndarray:
        """Number of each row's symbol, rising with the row; of as few bytes as hold it."""
        return self.block.columns["symbol"]

    @cached_property
    def repeated(self) -> tuple[Bool, Bool]:
        """Rows that share symbol and date with another, and those among them that are not the last."""
        same = (self.code[1:] == self.code[:-1]) & (self.day[1:] == self.day[:-1])
        before, after = np.append(False, same), np.append(same, False)
        return before | after, after

    @cached_property
    def conflicts(self) -> tuple[Bool, Float]:
        """Rows that share symbol and date with others of another price; how far apart, as log ratio of their closes."""
        again = self.repeated[0]
        rows = np.flatnonzero(again)
        apart = np.zeros(len(self))
        if len(rows) == 0:
            return again, apart
        held = [name for name in PRICES if name in self.block]
        groups = self.block.frame.iloc[rows].groupby(["symbol", "date"], sort=False, observed=True)[held]
        high, low = (groups.transform(end).to_numpy(dtype=np.float64) for end in ("max", "min"))
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.where((high > 0) & (low > 0), np.log(high / low), np.where(high == low, 0.0, np.inf))
        spread = np.where(np.isnan(high) | np.isnan(low), 0.0, spread)
        differs = np.zeros(len(self), dtype=np.bool_)
        differs[rows] = (spread > 1e-4).any(axis=1)
        apart[rows] = spread[:, held.index("close")]
        return differs, apart

    @cached_property
    def factor(self) -> Float:
        """What splits and dividends add to each day's price ratio to make it the gross return."""
        dividend, split = self.column("dividend"), self.column("split")
        if not (dividend > 0).any():
            return split
        paid = np.nan_to_num(dividend / self.column("close"), nan=0.0, posinf=0.0, neginf=0.0)
        return np.asarray(split * (1 + np.maximum(paid, 0.0)))

    @property
    def jumps(self) -> Jumps:
        """Rows whose total return is beyond the threshold."""
        return self.market.jumps[self.number]

    def flagged(self, rows: np.ndarray, values: Float | None = None) -> Flags:
        """Flags on some rows, with a value for each."""
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[rows] = True
        value = None
        if values is not None:
            value = np.full(len(self), np.nan)
            value[rows] = values
        return Flags(mask, value)
