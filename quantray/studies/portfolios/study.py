"""A walk-forward study: load the data, decide in parallel, replay the decisions in sequence."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from threadpoolctl import threadpool_limits

from quantray.analytics.track import TrackRecord
from quantray.arrays import digest
from quantray.backtest.accounts import Decisions, backtest
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN
from quantray.research.executor import Executor
from quantray.research.folds import walk_forward
from quantray.research.kind import Source
from quantray.research.market import MarketData, read_market
from quantray.research.progress import follow, say
from quantray.research.results import ResultStore
from quantray.research.units import Completed, Workplace, complete
from quantray.studies.portfolios.alpha import alpha_decisions, forecast_store, read_forecasts
from quantray.studies.portfolios.benchmark import Yardsticks, outside_benchmark
from quantray.studies.portfolios.door import try_costs
from quantray.studies.portfolios.feasible import check_portfolios
from quantray.studies.portfolios.report import delisting_note
from quantray.studies.portfolios.risk.overlay import OverlayUse, RiskOverlay
from quantray.studies.portfolios.risk_free import cash_of
from quantray.studies.portfolios.settings import AllocatorSettings, PortfolioSettings
from quantray.studies.portfolios.trial import (
    Schedule,
    StudyData,
    Trial,
    decisions_from,
    models_from,
    run_trial,
    trial_units,
)

__all__ = [
    "FIELDS",
    "PortfolioSource",
    "StudyResult",
    "decide_all",
    "decisions_of",
    "load_portfolios",
    "run_portfolios",
    "study_trials",
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


def run_portfolios(source: PortfolioSource, executor: Executor) -> StudyResult:
    """Decide in parallel what is missing, then replay all decisions in sequence.

    Decisions are kept under ``runs/results`` by content, so the same command computes only what is not there yet.
    """
    start = time.monotonic()
    settings = source.settings
    trials, keys, done = decide_all(source, executor)
    records = []
    notes: list[str] = []
    overlays: list[OverlayUse] = []
    overlay = _overlay(source, next(iter(trials.values()))[0])
    source = replace(source, data=replace(source.data, panel=settings.costs.prepared(source.panel)))
    costs, accounting, policy = settings.costs.build(), settings.accounting.build(), settings.policy.build()

    def replay(decisions: Decisions, name: str) -> TrackRecord:
        return backtest(source.panel, decisions, costs=costs, accounting=accounting, policy=policy, name=name)

    for name, group in follow(trials.items(), total=len(trials), label="backtests"):
        decisions, note = _decisions(source, group, keys[name])
        if note:
            say(note)
            notes.append(note)
        records.append(replay(decisions, name))
        if overlay is not None:
            record, use = overlay.apply(decisions, replay, name)
            records.append(record)
            overlays.append(use)
    say(delisting_note(records, settings.accounting.delisting_return))
    everything = digest([part for record in records for part in (record.name, record.digest())])
    seconds = time.monotonic() - start
    return StudyResult(
        tuple(records), everything, done.n_computed, done.n_reused, seconds, tuple(notes), tuple(overlays)
    )


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


def decisions_of(source: PortfolioSource, allocator: str, keys: Sequence[str]) -> tuple[Decisions, str]:
    """What an allocator decided, from results that ``decide_all`` left under some keys, and what to say of it.

    Parameters
    ----------
    source : whose panel holds what its costs need to know.
    """
    return _decisions(source, study_trials(source.settings, source.panel)[allocator], list(keys))


def _decisions(source: PortfolioSource, group: list[Trial], keys: list[str]) -> tuple[Decisions, str]:
    results = source.settings.results
    if group[0].allocator.alpha is None:
        return decisions_from(results, keys, group, source.panel), ""
    return _on_forecasts(source, group, keys, results)


def _overlay(source: PortfolioSource, trial: Trial) -> RiskOverlay | None:
    """The overlay of the settings, if they have one."""
    settings = source.settings
    if settings.risk is None or settings.risk.overlay is None:
        return None
    accounting = settings.accounting
    return RiskOverlay(
        settings.risk, source.panel, trial, source.data.sectors, accounting.initial_nav, accounting.execution_lag
    )


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


def _on_forecasts(
    source: PortfolioSource, group: list[Trial], keys: list[str], results: ResultStore
) -> tuple[Decisions, str]:
    """Decisions of an allocator that acts on forecasts, in sequence, and what to say of them."""
    allocator = group[0].allocator
    assert allocator.alpha is not None, "checked by the caller"
    forecasts = read_forecasts(allocator.alpha.forecasts, source.panel, group[0].split, source.settings.runs)
    # Sums in another order differ in the last bits, so the driver keeps to the workers' number of threads.
    with threadpool_limits(limits=group[0].threads):
        made = alpha_decisions(
            source.panel,
            models_from(results, keys),
            forecasts,
            allocator,
            costs=source.settings.costs.build(),
            accounting=source.settings.accounting.build(),
        )
    return made.decisions, f"{allocator.name} on forecasts of {allocator.alpha.forecasts}: {made.summary}"
