"""Splits, dividends and total returns.

Stored bars are prices as quoted, with the day's cash ``dividend`` per share and ``split`` ratio beside them. The
return of a day then needs that day and the last close only::

    close[t] * split[t] * (1 + dividend[t] / close[t]) / close[t-1]

so a later dividend never rewrites history, and adjusted prices run forward from the first day loaded.
"""

import numpy as np
import pandas as pd

from quantray.arrays import Float
from quantray.data.panel import Panel

__all__ = ["total_return"]


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
