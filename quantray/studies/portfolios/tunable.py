"""Allocators whose settings are searched: what they do out of sample, after costs, fold by fold."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from quantray.analytics.bootstrap import Estimate, Resampling, interval
from quantray.analytics.metrics import over_cash, performance
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.analytics.track import TrackRecord
from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import InputError, SolverError
from quantray.research.executor import Executor, Serial
from quantray.research.folds import walk_forward
from quantray.research.kind import Source
from quantray.research.market import MarketData
from quantray.research.space import Point, SearchSpace
from quantray.research.tunable import HeldOut, Progress, SearchTerms, Tunable, check_held_out, day_before, finite
from quantray.studies.portfolios.benchmark import Yardsticks
from quantray.studies.portfolios.risk_free import cash_of
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import PortfolioSource, load_portfolios, run_portfolios

__all__ = ["FoldReturns", "portfolio_panel", "tunable_allocator"]

_OUTSIDE = ("folds.lookback_days", "rebalance", "min_history", "min_volatility", "policy.kind", "policy.size")
"""Settings outside an allocator that its search may name."""

Measure = Literal["volatility", "sharpe"]
_WORDS: dict[Measure, str] = {"volatility": "yearly volatility after costs", "sharpe": "Sharpe ratio after costs"}


def tunable_allocator(written: PortfolioSettings, search: SearchTerms) -> Tunable:
    """An allocator of a study of portfolios; what it does out of sample, after costs, is improved.

    Raises
    ------
    InputError
        The study has no such allocator, the space does not fit it, the objective is unknown, or too few dates are left
        to search on or are held out.
    DataError
        As ``load_portfolios``.
    """
    target, study = search.target, written.model_copy(update=search.here)
    measure = _measure(target.objective or "volatility")
    if target.seeds != 1:
        raise InputError(f"seeds {target.seeds} are of networks; an allocator has nothing random.")
    allocator = next((a for a in study.allocators if a.name == target.subject), None)
    if allocator is None:
        names = ", ".join(a.name for a in study.allocators)
        raise InputError(f"{target.study} has no allocator {target.subject!r}; its allocators are {names}.")
    alone = study.model_copy(update={"allocators": (allocator,), "benchmark": allocator.name})
    # Refused before anything is loaded.
    _space(alone, search)
    source = load_portfolios(alone)
    space = _space(source.settings, search)
    panel, splits = source.panel, _splits(source, space, search.held_out)
    first = splits[-search.held_out].test.first
    check_held_out(panel, first, 0)
    seen = day_before(panel, first)
    subject = FoldReturns(
        space=space,
        source=replace(source, data=replace(source.data, panel=panel.until(seen))),
        splits=splits[: -search.held_out],
        measure=measure,
    )

    def best(point: Point) -> PortfolioSettings:
        found = space.settings(point)
        tuned = found.allocators[0]
        allocators = tuple(tuned if each.name == tuned.name else each for each in written.allocators)
        names = ("folds", "rebalance", "min_history", "min_volatility", "policy")
        return written.model_copy(update={"allocators": allocators} | {name: getattr(found, name) for name in names})

    def held_out(point: Point, executor: Executor, resampling: Resampling) -> HeldOut:
        return _held_out(source, subject, (space.settings(point), space.base), first, executor, resampling)

    return Tunable(
        name=target.subject,
        measure=_WORDS[measure],
        maximise=measure == "sharpe",
        source=source,
        subject=subject,
        seen_through=seen,
        first_held_out=first,
        best=best,
        held_out_trials=2.0,
        held_out=held_out,
    )


@dataclass(frozen=True, eq=False)
class FoldReturns:
    """A portfolio over several folds; the objective is the volatility or Sharpe ratio of its returns after costs.

    A round adds the test range of one fold. All trials see the same dates, whatever their look-back. Decisions are kept
    by content, so a trial that is begun again repeats only the accounts.

    Parameters
    ----------
    source : its panel must end before the dates that are held out.
    splits : of the folds whose test ranges choose, for the longest look-back of the space.
    """

    space: SearchSpace[PortfolioSettings]
    source: PortfolioSource
    splits: tuple[Split, ...]
    measure: Literal["volatility", "sharpe"]

    @property
    def most_rounds(self) -> int:
        """See ``Subject``."""
        return len(self.splits)

    def elsewhere(self, runs: Path) -> "FoldReturns":
        """See ``Subject``."""
        return replace(self, space=replace(self.space, base=self.space.base.model_copy(update={"runs": str(runs)})))

    def rounds(self, point: Point) -> Iterator[Progress]:
        """See ``Subject``."""
        try:
            study = self.space.settings(point)
            panel = portfolio_panel(self.source.panel, study, self.splits[0])
            executor = Serial(threads=study.threads)
            for number, split in enumerate(self.splits, 1):
                data = replace(self.source.data, panel=panel.until(split.test.last))
                record = run_portfolios(Source(study, data, Yardsticks()), executor).records[0]
                yield Progress(self._objective(record, study), number == len(self.splits))
        except (InputError, SolverError) as error:
            yield Progress(10.0 if self.measure == "volatility" else -10.0, finished=True, note=str(error))

    def _objective(self, record: TrackRecord, study: PortfolioSettings) -> float:
        rate = _risk_free(study, self.source.data, record)
        found = performance(record.returns, risk_free=rate, periods_per_year=record.periods_per_year)
        return finite(found.annual_volatility if self.measure == "volatility" else found.sharpe)


def _risk_free(study: PortfolioSettings, data: MarketData, record: TrackRecord) -> float | Float:
    """What the Sharpe ratios of a study are in excess of, on the days of a record."""
    if study.risk_free is None:
        return study.accounting.cash_rate
    return cash_of(study.risk_free, data, record.dates).returns_on(record.dates)


def portfolio_panel(panel: Panel, study: PortfolioSettings, first: Split) -> Panel:
    """The panel cut so that a study's first test range begins where that of a split does, whatever its look-back."""
    start = first.rows(panel.dates).train.stop - study.folds.lookback_days
    if start < 0:
        raise InputError(f"look-back {study.folds.lookback_days} begins {-start} days before the data; shorten it.")
    return panel.between(panel.dates[start], panel.dates[-1])


def _splits(source: PortfolioSource, space: SearchSpace[PortfolioSettings], held_out: int) -> tuple[Split, ...]:
    """The folds of a study for the longest look-back of a space, some of which are held out."""
    study, folds = source.settings, source.settings.folds
    longest = max(folds.lookback_days, space.largest("folds.lookback_days", folds.lookback_days))
    splits = walk_forward(
        source.panel.dates,
        train_days=longest,
        test_days=folds.test_days,
        horizon=folds.horizon,
        lag=study.accounting.execution_lag,
        purge=folds.purge,
        embargo=folds.embargo,
        kind=folds.kind,
    )
    if len(splits) <= held_out:
        raise InputError(
            f"{len(splits)} folds after a look-back of {longest} days, of which {held_out} are held out; "
            "shorten folds.test_days or take more dates."
        )
    return splits


def _space(study: PortfolioSettings, search: SearchTerms) -> SearchSpace[PortfolioSettings]:
    return SearchSpace(study, search.space, root=("allocators", 0), outside=_OUTSIDE)


def _measure(objective: str) -> Measure:
    for known in _WORDS:
        if objective == known:
            return known
    raise InputError(f"objective {objective!r} is not among {', '.join(_WORDS)}.")


def _held_out(
    base: PortfolioSource,
    subject: FoldReturns,
    studies: tuple[PortfolioSettings, PortfolioSettings],
    first: np.datetime64,
    executor: Executor,
    resampling: Resampling,
) -> HeldOut:
    """The winner and the study as it was, after the last date that trials saw."""
    returns, periods = [], base.panel.periods_per_year
    for study in studies:
        panel = portfolio_panel(base.panel, study, subject.splits[0])
        found = run_portfolios(Source(study, replace(base.data, panel=panel), Yardsticks()), executor)
        record = found.records[0]
        late = record.dates[1:] >= first
        rate = _risk_free(study, base.data, record)
        returns.append(over_cash(record.returns, rate, periods_per_year=periods)[late])
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
