"""What a trial of a search computes: fits that go on side by side, epoch by epoch, or a portfolio, fold by fold."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.analytics.metrics import performance
from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError, InputError, SolverError
from quantray.features.returns import DELIST_RETURN
from quantray.models.checkpoint import load_checkpoint
from quantray.models.forecaster import FitContext
from quantray.models.learned import torch_threads
from quantray.models.training import EpochReport
from quantray.research.executor import Serial
from quantray.studies.forecasts.settings import ModelSettings
from quantray.studies.forecasts.trial import ForecastData, ForecastTrial, build_forecaster, forecast_key
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import Source, run_study
from quantray.studies.tuning.settings import Point, SearchSpace

__all__ = ["FoldFits", "FoldReturns", "Progress", "Subject", "blinded", "portfolio_panel"]


@dataclass(frozen=True)
class Progress:
    """Where a trial stands after a round."""

    objective: float
    finished: bool = False
    note: str = ""
    """Why the settings cannot be used; then the objective is the worst there is."""


class Subject(Protocol):
    """Something that is tuned; it travels to the workers with all it needs."""

    space: SearchSpace

    @property
    def most_rounds(self) -> int:
        """Rounds that a trial has at most."""
        ...

    def rounds(self, point: Point) -> Iterator[Progress]:
        """The progress of a trial, round by round; begun again, it repeats what was computed before without work."""
        ...


@dataclass(frozen=True, eq=False)
class FoldFits:
    """A network fitted on several folds; the objective is the mean of their validation ICs.

    A round is one epoch of every fit. A fit counts with its best epoch so far, and one that has ended stays in the
    mean. Each fit keeps a checkpoint, so a trial that is begun again goes on from the last epoch. The training data of
    all fits of a trial are in memory together.

    Parameters
    ----------
    data : its panel should end, or be ``blinded``, before the dates that are held out.
    splits : of the folds whose validation ranges choose; warm starts play no part.
    before : trading days before a training range that its fit may read.
    """

    space: SearchSpace
    data: ForecastData
    splits: tuple[Split, ...]
    before: int
    seeds: int
    threads: int
    folder: Path
    """Where checkpoints go."""

    @property
    def most_rounds(self) -> int:
        """See ``Subject``."""
        base = self.space.base
        assert isinstance(base, ModelSettings), "a space of networks"
        epochs = self.space.largest("training.epochs", base.training.epochs)
        return epochs * self.space.largest("training.stages", len(base.training.stages))

    def rounds(self, point: Point) -> Iterator[Progress]:
        """See ``Subject``."""
        try:
            model = self.space.settings(point)
            assert isinstance(model, ModelSettings), "a space of networks"
            with threadpool_limits(limits=self.threads), torch_threads(self.threads), ExitStack() as open_fits:
                fits = []
                for split in self.splits:
                    for seed in range(self.seeds):
                        trial = ForecastTrial(model, split, seed, self.before, self.threads)
                        fits.append(_Fit(self.data, trial, self.folder))
                        open_fits.callback(fits[-1].close)
                ended = False
                while not ended:
                    best = [fit.advance() for fit in fits]
                    ended = all(fit.ended for fit in fits)
                    yield Progress(_finite(float(np.mean(best))), ended)
        except (InputError, SolverError) as error:
            yield Progress(-1.0, finished=True, note=str(error))


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

    space: SearchSpace
    source: Source
    splits: tuple[Split, ...]
    measure: Literal["volatility", "sharpe"]

    @property
    def most_rounds(self) -> int:
        """See ``Subject``."""
        return len(self.splits)

    def rounds(self, point: Point) -> Iterator[Progress]:
        """See ``Subject``."""
        try:
            study = self.space.settings(point)
            assert isinstance(study, PortfolioSettings), "a space of portfolios"
            panel = portfolio_panel(self.source.panel, study, self.splits[0])
            executor = Serial(threads=max(1, int(study.cluster.cpus_per_task)))
            for number, split in enumerate(self.splits, 1):
                data = replace(self.source.data, panel=panel.until(split.test.last))
                returns = run_study(Source(study, data), executor).records[0].returns
                yield Progress(self._objective(returns, study), number == len(self.splits))
        except (InputError, SolverError) as error:
            yield Progress(10.0 if self.measure == "volatility" else -10.0, finished=True, note=str(error))

    def _objective(self, returns: Float, study: PortfolioSettings) -> float:
        rate, periods = study.accounting.cash_rate, self.source.panel.periods_per_year
        found = performance(returns, risk_free=rate, periods_per_year=periods)
        return _finite(found.annual_volatility if self.measure == "volatility" else found.sharpe)


def blinded(panel: Panel, first: np.datetime64) -> Panel:
    """The panel with nothing known, and nobody a member, from a date on.

    A delisting return that stands on the last close is known only after it, so that of the day before goes as well.
    """
    row = int(np.searchsorted(panel.dates, first))
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for name, values in fields.items():
        values[max(row - 1, 0) if name == DELIST_RETURN else row :] = np.nan
    member = panel.member.copy()
    member[row:] = False
    return replace(panel, fields=fields, member=member)


def portfolio_panel(panel: Panel, study: PortfolioSettings, first: Split) -> Panel:
    """The panel cut so that a study's first test range begins where that of a split does, whatever its look-back."""
    start = first.rows(panel.dates).train.stop - study.folds.lookback_days
    if start < 0:
        raise InputError(f"look-back {study.folds.lookback_days} begins {-start} days before the data; shorten it.")
    return panel.between(panel.dates[start], panel.dates[-1])


class _Fit:
    """A fit that goes on by one epoch when asked, from its checkpoint if there is one.

    It lives in a thread of its own that works only while the asking one waits; so nothing runs side by side, and
    the random generators of torch, which every epoch seeds anew, are those of one fit at a time.
    """

    def __init__(self, data: ForecastData, trial: ForecastTrial, folder: Path) -> None:
        key = forecast_key(data, trial)
        self._data, self._trial, self._folder = data, trial, folder / key[:2] / key
        self._path = self._folder / "checkpoint.pt"
        done = load_checkpoint(self._path).progress if self._path.is_file() else None
        self._known: list[EpochReport] = [] if done is None else list(done.history)
        self._complete, self._shown = done is not None and done.finished, 0
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._reported: EpochReport | None = None
        self._error: BaseException | None = None
        self._closed = False

    @property
    def ended(self) -> bool:
        """Whether every epoch has been shown."""
        return self._complete and self._shown >= len(self._known)

    def advance(self) -> float:
        """Go on to the next epoch, if there is one; the best validation IC so far."""
        if self._shown == len(self._known) and not self._complete:
            self._work()
        self._shown = min(self._shown + 1, len(self._known))
        return self._known[self._shown - 1].best_ic

    def close(self) -> None:
        """Stop the thread where it waits."""
        if self._thread is not None and self._thread.is_alive():
            self._closed = True
            self._go.release()
            self._thread.join()

    def _work(self) -> None:
        """One epoch, and after the last one what follows it."""
        report = self._resume()
        if report is not None:
            self._known.append(report)
            # The checkpoint of an epoch is written before the epoch is reported.
            if load_checkpoint(self._path).progress.finished:
                report = self._resume()
        self._complete = report is None

    def _resume(self) -> EpochReport | None:
        """Let the thread run to its next report; none when the fit is done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="quantray-fit", daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error
        found, self._reported = self._reported, None
        return found

    def _run(self) -> None:
        try:
            trial = self._trial
            history = trial.history(self._data.panel)
            context = FitContext(sectors=self._data.sectors, seed=_seed(trial), folder=self._folder, report=self._pause)
            build_forecaster(trial.model).fit(history, trial.split, context=context)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  (raised in the thread that asks)
            self._error = error
        self._back.release()

    def _pause(self, report: EpochReport) -> None:
        self._reported = report
        self._back.release()
        self._go.acquire()
        if self._closed:
            raise _Stopped


class _Stopped(Exception):  # noqa: N818  (no error: the fit is not wanted any further)
    """Unwinds a fit that was closed."""


def _seed(trial: ForecastTrial) -> int:
    """From the fold and the number of the fit, never from when or where it runs; the same for all settings."""
    fold = int(trial.split.test.first.astype(np.int64))
    return int(np.random.SeedSequence([fold, trial.seed]).generate_state(1)[0])


def _finite(value: float) -> float:
    if not np.isfinite(value):
        raise DataError(f"the objective is {value}: no label or return is known where it is measured; check the data.")
    return value
