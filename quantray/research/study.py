"""A walk-forward study: load the data, decide in parallel, replay the decisions in sequence."""

import time
from dataclasses import dataclass
from pathlib import Path

from quantray.analytics.track import TrackRecord
from quantray.arrays import digest
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.research.backtest import backtest
from quantray.research.config import StudySettings
from quantray.research.executor import Executor
from quantray.research.folds import walk_forward
from quantray.research.loading import MarketData, load_market
from quantray.research.progress import follow, say
from quantray.research.store import ResultStore
from quantray.research.trial import Schedule, StudyData, Trial, decisions_from, run_trial, trial_key

__all__ = ["Source", "StudyResult", "load_data", "run_study", "study_trials"]


@dataclass(frozen=True, eq=False)
class Source:
    """The data of a study and where they came from."""

    settings: StudySettings
    """With the store's version filled in."""
    data: MarketData

    @property
    def panel(self) -> Panel:
        """The panel of the data."""
        return self.data.panel


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What a study found and what it took."""

    records: tuple[TrackRecord, ...]
    """One per allocator, in the settings' order."""
    digest: str
    """Hash of all records: equal for equal numbers, wherever they were computed."""
    n_computed: int
    """Units of work computed by this run."""
    n_reused: int
    """Units found from earlier runs."""
    seconds: float


def load_data(settings: StudySettings) -> Source:
    """The panel of a study, its sectors and what is known of its quality.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load``.
    """
    # Quotes within the day are not needed, and volumes only for the risk tree.
    data = load_market(settings.data, settings.exchange, ("close", "volume", "dividend_yield"))
    return Source(settings.model_copy(update={"data": data.settings}), data)


def study_trials(settings: StudySettings, panel: Panel) -> dict[str, list[Trial]]:
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
        settings.rebalance, settings.exchange, folds.lookback_days, settings.min_history, settings.min_volatility
    )
    trials = {
        allocator.name: [
            Trial(
                allocator,
                split,
                schedule,
                threads=max(1, int(settings.cluster.cpus_per_task)),
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


def run_study(source: Source, executor: Executor) -> StudyResult:
    """Decide in parallel what is missing, then replay all decisions in sequence.

    Decisions are kept under ``runs/results`` by content, so the same command computes only what is not there yet.
    """
    start = time.monotonic()
    settings, panel = source.settings, source.panel
    results = ResultStore(Path(settings.runs).resolve() / "results")
    trials = study_trials(settings, panel)
    keys = {name: [trial_key(panel, trial) for trial in group] for name, group in trials.items()}
    todo = {
        key: trial
        for name in trials
        for key, trial in zip(keys[name], trials[name], strict=True)
        if not results.has(key)
    }
    total = sum(len(group) for group in trials.values())
    say(f"{total} units of work: {len(todo)} to compute, {total - len(todo)} already there")
    if todo:
        shared = StudyData(Panel(panel.dates, panel.assets, {"close": panel.field("close")}, panel.member), results)
        made = executor.map(run_trial, list(todo.values()), shared=shared)
        for expected, key in zip(todo, follow(made, total=len(todo), label="decisions"), strict=True):
            if key != expected:
                raise DataError("a worker saw other data or library versions than the driver; use one environment.")
    records = []
    for name, group in follow(trials.items(), total=len(trials), label="backtests"):
        decisions = decisions_from(results, keys[name], group, panel)
        costs, accounting = settings.costs.build(), settings.accounting.build()
        policy = settings.policy.build()
        records.append(backtest(panel, decisions, costs=costs, accounting=accounting, policy=policy, name=name))
    everything = digest([part for record in records for part in (record.name, record.digest())])
    return StudyResult(tuple(records), everything, len(todo), total - len(todo), time.monotonic() - start)
