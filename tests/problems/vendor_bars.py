"""Bars as vendors write them."""

import numpy as np
import pandas as pd

from quantray.data.calendar import trading_days

DAYS = pd.DatetimeIndex(trading_days("2021-01-04", "2022-03-11"))[:300]


def path_of(total, seed=0, days=300, noise=0.008):
    """Closes from 100 whose last is ``100 (1 + total)``."""
    steps = np.random.default_rng(seed).normal(0, noise, days - 1)
    log = np.append(0.0, np.cumsum(steps - steps.mean() + np.log1p(total) / (days - 1)))
    return 100 * np.exp(log)


def yfinance(close, *, dividend=0.0, split=0.0, days=DAYS, volume=1_000_000):
    """What ``Ticker.history()`` writes: local midnight, events beside prices."""
    stamps = days.tz_localize("America/New_York").astype(str)
    prices = {"Open": close, "High": close * 1.003, "Low": close * 0.997, "Close": close}
    return pd.DataFrame({"Date": stamps, **prices, "Volume": volume, "Dividends": dividend, "Stock Splits": split})


def growth(panel, symbol=None):
    close = panel.field("close")[:, 0 if symbol is None else panel.assets.tolist().index(symbol)]
    close = close[~np.isnan(close)]
    return close[-1] / close[0] - 1


LONG = """date,symbol,open,high,low,close,volume
2020-01-02,AA,1,3,0.5,2,100
2020-01-02,B,10,12,9,11,50
2020-01-03,AA,2,4,1.5,3,
"""


def cells(bars):
    """(date, symbol, close) of each row."""
    frame = bars.frame
    return list(zip(frame["date"].dt.strftime("%Y-%m-%d"), frame["symbol"], frame["close"], strict=True))
