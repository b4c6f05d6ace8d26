"""Splits, dividends and total returns.

Stored bars are prices as quoted, with the day's cash ``dividend`` per share and ``split`` ratio beside them. The
return of a day then needs that day and the last close only::

    close[t] * split[t] * (1 + dividend[t] / close[t]) / close[t-1]

so a later dividend never rewrites history, and adjusted prices run forward from the first day loaded.
"""

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from quantray.arrays import Bool, Float, Int
from quantray.data.panel import Panel

__all__ = ["Adjustment", "normalise_events", "total_return"]

_ROUNDING = 5e-5
"""Vendors round adjusted closes; a daily factor nearer to one than this is rounding, not a dividend."""


class Adjustment(BaseModel):
    """What was learnt and done about splits and dividends when bars were imported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """Where events came from: ``dividend and split columns``, ``adj_close`` or ``none``."""
    prices: str
    """How the closes were quoted: ``unadjusted`` or ``split-adjusted``."""
    n_splits: int = 0
    n_dividends: int = 0
    mismatched_days: int = 0
    """Days on which the vendor's adj_close moves by over 0.5 % more or less than closes and events say."""
    mismatches: tuple[str, ...] = ()
    """The largest of these; on each the smaller of the two moves was taken."""


def normalise_events(bars: pd.DataFrame) -> tuple[pd.DataFrame, Adjustment]:
    """Bars sorted by symbol and date, with complete ``dividend`` and ``split`` columns and no ``adj_close``.

    A split column is ignored when prices already moved smoothly through the splits. Where only ``adj_close`` is
    given, events are read from its daily moves against the close. Where both are given and disagree on a day, the
    smaller move stands and the day is recorded.

    Parameters
    ----------
    bars : rows of (date, symbol, close, optional adj_close, dividend, split, ...), in any order.
    """
    bars = bars.assign(symbol=pd.Categorical(bars["symbol"]))
    bars = bars.sort_values(["symbol", "date"], kind="stable", ignore_index=True)
    code = bars["symbol"].cat.codes.to_numpy()
    bars = bars.assign(symbol=bars["symbol"].astype("str"))
    close = bars["close"].to_numpy(dtype=np.float64)
    date = bars["date"].to_numpy()
    before = _row_before(code, date, np.ones(len(bars), dtype=np.bool_))
    gross = _ratio(close, before)
    adjusted = bars["adj_close"].to_numpy(dtype=np.float64) if "adj_close" in bars else None
    prices, source = "split-adjusted", "none"
    split, dividend = np.ones(len(bars)), np.zeros(len(bars))
    if "split" in bars or "dividend" in bars:
        source = "dividend and split columns"
        dividend = _column(bars, "dividend", default=0.0)
        split = _column(bars, "split", default=1.0)
        split = np.where(split > 0, split, 1.0)
        if (split != 1).any() and _already_adjusted(gross, split):
            split = np.ones(len(bars))
        elif (split != 1).any():
            prices = "unadjusted"
    elif adjusted is not None:
        source = "adj_close"
        with np.errstate(divide="ignore", invalid="ignore"):
            # Across days without a price, the events in between count on the next day that has one.
            known = _row_before(code, date, (close > 0) & (adjusted > 0))
            split, dividend = _events_from(_ratio(adjusted / close, known), close)
        prices = "unadjusted" if (split != 1).any() else prices
    mismatches: tuple[str, ...] = ()
    n_mismatched = 0
    if adjusted is not None and source != "adj_close":
        theirs = _ratio(adjusted, before)
        with np.errstate(divide="ignore", invalid="ignore"):
            ours = gross * split * (1 + dividend / close)
        differs = np.abs(ours - theirs) > 0.005
        n_mismatched, mismatches = int(differs.sum()), _mismatches(bars, ours, theirs, differs)
        # An event that one of the two missed or invented shows as a large move: the smaller move is the true one.
        wrong = differs & (np.abs(np.log(theirs)) < np.abs(np.log(ours)))
        split, dividend = np.where(wrong, theirs / gross, split), np.where(wrong, 0.0, dividend)
    out = bars.drop(columns=["adj_close"], errors="ignore").assign(dividend=dividend, split=split)
    return out, Adjustment(
        source=source,
        prices=prices,
        n_splits=int((split != 1).sum()),
        n_dividends=int((dividend > 0).sum()),
        mismatched_days=n_mismatched,
        mismatches=mismatches,
    )


def total_return(panel: Panel) -> Panel:
    """A panel of quoted bars with ``dividend`` and ``split`` as total-return-adjusted bars.

    Adjusted prices equal quoted ones until an asset's first event and run forward from there: ratios of ``close``
    are total returns, ``close * volume`` stays the money traded. ``dividend`` becomes ``dividend_yield``, the cash
    paid on t as a fraction of the last close before t, which is the part of t's return that a holder receives in cash.
    A dividend on a day without a close counts on the next day that has one.
    """
    close = panel.field("close")
    split = np.nan_to_num(panel.field("split"), nan=1.0)
    paid = np.nan_to_num(_on_quoted_days(panel.field("dividend"), close, split) / close, nan=0.0)
    factor = np.cumprod(split * (1 + paid), axis=0)
    fields: dict[str, Float] = {}
    for name, values in panel.fields.items():
        if name in {"open", "high", "low", "close"}:
            fields[name] = values * factor
        elif name == "volume":
            fields[name] = values / factor
        elif name not in {"dividend", "split"}:
            fields[name] = values
    if (paid > 0).any():
        # The price part of the return is close * split / last close; what is left of the gross return was cash.
        before = _last_known_before(fields["close"])
        fields["dividend_yield"] = np.nan_to_num(fields["close"] * paid / (1 + paid) / before, nan=0.0)
    return Panel(panel.dates, panel.assets, fields, panel.member)


def _on_quoted_days(dividend: Float, close: Float, split: Float) -> Float:
    """Dividends moved from days without a close to the next close, per share of that day."""
    cash = np.nan_to_num(dividend, nan=0.0)
    for row, column in np.argwhere((cash > 0) & np.isnan(close)):
        later = np.flatnonzero(~np.isnan(close[row:, column]))
        if len(later):
            paid_on = row + later[0]
            cash[paid_on, column] += cash[row, column] / split[row + 1 : paid_on + 1, column].prod()
    return cash


def _last_known_before(values_tn: Float) -> Float:
    """The last known value of each column strictly before each row; NaN where there is none."""
    filled = pd.DataFrame(values_tn).ffill().to_numpy()
    return np.vstack([np.full((1, values_tn.shape[1]), np.nan), filled[:-1]])


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


def _column(bars: pd.DataFrame, name: str, *, default: float) -> Float:
    if name not in bars:
        return np.full(len(bars), default)
    return np.asarray(np.nan_to_num(bars[name].to_numpy(dtype=np.float64), nan=default))


def _already_adjusted(gross: Float, split: Float) -> bool:
    """Whether closes run smoothly through most of the splits, so that applying these again would be wrong."""
    big = (np.abs(np.log(split)) > np.log(1.4)) & (gross > 0)
    if not big.any():
        return False
    as_quoted, undone = np.abs(np.log(gross[big])), np.abs(np.log(gross[big] * split[big]))
    return bool((as_quoted < undone).mean() > 0.5)


def _events_from(factor: Float, close: Float) -> tuple[Float, Float]:
    """Splits and dividends from the daily move of adj_close beyond that of the close."""
    factor = np.where(np.isfinite(factor) & (factor > 0), factor, 1.0)
    is_split = np.abs(np.log(factor)) > np.log(1.3)
    is_dividend = ~is_split & (factor > 1 + _ROUNDING)
    return np.where(is_split, factor, 1.0), np.where(is_dividend, (factor - 1) * close, 0.0)


def _mismatches(bars: pd.DataFrame, ours: Float, theirs: Float, differs: np.ndarray) -> tuple[str, ...]:
    rows = np.flatnonzero(differs)
    worst = rows[np.argsort(-np.abs(ours - theirs)[rows], kind="stable")][:10]
    return tuple(
        f"{bars['symbol'].iloc[i]} {str(bars['date'].iloc[i])[:10]}: closes and events say {ours[i] - 1:+.1%}, "
        f"adj_close {theirs[i] - 1:+.1%}"
        for i in worst
    )
