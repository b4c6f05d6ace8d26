"""A walk-forward study: load the data, decide in parallel, replay the decisions."""

import time
from dataclasses import dataclass
from itertools import islice

from quantray.analytics.track import TrackRecord
from quantray.arrays import digest
from quantray.features.returns import DELIST_RETURN
from quantray.research.executor import Executor
from quantray.research.kind import Source
from quantray.research.market import MarketData, read_market
from quantray.research.progress import say
from quantray.research.units import Completed, Workplace, complete
from quantray.studies.portfolios.alpha import forecast_store
from quantray.studies.portfolios.benchmark import Yardsticks, outside_benchmark
from quantray.studies.portfolios.door import try_costs
from quantray.studies.portfolios.feasible import check_portfolios
from quantray.studies.portfolios.replays import ReplayData, replay_all
from quantray.studies.portfolios.report import delisting_note
from quantray.studies.portfolios.risk.overlay import OverlayUse
from quantray.studies.portfolios.risk_free import cash_of
from quantray.studies.portfolios.settings import AllocatorSettings, PortfolioSettings
from quantray.studies.portfolios.trial import (
    StudyData,
    Trial,
    run_trial,
    study_trials,
    trial_units,
)

__all__ = [
    "FIELDS",
    "PortfolioSource",
    "StudyResult",
    "decide_all",
    "load_portfolios",
    "run_portfolios",
]

FIELDS = ("close", "volume", "dividend_yield", "half_spread_bps", DELIST_RETURN)
"""Prices within the day are not needed; volumes are for the risk tree, the rest for the accounts."""


PortfolioSource = Source[PortfolioSettings, Yardsticks]
"""Prepared is what portfolios are measured against that is none of them."""


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What a study found and what it took."""

    records: tuple[TrackRecord, ...]
    """One per allocator, in the settings' order; with an overlay, that with it follows the one without."""
    digest: str
    """Hash of all records: equal for equal numbers, wherever they were computed."""
    n_computed: int
    """Units of work computed by this run."""
    n_reused: int
    """Units found from earlier runs."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What allocators had to do without, such as missing forecasts or limits that gave way."""
    overlays: tuple[OverlayUse, ...] = ()
    """What the overlay did to each allocator, where the settings have one."""


def load_portfolios(settings: PortfolioSettings) -> PortfolioSource:
    """The data of a study and its settings, once they are found to go together.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load``, ``study_trials``, ``feasible.check_portfolios`` and ``door.try_costs``, or there is no
        store of forecasts that the settings name.
    """
    allocators = tuple(_with_version(allocator, settings.runs) for allocator in settings.allocators)
    settings, data = read_market(settings.model_copy(update={"allocators": allocators}), FIELDS)
    trials = study_trials(settings, data.panel)
    check_portfolios(data.panel, trials, settings.runs)
    try_costs(settings.costs, data.panel, settings.accounting.initial_nav)
    return Source(settings, data, _yardsticks(settings, data, next(iter(trials.values()))))


def run_portfolios(source: PortfolioSource, executor: Executor) -> StudyResult:
    """Decide in parallel what is missing, then replay in parallel what is missing of the accounts.

    Both are kept under ``runs/results`` by content, so the same command computes only what is not there yet.
    """
    start, settings = time.monotonic(), source.settings
    trials, keys, done = decide_all(source, executor)
    shared = ReplayData.of(settings, source.data, next(iter(trials.values()))[0])
    made, replayed = replay_all(shared, settings, keys, executor)
    notes = tuple(f"{name} {each.note}" for name, each in zip(keys, made, strict=True) if each.note)
    for note in notes:
        say(note)
    records = tuple(record for each in made for record in each.records)
    say(delisting_note(records, settings.accounting.delisting_return))
    everything = digest([part for record in records for part in (record.name, record.digest())])
    seconds = time.monotonic() - start
    overlays = tuple(each.use for each in made if each.use is not None)
    computed, reused = done.n_computed + replayed.n_computed, done.n_reused + replayed.n_reused
    return StudyResult(records, everything, computed, reused, seconds, notes, overlays)


def decide_all(
    source: PortfolioSource, executor: Executor
) -> tuple[dict[str, list[Trial]], dict[str, list[str]], Completed]:
    """Allocator -> its trials, in order of time, and the keys of their results, which are there afterwards."""
    settings, panel = source.settings, source.panel
    trials = study_trials(settings, panel)
    every = trial_units(panel, [trial for group in trials.values() for trial in group])
    each = iter(every)
    keys = {name: [unit.key for unit in islice(each, len(group))] for name, group in trials.items()}
    # Allocators that act on forecasts share their models of risk.
    units = list({unit.key: unit for unit in every}.values())
    place = Workplace(executor, StudyData(panel.with_only("close"), settings.results))
    return trials, keys, complete(place, run_trial, units, label="decisions", announce="units of work")


def _yardsticks(settings: PortfolioSettings, data: MarketData, trials: list[Trial]) -> Yardsticks:
    """What the settings name, on all days that portfolios may have accounts."""
    dates, named, cash = data.panel.dates, settings.benchmark, settings.risk_free
    decided = next(found for trial in trials if len(found := trial.decision_dates(dates)))
    days = dates[max(data.panel.row(decided[0]) - 1, 0) :]
    return Yardsticks(
        None if isinstance(named, str) else outside_benchmark(named, data, days),
        None if cash is None else cash_of(cash, data, days),
    )


def _with_version(allocator: AllocatorSettings, runs: str) -> AllocatorSettings:
    """The allocator with the version of its store of forecasts filled in."""
    if allocator.alpha is None:
        return allocator
    chosen = allocator.alpha.forecasts
    if chosen.model is None or chosen.version is not None:
        return allocator
    found = chosen.model_copy(update={"version": forecast_store(chosen, runs).version()})
    return allocator.model_copy(update={"alpha": allocator.alpha.model_copy(update={"forecasts": found})})
