"""Bars as quoted, with events beside them, and what is read of those."""

import numpy as np
import pandas as pd

from quantray.data.quality.events import normalise_events

NAN = np.nan


def bars(symbol="AA", **columns):
    days = pd.bdate_range("2020-01-06", periods=len(columns["close"]))
    return pd.DataFrame({"date": days, "symbol": symbol, **columns})


def events(frame):
    """Splits and dividends as the package reads them, and what it says about them."""
    out, adjustment = normalise_events(frame)
    return out["split"].tolist(), out["dividend"].tolist(), adjustment
