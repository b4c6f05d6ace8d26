"""The quality checks of daily bars: what each looks for, what may be done, and in which order they run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from quantray.arrays import Bool, Float
from quantray.data.calendar import is_trading_day, trading_days

__all__ = ["CHECKS", "PRICES", "Bars", "Check", "Flags", "Thresholds", "Treatment"]

Treatment = Literal["keep", "repair", "drop_cell", "drop_row", "drop_asset", "refuse"]
"""``keep`` reports only; ``repair`` is described by each check; ``drop_cell`` blanks the flagged prices;
``drop_row`` removes the flagged rows; ``drop_asset`` removes an asset from its first flagged row on;
``refuse`` stops the import."""

PRICES = ("open", "high", "low", "close")
"""The price columns of a bar."""

_BEYOND_QUIET, _BEYOND_NEWS = np.log(3.0), np.log(5.0)
"""Log moves that no quiet day makes, and that no news makes: true moves of listed shares stay within five times."""


class Thresholds(BaseModel):
    """What the checks measure against."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exchange: str = "XNYS"
    bars: Literal["daily", "weekly"] = "daily"
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
    find: Callable[["Bars"], Flags]
    treatment: Treatment
    allowed: tuple[Treatment, ...]
    detail: str = ""
    """Format of one example; ``{v}`` is the flag's value, ``{open}`` and so on the row's prices."""
    repair: Callable[["Bars", Flags], pd.DataFrame] | None = None


@dataclass(frozen=True, eq=False)
class Bars:
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
    def code(self) -> np.ndarray:
        """Number of each row's symbol, rising with the row."""
        return self.frame["symbol"].cat.codes.to_numpy().astype(np.int64)

    @cached_property
    def factor(self) -> Float:
        """What splits and dividends add to each day's price ratio to make it the gross return."""
        paid = np.nan_to_num(self.column("dividend") / self.column("close"), nan=0.0, posinf=0.0, neginf=0.0)
        return np.asarray(self.column("split") * (1 + np.maximum(paid, 0.0)))

    def jumps(self) -> tuple[np.ndarray, Float, np.ndarray]:
        """Rows whose total return is beyond the threshold: rows, log moves, rows before them."""
        close, code = self.column("close"), self.code
        rows = np.flatnonzero(close > 0)
        if len(rows) < 2:
            return np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
        growth = np.cumsum(np.log(self.factor))
        level = np.log(close[rows]) + growth[rows]
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


def _nameless(bars: Bars) -> Flags:
    return Flags((bars.frame["symbol"] == "").to_numpy())


def _duplicates(bars: Bars) -> Flags:
    return Flags(bars.frame.duplicated(["symbol", "date"], keep="last").to_numpy())


def _priceless(bars: Bars) -> Flags:
    # A split or a dividend counts without a close.
    event = (bars.column("dividend") > 0) | ((bars.column("split") != 1) & ~np.isnan(bars.column("split")))
    return Flags(np.isnan(bars.column("close")) & ~event)


def _off_calendar(bars: Bars) -> Flags:
    days, back = np.unique(bars.day, return_inverse=True)
    return Flags((~is_trading_day(days, exchange=bars.settings.exchange))[back])


def _non_positive(bars: Bars) -> Flags:
    with np.errstate(invalid="ignore"):
        cells = {name: ~(bars.column(name) > 0) & ~np.isnan(bars.column(name)) for name in PRICES}
    cells = {name: mask for name, mask in cells.items() if mask.any()}
    rows = np.logical_or.reduce([np.zeros(len(bars), np.bool_), *cells.values()])
    return Flags(rows, cells=cells)


def _range(bars: Bars) -> Flags:
    high, low, close = bars.column("high"), bars.column("low"), bars.column("close")
    slack = 1e-6 * close
    with np.errstate(invalid="ignore"):
        return Flags((high < low - slack) | (close > high + slack) | (close < low - slack))


def _widen_range(bars: Bars, flags: Flags) -> pd.DataFrame:
    stack = np.vstack([bars.column(name) for name in PRICES])
    high = np.where(flags.rows, np.fmax.reduce(stack), bars.column("high"))
    low = np.where(flags.rows, np.fmin.reduce(stack), bars.column("low"))
    return bars.frame.assign(high=high, low=low)


def _negative_volume(bars: Bars) -> Flags:
    with np.errstate(invalid="ignore"):
        return Flags(bars.column("volume") < 0, columns=("volume",))


def _alternating(bars: Bars) -> Flags:
    """Rows of assets that jump between two levels at least four times within 60 rows."""
    rows, moves, _ = bars.jumps()
    if len(rows) < 4:
        return bars.flagged(rows[:0])
    code = bars.code[rows]
    turn = np.zeros(len(rows), dtype=np.bool_)
    turn[1:] = (code[1:] == code[:-1]) & (np.abs(moves[1:] + moves[:-1]) < 0.3) & (np.diff(rows) <= 20)
    turns = np.flatnonzero(turn)
    close_by = np.zeros(len(turns), dtype=np.bool_)
    close_by[3:] = (rows[turns[3:]] - rows[turns[:-3]] <= 60) & (code[turns[3:]] == code[turns[:-3]])
    mask, value = np.zeros(len(bars), np.bool_), np.full(len(bars), np.nan)
    for asset in np.unique(code[turns[close_by]]):
        mine = turns[code[turns] == asset]
        # From the first jump that is taken back to the last: inside, no price says which series it belongs to.
        mask[rows[mine[0] - 1] : rows[mine[-1]] + 1] = True
        value[rows[mine]] = moves[mine]
    return Flags(mask, value)


def _reverting(bars: Bars) -> Flags:
    """Rows between a jump and the jump back to nearly the old level, a few rows later."""
    rows, moves, before = bars.jumps()
    code = bars.code
    mask, value = np.zeros(len(bars), np.bool_), np.full(len(bars), np.nan)
    for i in range(len(rows) - 1):
        j = i + 1
        near = rows[j] - rows[i] <= bars.settings.revert_days and code[rows[j]] == code[rows[i]]
        if near and not mask[before[i]] and abs(moves[i] + moves[j]) < 0.2:
            mask[rows[i] : rows[j]] = True
            value[rows[i] : rows[j]] = moves[i]
    return Flags(mask, value)


def _unadjusted(bars: Bars) -> Flags:
    """Jumps that no trading explains: overnight, at a whole ratio or beyond three times, without surge or wide range.

    Smaller quiet jumps at odd ratios may be true (oil shares opened at half their price in March 2020), so they stay.
    """
    rows, moves, before = bars.jumps()
    close, high, low = bars.column("close"), bars.column("high"), bars.column("low")
    traded, opened, code = close * bars.column("volume"), bars.column("open"), bars.code
    measured = not np.isnan(traded).all()
    whole = _whole_ratio(np.exp(-moves))[1]
    chosen = np.zeros(len(rows), dtype=np.bool_)
    for i, row in enumerate(rows):
        past = traded[max(0, row - 20) : row][code[max(0, row - 20) : row] == code[row]]
        usual = np.nanmedian(past) if np.isfinite(past).any() else np.nan
        # Where volumes are unknown, the price alone must speak.
        surge = (traded[row] / usual if usual > 0 else np.inf) if measured else 0.0
        gap = np.log(opened[row] / close[before[i]]) if opened[row] > 0 else moves[i]
        wide = high[row] / low[row] if low[row] > 0 else 1.0
        quiet = surge < 4 and wide < 1.4 and gap / moves[i] > 0.7 and (whole[i] or abs(moves[i]) > _BEYOND_QUIET)
        chosen[i] = quiet or abs(moves[i]) > _BEYOND_NEWS
    return bars.flagged(rows[chosen], moves[chosen])


def _insert_split(bars: Bars, flags: Flags) -> pd.DataFrame:
    assert flags.value is not None, "unadjusted jumps carry their log move"
    ratio = np.exp(-np.nan_to_num(flags.value))
    simple, near = _whole_ratio(ratio)
    # Without a whole ratio the day's return is unknown; the split then makes it zero.
    return bars.frame.assign(split=bars.column("split") * np.where(near, simple, ratio))


def _whole_ratio(ratio: Float) -> tuple[Float, Bool]:
    """The nearest n-for-one or one-for-n ratio, and whether it is within 5 %."""
    simple = np.where(ratio >= 1, np.maximum(np.round(ratio), 1), 1 / np.maximum(np.round(1 / ratio), 1))
    return simple, np.abs(np.log(ratio / simple)) < 0.05


def _extreme(bars: Bars) -> Flags:
    close, code = bars.column("close"), bars.code
    move = np.zeros(len(bars))
    with np.errstate(divide="ignore", invalid="ignore"):
        move[1:] = np.where(code[1:] == code[:-1], close[1:] * bars.factor[1:] / close[:-1] - 1, 0.0)
    move = np.nan_to_num(move)
    return Flags(np.abs(move) > bars.settings.extreme, np.log1p(np.maximum(move, -0.999999)))


def _stale(bars: Bars) -> Flags:
    """Rows from the ``stale_days``-th equal close on, in runs without any range within the day."""
    close, code = bars.column("close"), bars.code
    flat = (bars.column("high") == bars.column("low")) | np.isnan(bars.column("high"))
    still = np.zeros(len(bars), dtype=np.bool_)
    still[1:] = (close[1:] == close[:-1]) & (code[1:] == code[:-1]) & flat[1:]
    position = np.arange(len(bars))
    run = position - np.maximum.accumulate(np.where(still, 0, position))
    return Flags(run >= bars.settings.stale_days - 1, run.astype(np.float64) + 1)


def _gaps(bars: Bars) -> Flags:
    sessions = trading_days(bars.day.min(), bars.day.max(), exchange=bars.settings.exchange)
    place, code = np.searchsorted(sessions, bars.day), bars.code
    missing = np.zeros(len(bars))
    missing[1:] = np.where(code[1:] == code[:-1], np.diff(place) - 1, 0)
    return Flags(missing > 0, missing)


def _thin(bars: Bars) -> Flags:
    """All rows of trading days that hold far fewer rows than the month around them."""
    sessions = trading_days(bars.day.min(), bars.day.max(), exchange=bars.settings.exchange)
    place = np.searchsorted(sessions, bars.day)
    inside = place < len(sessions)
    count = np.bincount(place[inside], minlength=len(sessions)).astype(np.float64)
    usual = pd.Series(count).rolling(21, center=True, min_periods=5).median().fillna(np.median(count)).to_numpy()
    share = np.where(usual > 0, count / np.maximum(usual, 1), 1.0)
    rows = np.zeros(len(bars), np.bool_)
    rows[inside] = share[place[inside]] < bars.settings.thin_share
    value = np.full(len(bars), np.nan)
    value[inside] = count[place[inside]]
    return Flags(rows, value, by_day=True)


CHECKS: tuple[Check, ...] = (
    Check(
        "missing_symbol",
        "rows without a symbol",
        _nameless,
        "drop_row",
        ("drop_row", "refuse"),
        "close {close} belongs to no symbol",
    ),
    Check(
        "duplicate_rows",
        "a symbol has several rows for one date; the last one stands",
        _duplicates,
        "drop_row",
        ("drop_row", "refuse"),
        "appears more than once",
    ),
    Check(
        "missing_close",
        "rows without a close, and without a split or a dividend",
        _priceless,
        "drop_row",
        ("drop_row", "refuse"),
        "has no close",
    ),
    Check(
        "non_trading_day",
        "rows dated on days when the exchange was closed",
        _off_calendar,
        "drop_row",
        ("keep", "drop_row", "refuse"),
        "the exchange was closed",
    ),
    Check(
        "non_positive_price",
        "prices of zero or below, zero opens among them",
        _non_positive,
        "drop_cell",
        ("drop_cell", "drop_row", "drop_asset", "refuse"),
        "open {open} high {high} low {low} close {close}",
    ),
    Check(
        "negative_volume",
        "volume below zero",
        _negative_volume,
        "drop_cell",
        ("drop_cell", "drop_row", "refuse"),
        "volume {volume}",
    ),
    Check(
        "price_range",
        "high below low, or a close outside them; repair widens high and low to hold open and close",
        _range,
        "repair",
        ("keep", "repair", "drop_row", "refuse"),
        "high {high} low {low} close {close}",
        _widen_range,
    ),
    Check(
        "alternating_levels",
        "a series that jumps to and fro between two price levels, as when two instruments share a symbol",
        _alternating,
        "drop_asset",
        ("keep", "drop_row", "drop_asset", "refuse"),
        "close {close}, {factor:.3g} times the last",
    ),
    Check(
        "reverting_move",
        "a jump that is taken back within days: a bad print",
        _reverting,
        "drop_cell",
        ("keep", "drop_cell", "drop_row", "refuse"),
        "close {close}, {factor:.3g} times the last, then back",
    ),
    Check(
        "unadjusted_event",
        "a split, spin-off or merger missing from the prices: an overnight jump at a whole ratio or beyond three times "
        "without a surge of trading, or any move beyond five times; "
        "repair inserts the split (the nearest whole ratio within 5 %, else one that makes the day's return zero)",
        _unadjusted,
        "repair",
        ("keep", "repair", "drop_asset", "refuse"),
        "close {close}, {factor:.3g} times the last",
        _insert_split,
    ),
    Check(
        "extreme_move",
        "daily returns beyond the threshold that nothing above explains",
        _extreme,
        "keep",
        ("keep", "drop_cell", "drop_asset", "refuse"),
        "close {close}, {factor:.3g} times the last",
    ),
    Check(
        "stale_price",
        "the same close day after day with no range within the day",
        _stale,
        "keep",
        ("keep", "drop_cell", "drop_row", "refuse"),
        "close {close} for {v:.0f} rows",
    ),
    Check(
        "gap", "trading days missing inside a series", _gaps, "keep", ("keep", "refuse"), "after {v:.0f} missing days"
    ),
    Check(
        "thin_day",
        "trading days that hold far fewer symbols than the days around them",
        _thin,
        "keep",
        ("keep", "drop_row", "refuse"),
        "a day of {v:.0f} symbols",
    ),
)
