"""The unit of parallel work: one allocator's decisions in one fold."""

import json
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pyarrow as pa

from quantray.arrays import Dates, Float, digest
from quantray.data.calendar import Frequency, rebalance_dates
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError
from quantray.features.returns import simple_returns
from quantray.research.allocators import allocate
from quantray.research.backtest import Decisions
from quantray.research.config import AllocatorSettings
from quantray.research.store import ResultStore

__all__ = ["Schedule", "StudyData", "Trial", "decide", "decisions_from", "run_trial", "trial_key"]

_VERSIONS = {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "cvxpy", "clarabel")}
"""Libraries whose releases may change results in the last digits; keys name them, so results never mix."""

_GENERATION = 2
"""Raise this when a change here, in ``covariance`` or in ``portfolio`` changes numbers."""


@dataclass(frozen=True)
class Schedule:
    """When decisions are made and from how much history."""

    rebalance: Frequency
    exchange: str
    lookback_days: int
    min_history: float
    """Share of the look-back's returns that an asset must have."""
    min_volatility: float
    """Yearly volatility over the look-back below which an asset is left out as cash-like."""


@dataclass(frozen=True)
class Trial:
    """One allocator in one fold."""

    allocator: AllocatorSettings
    split: Split
    schedule: Schedule
    threads: int = 1
    """BLAS threads that the unit runs with; sums in another order differ in the last bits."""
    expanding: bool = False
    """Whether history reaches back to the fold's first training day, rather than ``lookback_days``."""

    def decision_dates(self, dates: Dates) -> Dates:
        """The rebalance dates within the fold's test range."""
        due = rebalance_dates(dates, self.schedule.rebalance, exchange=self.schedule.exchange)
        return due[(due >= self.split.test.first) & (due <= self.split.test.last)]

    def history(self, panel: Panel) -> Panel:
        """All that the trial reads: members' closes and membership from the first look-back to the last decision.

        Names that join the data later are left out, so that new days do not change the keys of old folds.
        """
        rows = self.split.rows(panel.dates)
        start = rows.train.start if self.expanding else max(rows.test.start - self.schedule.lookback_days, 0)
        members = panel.assets[panel.member[rows.test].any(axis=0)]
        used = Panel(panel.dates, panel.assets, {"close": panel.field("close")}, panel.member)
        return used.between(panel.dates[start], panel.dates[rows.test.stop - 1]).select(members)


@dataclass(frozen=True, eq=False)
class StudyData:
    """What every trial of a study shares."""

    panel: Panel
    results: ResultStore


def trial_key(panel: Panel, trial: Trial) -> str:
    """Hash of the data slice, the settings and the versions that the trial's numbers depend on."""
    history = trial.history(panel)
    settings = {
        "allocator": trial.allocator.model_dump(mode="json", exclude={"name"}),
        "schedule": vars(trial.schedule) | {"expanding": trial.expanding},
        "decisions": [str(day) for day in trial.decision_dates(panel.dates)],
        "threads": trial.threads,
        "versions": _VERSIONS | {"generation": _GENERATION},
    }
    return digest([history.fingerprint(), json.dumps(settings, sort_keys=True)])


def run_trial(data: StudyData, trial: Trial) -> str:
    """Decide at every rebalance date of the trial's fold, write the result, and return its key."""
    key = trial_key(data.panel, trial)
    if not data.results.has(key):
        history = trial.history(data.panel)
        rows, columns, values, dates = [], [], [], trial.decision_dates(data.panel.dates)
        for number, day in enumerate(dates):
            weights = decide(history, history.row(day), trial)
            held = np.flatnonzero(weights)
            rows.append(np.full(len(held), number))
            columns.append(held)
            values.append(weights[held])
        row = np.concatenate(rows) if rows else np.empty(0, np.int64)
        column = np.concatenate(columns) if columns else np.empty(0, np.int64)
        table = pa.table(
            {
                "date": pa.array(dates[row]),
                "symbol": pa.array(history.assets[column].tolist(), pa.string()),
                "weight": pa.array(np.concatenate(values) if values else np.empty(0)),
            }
        )
        notes = {"allocator": trial.allocator.model_dump_json(), "test": str(trial.split.test)}
        data.results.put(key, table, notes)
    return key


def decide(history: Panel, row: int, trial: Trial) -> Float:
    """(N,) weights decided at the close of a row, from rows up to it.

    Members with a close that day, enough returns in the look-back and enough volatility take part; others get 0.

    Raises
    ------
    DataError
        Nobody takes part.
    """
    schedule = trial.schedule
    start = 0 if trial.expanding else max(row - schedule.lookback_days, 0)
    returns = simple_returns(history.field("close")[start : row + 1])[1:]
    enough = (~np.isnan(returns)).sum(axis=0) >= max(2, schedule.min_history * len(returns))
    candidates = np.flatnonzero(history.member[row] & ~np.isnan(history.field("close")[row]) & enough)
    # What hardly moves (cash-like funds, targets of agreed mergers) would take the whole of any risk budget.
    deviation = np.nanstd(returns[:, candidates], axis=0, ddof=1) * np.sqrt(252)
    chosen = candidates[(deviation > 0) & (deviation >= schedule.min_volatility)]
    if len(chosen) == 0:
        raise DataError(
            f"no member on {history.dates[row]} has {schedule.min_history:.0%} of {len(returns)} days of returns and a "
            f"volatility of {schedule.min_volatility:.0%}; shorten the look-back, lower these or take a later start."
        )
    weights = np.zeros(len(history.assets))
    weights[chosen] = allocate(returns[:, chosen], trial.allocator)
    return weights


def decisions_from(results: ResultStore, keys: list[str], trials: list[Trial], panel: Panel) -> Decisions:
    """The decisions of one allocator's trials, in order of time."""
    dates = np.concatenate([trial.decision_dates(panel.dates) for trial in trials])
    weights = np.zeros((len(dates), len(panel.assets)))
    column = {asset: i for i, asset in enumerate(panel.assets.tolist())}
    for key in keys:
        table = results.get(key)
        days = table["date"].to_numpy().astype("datetime64[D]")
        place = [column[symbol] for symbol in table["symbol"].to_pylist()]
        weights[np.searchsorted(dates, days), place] = table["weight"].to_numpy()
    return Decisions(dates, panel.assets, weights)
