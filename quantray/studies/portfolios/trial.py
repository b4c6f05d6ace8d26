"""The unit of parallel work: one allocator's decisions in one fold, or the models of risk that they need."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantray.arrays import Dates, Float, Int, Names
from quantray.backtest.accounts import Decisions
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.data.calendar import DEFAULT_EXCHANGE, Frequency, rebalance_dates
from quantray.data.fingerprints import Window
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError, InputError, SolverError
from quantray.features.returns import simple_returns
from quantray.research.folds import walk_forward
from quantray.research.numerics import Numerics
from quantray.research.provenance import Origin, notes_of, unit_key
from quantray.research.results import Layout, ResultStore, places
from quantray.research.source import name_of
from quantray.research.units import Due, Unit
from quantray.studies.portfolios.allocators import allocate, choices_of, own_code
from quantray.studies.portfolios.settings import AllocatorSettings, PortfolioSettings

__all__ = [
    "LIBRARIES",
    "DayModel",
    "Eligible",
    "Schedule",
    "StudyData",
    "Trial",
    "decide",
    "decisions_from",
    "due_trials",
    "each_eligible",
    "eligible",
    "models_from",
    "run_trial",
    "study_trials",
    "trial_key",
    "trial_layout",
    "trial_origin",
    "trial_units",
]

LIBRARIES = ("numpy", "scipy", "scikit-learn", "cvxpy", "clarabel")


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
    numerics: Numerics = "native"

    def decision_dates(self, dates: Dates) -> Dates:
        """The rebalance dates within the fold's test range."""
        rows = self.split.test.rows(dates)
        # Whether a day ends its period depends on the day before it, and on no other.
        near = dates[max(rows.start - 1, 0) : max(rows.stop, 1)]
        due = rebalance_dates(near, self.schedule.rebalance, exchange=self.schedule.exchange)
        return due[(due >= self.split.test.first) & (due <= self.split.test.last)]

    def window(self, panel: Panel) -> Window:
        """Of what the trial reads: its members, from the first look-back to the last decision.

        Names that join the data later are left out, so that new days do not change the keys of old folds.
        """
        rows = self.split.rows(panel.dates)
        start = rows.train.start if self.expanding else max(rows.test.start - self.schedule.lookback_days, 0)
        return Window(slice(start, rows.test.stop), np.logical_or.reduce(panel.member[rows.test]))

    def history(self, panel: Panel) -> Panel:
        """All that the trial reads: closes and membership in its window."""
        return panel.with_only("close").cut(self.window(panel))


@dataclass(frozen=True, eq=False)
class StudyData:
    """What every trial of a study shares."""

    panel: Panel
    results: ResultStore


@dataclass(frozen=True, eq=False)
class DayModel:
    """The names that may be held from a date on, and their risk as known at its close."""

    date: np.datetime64
    assets: Names
    """(N,)."""
    model: FactorModel
    """Of daily returns; its factors are uncorrelated and of variance one."""


@dataclass(frozen=True, eq=False)
class Eligible:
    """Who takes part in a decision."""

    columns: Int
    """(n,) of the panel."""
    returns: Float
    """(T, n) simple returns of the look-back; NaN where missing."""


_WEIGHTS = Layout(pa.schema([("date", pa.date32()), ("symbol", pa.string()), ("weight", pa.float64())]))
_MODELS = Layout(
    pa.schema(
        [
            ("date", pa.date32()),
            ("symbol", pa.string()),
            ("specific_variance", pa.float64()),
            ("loadings", pa.large_list(pa.float64())),
        ]
    )
)


def study_trials(settings: PortfolioSettings, panel: Panel) -> dict[str, list[Trial]]:
    """The trials of each allocator, in order of time.

    Raises
    ------
    InputError
        There are too few days for the look-back, or a fold holds no rebalance date at all.
    """
    folds = settings.folds
    splits = walk_forward(
        panel.dates,
        train_days=folds.lookback_days,
        test_days=folds.test_days,
        horizon=folds.horizon,
        lag=settings.accounting.execution_lag,
        purge=folds.purge,
        embargo=folds.embargo,
        kind=folds.kind,
    )
    schedule = Schedule(
        settings.rebalance,
        settings.exchange or DEFAULT_EXCHANGE,
        folds.lookback_days,
        settings.min_history,
        settings.min_volatility,
    )
    trials = {
        allocator.name: [
            Trial(
                allocator,
                split,
                schedule,
                threads=settings.threads,
                numerics=settings.numerics,
                expanding=folds.kind == "expanding",
            )
            for split in splits
        ]
        for allocator in settings.allocators
    }
    first = next(iter(trials.values()))
    if not any(len(trial.decision_dates(panel.dates)) for trial in first):
        raise InputError(f"no {settings.rebalance} rebalance date lies in {splits[0].test.first}..{panel.dates[-1]}.")
    return trials


def trial_layout(trial: Trial) -> Layout:
    """Of the trial's result: weights, or models of risk for what acts on forecasts."""
    return _WEIGHTS if trial.allocator.alpha is None else _MODELS


def trial_key(panel: Panel, trial: Trial) -> str:
    """Hash of the data slice, the settings and the origin that the trial's numbers depend on.

    What acts on forecasts needs models of risk only, whatever the forecasts: such allocators share their results.
    """
    return _key(panel, next(due_trials(panel, [trial])))


def trial_units(panel: Panel, trials: Iterable[Trial]) -> list[Unit[Due[Trial]]]:
    """The trials as units of work."""
    return [
        Unit(_key(panel, due), due, trial_origin(due.item), trial_layout(due.item), due.item.allocator.name)
        for due in due_trials(panel, trials)
    ]


def due_trials(panel: Panel, trials: Iterable[Trial]) -> Iterator[Due[Trial]]:
    """Each with the fingerprint of its history; windows share the work, and what several read is hashed once."""
    fingerprints = panel.with_only("close").fingerprints()
    read: dict[tuple[Split, int, bool], str] = {}
    for trial in trials:
        what = (trial.split, trial.schedule.lookback_days, trial.expanding)
        if what not in read:
            read[what] = fingerprints.of(trial.window(panel))
        yield Due(trial, read[what])


def _key(panel: Panel, due: Due[Trial]) -> str:
    """See ``trial_key``."""
    trial = due.item
    settings = {
        "allocator": _subject(trial.allocator),
        "schedule": vars(trial.schedule) | {"expanding": trial.expanding},
        "decisions": [str(day) for day in trial.decision_dates(panel.dates)],
        "threads": trial.threads,
    }
    return unit_key([due.read], settings, origin=trial_origin(trial))


def trial_origin(trial: Trial) -> Origin:
    """The code, libraries and kernels that the trial's numbers depend on."""
    if trial.allocator.alpha is not None:
        return Origin((name_of(_models_table),), LIBRARIES, numerics=trial.numerics)
    code = (name_of(_weights_table), *own_code(trial.allocator))
    return Origin(code, LIBRARIES, choices_of(trial.allocator), trial.numerics)


def run_trial(data: StudyData, due: Due[Trial]) -> str:
    """Decide at every rebalance date of the trial's fold, or model its risk, write the result, and return its key."""
    key, trial = _key(data.panel, due), due.item
    if not data.results.has(key, trial_layout(trial)):
        history, dates = trial.history(data.panel), trial.decision_dates(data.panel.dates)
        tabulate = _weights_table if trial.allocator.alpha is None else _models_table
        table = tabulate(history, dates, trial)
        about = {"allocator": _about(trial.allocator), "test": str(trial.split.test)}
        data.results.put(key, table, about | notes_of(trial_origin(trial)))
    return key


def decide(history: Panel, row: int, trial: Trial) -> Float:
    """(N,) weights decided at the close of a row, from rows up to it.

    Members with a close that day, enough returns in the look-back and enough volatility take part; others get 0.

    Raises
    ------
    DataError
        Nobody takes part.
    DataError, InputError, SolverError
        As ``allocate``; the message says the date.
    """
    return _allocated(history, row, eligible(history, row, trial), trial)


def _allocated(history: Panel, row: int, among: Eligible, trial: Trial) -> Float:
    weights = np.zeros(len(history.assets))
    try:
        weights[among.columns] = allocate(among.returns, trial.allocator)
    except (DataError, InputError, SolverError) as error:
        error.args = (f"{trial.allocator.name} on {history.dates[row]}: {error}", *error.args[1:])
        raise
    return weights


def eligible(history: Panel, row: int, trial: Trial) -> Eligible:
    """Members with a close on the day of a row, enough returns in the look-back before it, and enough volatility.

    Raises
    ------
    DataError
        There are none.
    """
    start = _first_row(row, trial)
    return _among(history, row, simple_returns(history.field("close")[start : row + 1])[1:], trial.schedule)


def each_eligible(history: Panel, dates: Dates, trial: Trial) -> Iterator[tuple[int, Eligible]]:
    """The row of each date and who is ``eligible`` there; returns are computed once for all of them."""
    returns = simple_returns(history.field("close"))
    for row in map(history.row, dates):
        yield row, _among(history, row, returns[_first_row(row, trial) + 1 : row + 1], trial.schedule)


def _first_row(row: int, trial: Trial) -> int:
    return 0 if trial.expanding else max(row - trial.schedule.lookback_days, 0)


def _among(history: Panel, row: int, returns: Float, schedule: Schedule) -> Eligible:
    enough = (~np.isnan(returns)).sum(axis=0) >= max(2, schedule.min_history * len(returns))
    candidates = np.flatnonzero(history.member[row] & ~np.isnan(history.field("close")[row]) & enough)
    theirs = returns[:, candidates]
    deviation = np.std(theirs, axis=0, ddof=1) if len(candidates) else np.zeros(0)
    # Looking past gaps takes twice as long, and most have none.
    gaps = np.isnan(deviation)
    deviation[gaps] = np.nanstd(theirs[:, gaps], axis=0, ddof=1)
    deviation *= np.sqrt(history.periods_per_year)
    # What hardly moves (cash-like funds, targets of agreed mergers) would take the whole of any risk budget.
    moving = (deviation > 0) & (deviation >= schedule.min_volatility)
    if not moving.any():
        raise DataError(
            f"no member on {history.dates[row]} has {schedule.min_history:.0%} of {len(returns)} days of returns and a "
            f"volatility of {schedule.min_volatility:.0%}; shorten the look-back, lower these or take a later start."
        )
    return Eligible(candidates[moving], theirs if moving.all() else theirs[:, moving])


def decisions_from(results: ResultStore, keys: list[str], trials: list[Trial], panel: Panel) -> Decisions:
    """The decisions of one allocator's trials, in order of time."""
    dates = np.concatenate([trial.decision_dates(panel.dates) for trial in trials])
    weights = np.zeros((len(dates), len(panel.assets)))
    for key in keys:
        table = results.get(key, _WEIGHTS)
        weights[places(table, dates, panel.assets)] = table["weight"].to_numpy()
    return Decisions(dates, panel.assets, weights)


def models_from(results: ResultStore, keys: Sequence[str]) -> Iterator[DayModel]:
    """The models of risk of trials in order of time, one date after the other; one fold is in memory at a time."""
    for key in keys:
        table = results.get(key, _MODELS)
        if table.num_rows == 0:
            continue
        dates = table["date"].to_numpy().astype("datetime64[D]")
        symbols = np.array(table["symbol"].to_pylist(), dtype=np.str_)
        specific = table["specific_variance"].to_numpy()
        loadings = table["loadings"].combine_chunks()
        values, offsets = loadings.values.to_numpy(), loadings.offsets.to_numpy()
        first = np.flatnonzero(np.append(True, dates[1:] != dates[:-1]))
        for start, stop in zip(first.tolist(), [*first[1:].tolist(), len(dates)], strict=True):
            rows = slice(start, stop)
            flat = values[offsets[start] : offsets[stop]].reshape(stop - start, -1)
            yield DayModel(dates[start], symbols[rows], FactorModel(flat, np.eye(flat.shape[1]), specific[rows]))


def _subject(allocator: AllocatorSettings) -> dict[str, object]:
    """What of the settings a unit's numbers depend on."""
    if allocator.alpha is not None:
        return {"models": allocator.estimator, "n_factors": allocator.n_factors}
    return allocator.model_dump(mode="json", exclude={"name", "trial_seconds"})


def _about(allocator: AllocatorSettings) -> str:
    """What a result's notes say; of shared results, not who asked for them first."""
    return allocator.model_dump_json() if allocator.alpha is None else json.dumps(_subject(allocator))


def _weights_table(history: Panel, dates: Dates, trial: Trial) -> pa.Table:
    """A row per weight that is not zero: date, symbol, weight."""
    rows, columns, values = [], [], []
    for number, (row, among) in enumerate(each_eligible(history, dates, trial)):
        weights = _allocated(history, row, among, trial)
        held = np.flatnonzero(weights)
        rows.append(np.full(len(held), number))
        columns.append(held)
        values.append(weights[held])
    date = np.concatenate(rows) if rows else np.empty(0, np.int64)
    column = np.concatenate(columns) if columns else np.empty(0, np.int64)
    return pa.table(
        {
            "date": pa.array(dates[date]),
            "symbol": pa.array(history.assets[column].tolist(), pa.string()),
            "weight": pa.array(np.concatenate(values) if values else np.empty(0)),
        }
    )


def _models_table(history: Panel, dates: Dates, trial: Trial) -> pa.Table:
    """A row per eligible name and date: date, symbol, specific variance, and loadings on that date's factors."""
    schema, columns, models = _MODELS.schema, [], []
    for _, among in each_eligible(history, dates, trial):
        columns.append(among.columns)
        models.append(statistical_factors(among.returns, trial.allocator.n_factors))
    if not models:
        return schema.empty_table()
    counts = [model.n_assets for model in models]
    widths = np.repeat([model.n_factors for model in models], counts)
    offsets = np.concatenate([[0], np.cumsum(widths)])
    loadings = np.concatenate([model.loadings.ravel() for model in models])
    parts = [
        pa.array(np.repeat(dates, counts)),
        pa.array(history.assets.tolist(), pa.string()).take(pa.array(np.concatenate(columns))),
        pa.array(np.concatenate([model.specific_variance for model in models])),
        pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(loadings)),
    ]
    return pa.Table.from_arrays(parts, schema=schema)
