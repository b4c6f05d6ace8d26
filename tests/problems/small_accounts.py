"""Panels of a few closes, decisions on them, and what the accounts that follow must obey."""

import numpy as np

from quantray.backtest.accounts import Decisions
from quantray.data.panel import Panel


def panel_of(close, **fields):
    close = np.asarray(close, dtype=float)
    dates = np.datetime64("2024-01-02") + np.arange(len(close))
    assets = np.array([chr(65 + i) for i in range(close.shape[1])])
    return Panel(dates, assets, {"close": close, **fields}, ~np.isnan(close))


def decide(panel, rows, weights):
    return Decisions(panel.dates[list(rows)], panel.assets, np.asarray(weights, dtype=float))


def monthly(panel, *, every=21, start=60):
    rows = np.arange(start, len(panel.dates) - 1, every)
    weights = np.where(panel.member[rows], 1.0, 0.0)
    return Decisions(panel.dates[rows], panel.assets, weights / weights.sum(axis=1, keepdims=True))


def conserved(record):
    """What each day's NAV changed by, less what the accounts say it earned and paid."""
    change = np.diff(record.nav)
    said = (record.pnl + record.dividends + record.interest - record.cost_series)[1:]
    return np.abs(change - said).max() / record.nav[0]
