"""Phase one: every method on every timeframe, and the path that tells most of the days that follow it in training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from quantray.arrays import Bool, Float, Int
from quantray.data.calendar import session_hours
from quantray.data.panel import Panel
from quantray.regimes.bars import bar_observations
from quantray.regimes.ensemble import combine
from quantray.regimes.market import index_returns
from quantray.regimes.observations import state_names
from quantray.regimes.path import RegimePath
from quantray.regimes.schedule import RefitSchedule
from quantray.regimes.timeframes import TimeframeSettings, on_finer, regimes_of, timeframe_bars
from quantray.research.executor import Executor
from quantray.research.numerics import Numerics
from quantray.research.provenance import Origin, notes_of, unit_key
from quantray.research.results import Layout, ResultStore
from quantray.research.source import name_of
from quantray.research.units import Completed, Unit, Workplace, complete
from quantray.settings import as_mapping
from quantray.studies.institutional.objective import Candidate, Choice, choose
from quantray.studies.institutional.settings import RegimeMethod, RegimePhase

__all__ = ["COMBINED", "NONE", "RegimeData", "choose_path", "regime_paths"]

COMBINED = "all combined"
"""The mean of the probabilities of all methods and timeframes."""
NONE = "none"
"""No regime at all, where no path tells more of the days that follow than the days together do."""
_WEEK = 5
_YEAR_OF_WEEKS = 52
_FEWEST = 20
"""Days of a regime below which its law is that of all days."""
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "hmmlearn", "pandas")
_LAYOUT = Layout(pa.schema([("label", pa.int64()), ("chances", pa.list_(pa.float64()))]))


@dataclass(frozen=True, eq=False)
class RegimeData:
    """What the units of the phase share."""

    panel: Panel
    fingerprint: str
    exchange: str
    settings: RegimePhase
    results: ResultStore
    numerics: Numerics
    threads: int


@dataclass(frozen=True)
class _Look:
    """One method on one timeframe."""

    method: RegimeMethod
    timeframe: Literal["1day", "1week"]

    @property
    def name(self) -> str:
        return f"{self.method}, {'days' if self.timeframe == '1day' else 'weeks'}"


def regime_paths(data: RegimeData, executor: Executor) -> tuple[dict[str, RegimePath], Completed]:
    """Every method on every timeframe, and all of them combined where they are several.

    Returns
    -------
    Name -> a path of the panel's days, each known at its close; and what it took.

    Raises
    ------
    DataError, SolverError
        As ``regimes.timeframes.regimes_of``.
    """
    looks = [_Look(method, frame) for method in data.settings.methods for frame in data.settings.timeframes]
    units = [Unit(_key(data, look), look, _origin(data), _LAYOUT) for look in looks]
    done = complete(Workplace(executor, data), _run, units, label="regimes", announce="regime paths")
    names = state_names(data.settings.states)
    paths = {}
    for look, key in zip(looks, done.keys, strict=True):
        table = data.results.get(key, _LAYOUT)
        chances = np.array(table["chances"].to_pylist(), dtype=np.float64).reshape(-1, len(names))
        paths[look.name] = RegimePath(data.panel.dates, np.array(names), table["label"].to_numpy(), chances)
    if len(paths) > 1:
        paths[COMBINED] = combine(paths, dwell_days=data.settings.dwell_bars)
    return paths, done


def choose_path(paths: Mapping[str, RegimePath], panel: Panel, train: slice, lag: int) -> Choice:
    """Choose by how much more a path's regimes say of the index than its days together do.

    Each half of the training days is told by Gaussian laws, one for each regime, that were fitted on the other half.
    The score is the gain in log-likelihood for a day; a path that gains nothing is not taken.

    Parameters
    ----------
    train : rows of the training range.
    lag : trading days from a decision to its trades; a day is told by the regime known when its position was decided.
    """
    index = index_returns(panel)
    rows = np.arange(train.start + lag + 1, train.stop)
    rows = rows[~np.isnan(index[rows])]
    found = [_candidate(NONE, 0.0)]
    for name, path in paths.items():
        labels = path.labels[rows - lag - 1]
        found.append(_candidate(name, _gain(index[rows], labels)))
    return choose(found)


def _candidate(name: str, score: float) -> Candidate:
    return Candidate(name, score, 0.0, None, 0.0)


def _gain(returns: Float, labels: Int) -> float:
    """Mean gain in log-likelihood of a day, each half told by the other."""
    first = np.arange(len(returns)) < len(returns) // 2
    gains = [_told(returns, labels, half) for half in (first, ~first)]
    return float(np.mean(np.concatenate(gains))) if len(returns) > 2 * _FEWEST else 0.0


def _told(returns: Float, labels: Int, fitted: Bool) -> Float:
    """(D,) log-likelihoods of the days that were not fitted, less those by one law for all days."""
    told = returns[~fitted]
    whole = _log_likelihood(told, returns[fitted])
    out = whole.copy()
    for label in np.unique(labels[fitted]).tolist():
        own = returns[fitted & (labels == label)]
        if len(own) >= _FEWEST:
            days = labels[~fitted] == label
            out[days] = _log_likelihood(told[days], own)
    return np.asarray(out - whole)


def _log_likelihood(returns: Float, sample: Float) -> Float:
    mean, deviation = float(sample.mean()), max(float(sample.std(ddof=1)), 1e-8)
    return np.asarray(-np.log(deviation) - ((returns - mean) / deviation) ** 2 / 2)


def _run(data: RegimeData, look: _Look) -> str:
    key = _key(data, look)
    if not data.results.has(key, _LAYOUT):
        data.results.put(key, _table(_path(data, look)), notes_of(_origin(data)))
    return key


def _path(data: RegimeData, look: _Look) -> RegimePath:
    """The regimes of the panel's days."""
    settings = data.settings
    first, every = settings.first_days, settings.refit_days
    if look.timeframe == "1week":
        first, every = max(first // _WEEK, _YEAR_OF_WEEKS), max(every // _WEEK, 1)
    schedule = RefitSchedule(first=first, every=every)
    method = TimeframeSettings(
        method=look.method, states=settings.states, dwell_bars=settings.dwell_bars, seed=settings.seed
    )
    bars = timeframe_bars(None, data.panel, exchange=data.exchange)[look.timeframe]
    found = regimes_of(bar_observations(bars), method, schedule)
    closes = session_hours(data.panel.dates, exchange=data.exchange)[1]
    return on_finer(found, closes)


def _table(path: RegimePath) -> pa.Table:
    columns = [pa.array(path.labels), pa.array(path.probabilities.tolist(), type=pa.list_(pa.float64()))]
    return pa.table(columns, schema=_LAYOUT.schema)


def _key(data: RegimeData, look: _Look) -> str:
    settings = as_mapping(data.settings)
    told = {name: value for name, value in settings.items() if name not in ("methods", "timeframes")}
    told |= {"method": look.method, "timeframe": look.timeframe, "exchange": data.exchange, "threads": data.threads}
    return unit_key([data.fingerprint], told, origin=_origin(data))


def _origin(data: RegimeData) -> Origin:
    return Origin((name_of(_path), name_of(_table)), _LIBRARIES, numerics=data.numerics)
