"""A search of settings around Ray Tune: what is searched on which dates, and the winner on dates that it never saw."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantray.analytics.bootstrap import Estimate, Resampling, estimated_mean, interval
from quantray.analytics.forecasts import ic_difference
from quantray.analytics.selection import sharpe_difference, sharpe_interval
from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.data.splits import label_gap
from quantray.errors import InputError
from quantray.research.executor import Executor
from quantray.research.folds import walk_forward
from quantray.research.results import ResultStore
from quantray.settings import config_hash, read_settings
from quantray.studies.forecasts.settings import ForecastSettings, ModelSettings
from quantray.studies.forecasts.study import ForecastSource, load_forecast_data, run_forecast_study, study_splits
from quantray.studies.forecasts.trial import ForecastData
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import Source, load_data, run_study
from quantray.studies.tuning.record import HeldOut
from quantray.studies.tuning.settings import ForecastTarget, Point, SearchSpace, TuningSettings
from quantray.studies.tuning.trial import FoldFits, FoldReturns, blinded, portfolio_panel

__all__ = ["TuningSource", "best_study", "held_out", "load_tuning"]

_WHERE = {"cluster", "tracking", "runs", "forecasts"}
_FEWEST = 20
"""Held-out days below which nothing can be said."""


@dataclass(frozen=True, eq=False)
class TuningSource:
    """A search, the study that it improves, and its data."""

    settings: TuningSettings
    written: ForecastSettings | PortfolioSettings
    """The study as its file says."""
    base: ForecastSource | Source
    """The study with the store's version filled in, and all dates; it runs where the search does."""
    subject: FoldFits | FoldReturns
    """What travels to the workers: nothing in it tells of the dates held out."""
    seen_through: np.datetime64
    first_held_out: np.datetime64

    @property
    def identity(self) -> str:
        """Hash of the study with its data, and of the search."""
        return config_hash(self.settings, exclude=_WHERE) + "-" + config_hash(self.base.settings, exclude=_WHERE)

    @property
    def folder(self) -> Path:
        """Where the search leaves what it found."""
        return Path(self.settings.runs).resolve() / f"{self.settings.name}-{self.identity}"

    @property
    def measure(self) -> str:
        """What the objective is."""
        if isinstance(self.subject, FoldFits):
            return "mean validation IC"
        words = {"volatility": "yearly volatility after costs", "sharpe": "Sharpe ratio after costs"}
        return words[self.subject.measure]

    @property
    def maximise(self) -> bool:
        """Whether more of it is better."""
        return isinstance(self.subject, FoldFits) or self.subject.measure == "sharpe"

    @property
    def name(self) -> str:
        """Of what is tuned."""
        target = self.settings.target
        return target.model if isinstance(target, ForecastTarget) else target.allocator

    def trial_key(self, point: Point) -> str:
        """Hash of the study and a trial's settings."""
        return f"{config_hash(self.base.settings, exclude=_WHERE)}-{config_hash(self._settings(point), exclude=_WHERE)}"

    def _settings(self, point: Point) -> ModelSettings | PortfolioSettings:
        return self.subject.space.settings(point)


def load_tuning(settings: TuningSettings) -> TuningSource:
    """Read the study, check the space against it, load its data and set the last folds aside.

    Raises
    ------
    InputError
        The study has no such network or allocator, the space does not fit it, or too few dates are left to search on
        or are held out.
    DataError
        As ``MarketStore.load``.
    """
    here = {"cluster": settings.cluster, "runs": settings.runs}
    if isinstance(settings.target, ForecastTarget):
        written = read_settings(ForecastSettings, settings.target.study)
        return _forecasts(settings, written, written.model_copy(update=here))
    portfolio = read_settings(PortfolioSettings, settings.target.study)
    return _portfolio(settings, portfolio, portfolio.model_copy(update=here))


def best_study(source: TuningSource, point: Point) -> ForecastSettings | PortfolioSettings:
    """The study as its file says, with the values of a point in the place of its own."""
    written, found = source.written, source.subject.space.settings(point)
    if isinstance(written, ForecastSettings):
        assert isinstance(found, ModelSettings), "a space of networks"
        models = tuple(found if model.name == found.name else model for model in written.models)
        return written.model_copy(update={"models": models})
    assert isinstance(found, PortfolioSettings), "a space of portfolios"
    tuned = found.allocators[0]
    allocators = tuple(tuned if a.name == tuned.name else a for a in written.allocators)
    level = {name: getattr(found, name) for name in ("folds", "rebalance", "min_history", "min_volatility", "policy")}
    return written.model_copy(update={"allocators": allocators} | level)


def held_out(source: TuningSource, point: Point, executor: Executor) -> HeldOut:
    """The winner and the study's own settings on the dates that no trial saw, on the same days.

    Raises
    ------
    InputError
        As the study's run.
    """
    resampling = Resampling(level=source.settings.confidence)
    if isinstance(source.base, ForecastSource):
        return _held_out_forecasts(source, source.base, point, executor, resampling)
    return _held_out_returns(source, source.base, point, executor, resampling)


def _forecasts(settings: TuningSettings, written: ForecastSettings, study: ForecastSettings) -> TuningSource:
    target = settings.target
    assert isinstance(target, ForecastTarget), "checked by the caller"
    networks = [model for model in study.models if model.kind == "network"]
    model = next((m for m in networks if m.name == target.model), None)
    if model is None:
        names = ", ".join(m.name for m in networks) or "none"
        raise InputError(f"{target.study} has no network {target.model!r}; its networks are {names}.")
    space = SearchSpace(model.model_copy(update={"warm_start": False}), settings.space)
    base = load_forecast_data(study)
    panel = base.data.panel
    splits = study_splits(study, panel)
    # The first fold held out may validate: its validation range ends before its test range.
    chosen = splits[: len(splits) - settings.held_out + 1]
    if len(splits) < settings.held_out:
        raise InputError(f"{len(splits)} folds, of which {settings.held_out} are held out; lower held_out.")
    first = splits[-settings.held_out].test.first
    # The last returns of the panel are not known yet.
    _check_length(panel, first, label_gap(study.folds.horizon, study.folds.lag))
    subject = FoldFits(
        space=space,
        data=ForecastData(blinded(panel, first), base.data.sectors, ResultStore(Path("unused"))),
        splits=tuple(chosen),
        before=study.folds.warm_up_days,
        seeds=target.seeds,
        threads=max(1, int(settings.cluster.cpus_per_task)),
        folder=Path(settings.runs).resolve() / "tune" / "fits",
    )
    return TuningSource(settings, written, base, subject, _before(panel, first), first)


def _portfolio(settings: TuningSettings, written: PortfolioSettings, study: PortfolioSettings) -> TuningSource:
    target = settings.target
    assert not isinstance(target, ForecastTarget), "checked by the caller"
    allocator = next((a for a in study.allocators if a.name == target.allocator), None)
    if allocator is None:
        names = ", ".join(a.name for a in study.allocators)
        raise InputError(f"{target.study} has no allocator {target.allocator!r}; its allocators are {names}.")
    alone = {"allocators": (allocator,), "benchmark": allocator.name}
    SearchSpace(study.model_copy(update=alone), settings.space)
    source = load_data(study.model_copy(update=alone))
    space = SearchSpace(source.settings, settings.space)
    folds, panel = study.folds, source.panel
    longest = max(folds.lookback_days, space.largest("folds.lookback_days", folds.lookback_days))
    splits = walk_forward(
        panel.dates,
        train_days=longest,
        test_days=folds.test_days,
        horizon=folds.horizon,
        lag=study.accounting.execution_lag,
        purge=folds.purge,
        embargo=folds.embargo,
        kind=folds.kind,
    )
    if len(splits) <= settings.held_out:
        raise InputError(
            f"{len(splits)} folds after a look-back of {longest} days, of which {settings.held_out} are held out; "
            "shorten folds.test_days or take more dates."
        )
    first = splits[-settings.held_out].test.first
    _check_length(panel, first, 0)
    seen = _before(panel, first)
    subject = FoldReturns(
        space=space,
        source=replace(source, data=replace(source.data, panel=panel.until(seen))),
        splits=splits[: -settings.held_out],
        measure=target.objective,
    )
    return TuningSource(settings, written, source, subject, seen, first)


def _check_length(panel: Panel, first: np.datetime64, unknown: int) -> None:
    days = len(panel.dates) - panel.row(first) - unknown
    if days < _FEWEST:
        raise InputError(
            f"only {days} days from {first} on are held out, and {_FEWEST} are needed; raise held_out, or end the data "
            "at the end of a fold."
        )


def _before(panel: Panel, first: np.datetime64) -> np.datetime64:
    return np.datetime64(panel.dates[panel.row(first) - 1])


def _held_out_forecasts(
    source: TuningSource, base: ForecastSource, point: Point, executor: Executor, resampling: Resampling
) -> HeldOut:
    study = base.settings
    winner, plain = source.subject.space.settings(point), source.subject.space.base
    assert isinstance(winner, ModelSettings), "a space of networks"
    pair = (winner, plain.model_copy(update={"name": f"{winner.name}-as-set"}))
    folds = study.folds.model_copy(update={"most": source.settings.held_out})
    two = replace(base, settings=study.model_copy(update={"models": pair, "folds": folds}))
    found = run_forecast_study(two, executor)
    ic, plain_ic = (model.ic for model in found.models[:2])
    return HeldOut(
        found.dates[0],
        found.dates[-1],
        winner=estimated_mean(ic, overlap=folds.horizon, resampling=resampling),
        base=estimated_mean(plain_ic, overlap=folds.horizon, resampling=resampling),
        difference=ic_difference(ic, plain_ic, horizon=folds.horizon, resampling=resampling),
    )


def _held_out_returns(
    source: TuningSource, base: Source, point: Point, executor: Executor, resampling: Resampling
) -> HeldOut:
    subject = source.subject
    assert isinstance(subject, FoldReturns), "a search of portfolios"
    returns, periods = [], base.panel.periods_per_year
    for study in (subject.space.settings(point), subject.space.base):
        assert isinstance(study, PortfolioSettings), "a space of portfolios"
        panel = portfolio_panel(base.panel, study, subject.splits[0])
        record = run_study(Source(study, replace(base.data, panel=panel)), executor).records[0]
        late = record.dates[1:] >= source.first_held_out
        returns.append(record.returns[late] - study.accounting.cash_rate / periods)
    days = record.dates[1:][late]
    best, plain = returns
    if subject.measure == "sharpe":
        winner, own = (sharpe_interval(series, resampling=resampling, periods_per_year=periods) for series in returns)
        difference = sharpe_difference(best, plain, resampling=resampling, periods_per_year=periods)
    else:
        winner, own = (
            _volatility(lambda rows, s=series: _yearly(s[rows], periods), len(days), resampling) for series in returns
        )
        difference = _volatility(
            lambda rows: _yearly(best[rows], periods) - _yearly(plain[rows], periods), len(days), resampling
        )
    return HeldOut(days[0], days[-1], winner, own, difference)


def _yearly(returns: Float, periods_per_year: int) -> Float:
    return np.asarray(returns.std(axis=-1, ddof=1) * math.sqrt(periods_per_year))


def _volatility(measure: Callable[..., Float], n_days: int, resampling: Resampling) -> Estimate:
    """A volatility, or a difference of two, with its block-bootstrap interval."""
    value, samples = float(measure(np.arange(n_days))), measure(resampling.rows(n_days))
    stray = int((np.abs(samples - value) >= abs(value)).sum())
    return Estimate(
        mean=value,
        error=float(samples.std(ddof=1)),
        interval=interval(samples, resampling.level),
        p_value=(1 + stray) / (1 + len(samples)),
        n_days=n_days,
    )
