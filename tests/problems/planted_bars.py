"""Bars that nothing is wrong with, and what plants a fault in them."""

import numpy as np
import pandas as pd

from quantray.data.calendar import trading_days
from quantray.data.quality.events import normalise_events
from quantray.data.quality.treatment import QualitySettings, clean

DAYS = trading_days("2020-01-02", "2020-06-30")

N = len(DAYS)


def sound(n_symbols=5, seed=0):
    """Bars that nothing is wrong with."""
    generator = np.random.default_rng(seed)
    close = 50 * np.cumprod(1 + generator.normal(0, 0.01, (N, n_symbols)), axis=0)
    frame = pd.DataFrame(
        {
            "date": np.repeat(DAYS.astype("datetime64[s]"), n_symbols),
            "symbol": [f"S{i}" for i in range(n_symbols)] * N,
            "open": (close * 1.001).ravel(),
            "high": (close * 1.01).ravel(),
            "low": (close * 0.99).ravel(),
            "close": close.ravel(),
            "volume": generator.integers(900, 1100, close.size).astype(float),
        }
    )
    return normalise_events(frame)[0].sort_values(["symbol", "date"], ignore_index=True)


def put(frame, asset, rows, **values):
    """The frame with values set in some rows of one asset, counted from its first."""
    frame = frame.copy()
    frame.loc[frame.index[frame["symbol"] == asset][rows], list(values)] = list(values.values())
    return frame


def scaled(frame, asset, rows, factor):
    """The frame with all prices of some rows of an asset multiplied."""
    frame = frame.copy()
    at = frame.index[frame["symbol"] == asset][rows]
    prices = ["open", "high", "low", "close"]
    frame.loc[at, prices] = frame.loc[at, prices].to_numpy() * np.reshape(factor, (-1, 1))
    return frame


def treat(frame, **treatments):
    """The treated bars and the findings by check, in July 2020."""
    treated, findings = clean(frame, QualitySettings(treatments=treatments, today="2020-07-15"))
    return treated, {finding.check: finding for finding in findings}


PLANTED = {
    "missing_symbol": lambda: put(sound(), "S1", slice(3, 4), symbol=""),
    "duplicate_rows": lambda: pd.concat([sound(), sound().iloc[:1]], ignore_index=True),
    "missing_close": lambda: put(sound(), "S1", slice(3, 4), close=np.nan),
    "non_trading_day": lambda: pd.concat([sound(), sound().iloc[:1].assign(date=pd.Timestamp("2020-01-20"))]),
    "non_positive_price": lambda: put(sound(), "S1", slice(3, 4), open=0.0),
    "negative_volume": lambda: put(sound(), "S1", slice(3, 4), volume=-1.0),
    "price_range": lambda: put(sound(), "S1", slice(3, 4), high=1.0),
    "alternating_levels": lambda: scaled(sound(), "S1", slice(20, 60), np.where(np.arange(40) % 2, 4.0, 1.0)),
    "reverting_move": lambda: scaled(sound(), "S1", slice(20, 22), 10.0),
    "unadjusted_event": lambda: scaled(sound(), "S1", slice(30, None), 0.5),
    "extreme_move": lambda: put(scaled(sound(), "S1", slice(30, None), 1.95), "S1", slice(30, 31), volume=9e4),
    "stale_price": lambda: put(sound(), "S1", slice(20, 35), open=50.0, high=50.0, low=50.0, close=50.0),
    "gap": lambda: sound().drop(index=5),
    "thin_day": lambda: sound(20).drop(index=[40 + k * N for k in range(10)]),
    "future_bar": lambda: pd.concat([sound(), sound().iloc[:1].assign(date=pd.Timestamp("2020-08-03"))]),
    "two_listings": lambda: pd.concat([sound(), scaled(sound(1), "S0", slice(20, 60), 40.0).iloc[20:60]]),
    "conflicting_rows": lambda: pd.concat([sound(), scaled(sound(1), "S0", slice(5, 6), 1.01).iloc[5:6]]),
    "not_daily": lambda: sound().groupby("symbol").nth(list(range(0, N, 5))).reset_index(drop=True),
    "calendar_mismatch": lambda: pd.concat([sound(), on_closed_days(sound())], ignore_index=True),
    "ambiguous_adjustment": lambda: put(sound().assign(doubt=""), "S1", slice(3, 4), doubt="S1: may be 1 or 2"),
    "non_positive_adjusted": lambda: put(sound().assign(adj_close=1.0), "S1", slice(3, 4), adj_close=-1.0),
    "impossible_return": lambda: put(sound().assign(delist_return=np.nan), "S1", slice(-1, None), delist_return=-1.5),
}


def on_closed_days(frame):
    """Bars of all assets on eight Saturdays."""
    first = frame.groupby("symbol").head(1)
    return pd.concat([first.assign(date=day) for day in pd.date_range("2020-02-01", periods=8, freq="7D")])
