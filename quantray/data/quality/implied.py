"""Bars as arrays, and the splits and dividends that a vendor's adjusted close or total return implies."""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quantray.arrays import Bool, Float, Int
from quantray.data.blocks import Block

__all__ = ["BarSeries", "implied_events"]

_ROUNDING = 5e-5
"""Vendors round adjusted closes; a daily factor nearer to one than this is rounding, not a dividend."""


@dataclass(frozen=True, eq=False)
class BarSeries:
    """Bars sorted by symbol and date, as arrays."""

    block: Block

    @property
    def code(self) -> np.ndarray:
        """Number of each row's symbol."""
        return self.block.columns["symbol"]

    @cached_property
    def close(self) -> Float:
        """(B,) closes."""
        return self.block.columns["close"].astype(np.float64, copy=False)

    @cached_property
    def before(self) -> Int:
        """The last row of an earlier date of the same symbol; -1 for none."""
        return _row_before(self.code, self.block.columns["date"], np.ones(len(self.block), dtype=np.bool_))

    @cached_property
    def gross(self) -> Float:
        """Price ratio to that row."""
        return _ratio(self.close, self.before)

    @cached_property
    def theirs(self) -> Float | None:
        """What the vendor says that each day returned in all, as a ratio; None where it says nothing."""
        if "total_return" in self.block:
            stated = 1 + self.block.columns["total_return"]
            return np.where(stated >= 0, stated, np.nan)
        if "adj_close" not in self.block:
            return None
        return _ratio(self.adjusted, self.before)

    @cached_property
    def adjusted(self) -> Float:
        """Adjusted closes; NaN throughout for symbols where one is zero or below, which no ratio survives."""
        adjusted = self.block.columns["adj_close"]
        wrong = np.zeros(int(self.code.max()) + 1, dtype=np.bool_)
        wrong[self.code[adjusted <= 0]] = True
        return np.where(wrong[self.code], np.nan, adjusted) if wrong.any() else adjusted

    def column(self, name: str, *, default: float) -> Float:
        """(B,) values of a column; the default where there is none."""
        if name not in self.block:
            return np.full(len(self.block), default)
        return np.asarray(np.nan_to_num(self.block.columns[name].astype(np.float64, copy=False), nan=default))

    @cached_property
    def moves(self) -> Float:
        """Log moves overnight where the open is known, else from close to close."""
        with np.errstate(divide="ignore", invalid="ignore"):
            daily = np.log(self.gross)
            if "open" not in self.block:
                return np.where(np.isfinite(daily), daily, np.nan)
            gap = np.log(self.block.columns["open"] / self.close[self.before])
        gap = np.where((self.before >= 0) & np.isfinite(gap), gap, daily)
        return np.where(np.isfinite(gap), gap, np.nan)


def implied_events(series: BarSeries, split: Float, dividend: Float) -> tuple[Float, Float]:
    """Splits and dividends from what the vendor says that each day returned beyond its price and the listed events.

    Parameters
    ----------
    split, dividend : (B,) listed events that are beside the prices; 1 and 0 where there are none.
    """
    bars, code, close = series.block, series.code, series.close
    date, stated = bars.columns["date"], series.theirs
    assert stated is not None, "checked by the caller"
    with np.errstate(divide="ignore", invalid="ignore"):
        if "total_return" in bars:
            known = _row_before(code, date, close > 0)
            factor = np.where(known >= 0, stated / (close / close[known]), np.nan)
            tolerance = np.full(len(bars), _ROUNDING)
        else:
            # Across days without a price, the events in between count on the next day that has one.
            known = _row_before(code, date, (close > 0) & (series.adjusted > 0))
            factor = _ratio(series.adjusted / close, known)
            tolerance = np.maximum(_ROUNDING, _rounding(series, known))
        factor = factor / (split * (1 + np.nan_to_num(dividend / close)))
        if "price_factor" in bars:
            divisor = bars.columns["price_factor"]
            divisor = np.where(divisor > 0, divisor, np.nan)
            told = np.where(known >= 0, divisor[known] / divisor / split, 1.0)
            return _beyond(factor, np.where(np.isfinite(told), told, 1.0), close)
    factor = np.where(np.isfinite(factor) & (factor > 0), factor, 1.0)
    coarse = tolerance > 2 * _ROUNDING
    if coarse.any():
        factor = _between_levels(series, factor, known, tolerance, coarse)
    # No dividend lowers an adjusted price's past below the price's own; a reverse split does.
    is_split = (np.log(factor) > np.log(1.3)) | (factor < 1 - np.maximum(1e-3, tolerance))
    is_dividend = ~is_split & (factor > 1 + tolerance)
    return np.where(is_split, factor, 1.0), np.where(is_dividend, (factor - 1) * close, 0.0)


def _beyond(factor: Float, split: Float, close: Float) -> tuple[Float, Float]:
    """Given splits, and as dividends what a vendor's return is beyond them."""
    split = np.where(np.abs(split - 1) > _ROUNDING, split, 1.0)
    rest = np.where(np.isfinite(factor) & (factor > 0), factor, split) / split
    paid = rest > 1 + _ROUNDING
    # What neither the factor nor a payment explains belongs to the ratio.
    split = np.where(~paid & (np.abs(rest - 1) > _ROUNDING), split * rest, split)
    return split, np.where(paid, (rest - 1) * close, 0.0)


def _rounding(series: BarSeries, known: Int) -> Float:
    """How far the rounding of both prices can move the ratio of their ratios from one day to the next."""
    reach = 0.5 * (
        _unit(series.code, series.adjusted) / series.adjusted + _unit(series.code, series.close) / series.close
    )
    return np.where(known >= 0, np.nan_to_num(reach + reach[known], nan=0.0, posinf=0.0), 0.0)


def _unit(code: np.ndarray, prices: Float) -> Float:
    """What each row's symbol rounds its prices to: cents, say; 0 where it is finer than a hundredth of a cent."""
    unit = np.zeros(int(code.max()) + 1)
    finer = np.ones(len(unit), dtype=np.bool_)
    for decimals in (2, 3, 4):
        scaled = prices * 10.0**decimals
        with np.errstate(invalid="ignore"):
            off = np.abs(scaled - np.round(scaled)) > 1e-3
        broken = np.zeros(len(unit), dtype=np.bool_)
        broken[code[off]] = True
        unit[finer & ~broken] = 10.0**-decimals
        finer &= broken
    return np.asarray(unit[code])


def _between_levels(series: BarSeries, factor: Float, known: Int, tolerance: Float, coarse: Bool) -> Float:
    """Factors of symbols with rounded prices: between two events the ratio of the prices has one level.

    A day's factor is as unsure as the rounding; the ratio of the median levels before and after it is not.
    """
    out, date = factor.copy(), series.block.columns["date"]
    with np.errstate(divide="ignore", invalid="ignore"):
        level = series.adjusted / series.close
    for code in np.unique(series.code[coarse]):
        start, end = np.searchsorted(series.code, [code, code + 1])
        every = start + np.flatnonzero(level[start:end] > 0)
        # Rows of one day share its event.
        first = np.append(True, date[every[1:]] != date[every[:-1]])
        rows = every[first]
        jumps = np.flatnonzero((np.abs(np.log(factor[rows])) > np.log1p(tolerance[rows])) & (known[rows] >= 0))
        edges = [0, *jumps.tolist(), len(rows)]
        medians = [float(np.median(level[rows[a:b]])) if b > a else np.nan for a, b in itertools.pairwise(edges)]
        out[rows] = 1.0
        for jump, before, after in zip(jumps, medians[:-1], medians[1:], strict=True):
            out[rows[jump]] = after / before if before > 0 and after > 0 else factor[rows[jump]]
        out[every] = out[rows][np.cumsum(first) - 1]
    return out


def _row_before(code: np.ndarray, date: np.ndarray, known: Bool) -> Int:
    """Each row's last known row of an earlier date of its symbol, so that duplicates share theirs; -1 for none."""
    row = np.arange(len(code))
    new = np.ones(len(code), dtype=np.bool_)
    new[1:] = (code[1:] != code[:-1]) | (date[1:] != date[:-1])
    first = np.maximum.accumulate(np.where(new, row, 0))
    before = np.append(np.maximum.accumulate(np.where(known, row, -1)), -1)[first - 1]
    return np.where(code[before] == code, before, -1)


def _ratio(values: Float, before: Int) -> Float:
    """Each value over the one of the row before it; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before >= 0, values / values[before], np.nan)
