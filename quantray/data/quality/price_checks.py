"""Checks of prices: impossible ones, bad prints, missing splits and prices that do not move."""

import numpy as np

from quantray.arrays import Bool, Float
from quantray.data.quality.bars import SortedBars
from quantray.data.quality.check import BEYOND_NEWS, BEYOND_QUIET, PRICES, Flags

__all__ = [
    "alternating",
    "extreme",
    "impossible_return",
    "insert_split",
    "negative_adjusted",
    "negative_volume",
    "non_positive",
    "price_range",
    "reverting",
    "stale",
    "unadjusted",
    "widen_range",
]


def negative_adjusted(bars: SortedBars) -> Flags:
    """Adjusted closes of zero or below."""
    with np.errstate(invalid="ignore"):
        return Flags(bars.column("adj_close") <= 0)


def impossible_return(bars: SortedBars) -> Flags:
    """Delisting returns below -100 %."""
    with np.errstate(invalid="ignore"):
        return Flags(bars.column("delist_return") < -1, columns=("delist_return",))


def non_positive(bars: SortedBars) -> Flags:
    """Prices of zero or below, cell by cell."""
    with np.errstate(invalid="ignore"):
        cells = {name: ~(bars.column(name) > 0) & ~np.isnan(bars.column(name)) for name in PRICES}
    cells = {name: mask for name, mask in cells.items() if mask.any()}
    rows = np.logical_or.reduce([np.zeros(len(bars), np.bool_), *cells.values()])
    return Flags(rows, cells=cells)


def price_range(bars: SortedBars) -> Flags:
    """High below low, or a close outside them."""
    high, low, close = bars.column("high"), bars.column("low"), bars.column("close")
    slack = 1e-6 * close
    with np.errstate(invalid="ignore"):
        return Flags((high < low - slack) | (close > high + slack) | (close < low - slack))


def widen_range(bars: SortedBars, flags: Flags) -> dict[str, Float]:
    """Highs and lows that hold open and close."""
    stack = np.vstack([bars.column(name) for name in PRICES])
    wide = {"high": np.fmax.reduce(stack), "low": np.fmin.reduce(stack)}
    held = [name for name in wide if name in bars.block]
    return {name: np.where(flags.rows, wide[name], bars.column(name)) for name in held}


def negative_volume(bars: SortedBars) -> Flags:
    """Volumes below zero."""
    with np.errstate(invalid="ignore"):
        return Flags(bars.column("volume") < 0, columns=("volume",))


def alternating(bars: SortedBars) -> Flags:
    """Rows of assets that jump between two levels at least four times within 60 rows."""
    rows, moves = bars.jumps.rows, bars.jumps.moves
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


def reverting(bars: SortedBars) -> Flags:
    """Rows between a jump and the jump back to nearly the old level, a few rows later."""
    rows, moves, before = bars.jumps.rows, bars.jumps.moves, bars.jumps.before
    code = bars.code
    mask, value = np.zeros(len(bars), np.bool_), np.full(len(bars), np.nan)
    for i in range(len(rows) - 1):
        j = i + 1
        near = rows[j] - rows[i] <= bars.settings.revert_days and code[rows[j]] == code[rows[i]]
        if near and not mask[before[i]] and abs(moves[i] + moves[j]) < 0.2:
            mask[rows[i] : rows[j]] = True
            value[rows[i] : rows[j]] = moves[i]
    return Flags(mask, value)


def unadjusted(bars: SortedBars) -> Flags:
    """Jumps that no trading explains: overnight, at a whole ratio or beyond three times, without surge or wide range.

    Smaller quiet jumps at odd ratios may be true (oil shares opened at half their price in March 2020), so they stay.
    """
    rows, moves, before = bars.jumps.rows, bars.jumps.moves, bars.jumps.before
    close, high, low = bars.column("close"), bars.column("high"), bars.column("low")
    traded, opened, code = close * bars.column("volume"), bars.column("open"), bars.code
    whole = _whole_ratio(np.exp(-moves))[1]
    chosen = np.zeros(len(rows), dtype=np.bool_)
    for i, row in enumerate(rows):
        past = traded[max(0, row - 20) : row][code[max(0, row - 20) : row] == code[row]]
        usual = np.nanmedian(past) if np.isfinite(past).any() else np.nan
        # Where volumes are unknown, the price alone must speak.
        surge = (traded[row] / usual if usual > 0 else np.inf) if bars.market.measured else 0.0
        gap = np.log(opened[row] / close[before[i]]) if opened[row] > 0 else moves[i]
        wide = high[row] / low[row] if low[row] > 0 else 1.0
        quiet = surge < 4 and wide < 1.4 and gap / moves[i] > 0.7 and (whole[i] or abs(moves[i]) > BEYOND_QUIET)
        chosen[i] = quiet or abs(moves[i]) > BEYOND_NEWS
    return bars.flagged(rows[chosen], moves[chosen])


def insert_split(bars: SortedBars, flags: Flags) -> dict[str, Float]:
    """The nearest whole ratio as a split, or the one that makes the day flat."""
    assert flags.value is not None, "unadjusted jumps carry their log move"
    ratio = np.exp(-np.nan_to_num(flags.value))
    simple, near = _whole_ratio(ratio)
    # Without a whole ratio the day's return is unknown; the split then makes it zero.
    return {"split": bars.column("split") * np.where(near, simple, ratio)}


def _whole_ratio(ratio: Float) -> tuple[Float, Bool]:
    """The nearest n-for-one or one-for-n ratio, and whether it is within 5 %."""
    simple = np.where(ratio >= 1, np.maximum(np.round(ratio), 1), 1 / np.maximum(np.round(1 / ratio), 1))
    return simple, np.abs(np.log(ratio / simple)) < 0.05


def extreme(bars: SortedBars) -> Flags:
    """Returns beyond the threshold."""
    close, code = bars.column("close"), bars.code
    move = np.zeros(len(bars))
    with np.errstate(divide="ignore", invalid="ignore"):
        move[1:] = np.where(code[1:] == code[:-1], close[1:] * bars.factor[1:] / close[:-1] - 1, 0.0)
    move = np.nan_to_num(move)
    return Flags(np.abs(move) > bars.settings.extreme, np.log1p(np.maximum(move, -0.999999)))


def stale(bars: SortedBars) -> Flags:
    """Rows from the ``stale_days``-th equal close on, in runs without any range within the day."""
    close, code = bars.column("close"), bars.code
    flat = (bars.column("high") == bars.column("low")) | np.isnan(bars.column("high"))
    still = np.zeros(len(bars), dtype=np.bool_)
    still[1:] = (close[1:] == close[:-1]) & (code[1:] == code[:-1]) & flat[1:]
    position = np.arange(len(bars))
    run = position - np.maximum.accumulate(np.where(still, 0, position))
    return Flags(run >= bars.settings.stale_days - 1, run.astype(np.float64) + 1)
