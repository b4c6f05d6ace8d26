"""Forecasters whose settings are searched by their mean validation IC; networks side by side, epoch by epoch."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.analytics.bootstrap import Resampling, estimated_mean
from quantray.analytics.forecasts import ic_difference
from quantray.data.splits import Split, label_gap
from quantray.errors import InputError, SolverError
from quantray.models.checkpoint import load_checkpoint
from quantray.models.forecaster import FitContext, blinded
from quantray.models.learned import torch_threads
from quantray.models.training import EpochReport
from quantray.research.executor import Executor
from quantray.research.numerics import Numerics
from quantray.research.results import ResultStore
from quantray.research.space import Point, SearchSpace
from quantray.research.tunable import HeldOut, Progress, SearchTerms, Tunable, check_held_out, day_before, finite
from quantray.studies.forecasts.settings import FeatureSettings, ForecastSettings, ModelSettings
from quantray.studies.forecasts.study import load_forecasts, run_forecasts, study_splits
from quantray.studies.forecasts.trial import ForecastData, ForecastTrial, build_forecaster, fit_seed, forecast_key
from quantray.studies.forecasts.tunable_scores import FoldScores, fits_folder

__all__ = ["FoldFits", "tunable_forecaster"]


def tunable_forecaster(written: ForecastSettings, search: SearchTerms) -> Tunable:
    """A network, or a forecaster with parameters, of a study; its mean validation IC over folds is raised.

    Raises
    ------
    InputError
        The study has no such forecaster, the space does not fit it, an objective is named, or too few dates are left to
        search on or are held out.
    DataError
        As ``load_forecasts``.
    """
    target, study = search.target, written.model_copy(update=search.here)
    model = _subject(study, search)
    space = SearchSpace(model.model_copy(update={"warm_start": False}), search.space)
    source = load_forecasts(study)
    panel, splits = source.panel, study_splits(source.settings, source.panel)
    # The first fold held out may validate: its validation range ends before its test range.
    chosen = splits[: len(splits) - search.held_out + 1]
    if len(splits) < search.held_out:
        raise InputError(f"{len(splits)} folds, of which {search.held_out} are held out; lower held_out.")
    first = splits[-search.held_out].test.first
    # The last returns of the panel are not known yet.
    check_held_out(panel, first, label_gap(study.folds.horizon, study.accounting.execution_lag))
    is_network = model.kind == "network"
    fits = partial(FoldFits, seeds=target.seeds) if is_network else FoldScores
    subject = fits(
        space=space,
        data=ForecastData(blinded(panel, first), source.data.sectors, ResultStore(Path("unused"))),
        splits=tuple(chosen),
        before=study.folds.warm_up_days,
        threads=study.threads,
        numerics=study.numerics,
        features=study.features,
        folder=fits_folder(Path(search.runs)),
    )

    def best(point: Point) -> ForecastSettings:
        found = space.settings(point)
        models = tuple(found if each.name == found.name else each for each in written.models)
        return written.model_copy(update={"models": models})

    def held_out(point: Point, executor: Executor, resampling: Resampling) -> HeldOut:
        winner = space.settings(point)
        pair = (winner, space.base.model_copy(update={"name": f"{winner.name}-as-set"}))
        folds = source.settings.folds.model_copy(update={"most": search.held_out})
        two = replace(source, settings=source.settings.model_copy(update={"models": pair, "folds": folds}))
        found = run_forecasts(two, executor)
        ic, plain = (each.ic for each in found.models[:2])
        return HeldOut(
            found.dates[0],
            found.dates[-1],
            winner=estimated_mean(ic, overlap=folds.horizon, resampling=resampling),
            base=estimated_mean(plain, overlap=folds.horizon, resampling=resampling),
            difference=ic_difference(ic, plain, horizon=folds.horizon, resampling=resampling),
        )

    return Tunable(
        name=target.subject,
        measure="mean validation IC",
        maximise=True,
        source=source,
        subject=subject,
        seen_through=day_before(panel, first),
        first_held_out=first,
        best=best,
        held_out_trials=2 * (study.seeds if is_network else 1) * search.held_out / (len(chosen) * target.seeds),
        held_out=held_out,
    )


def _subject(study: ForecastSettings, search: SearchTerms) -> ModelSettings:
    """The model that is searched, which hears of all that the space names."""
    target = search.target
    known = [model for model in study.models if model.kind == "network" or model.takes_parameters]
    model = next((each for each in known if each.name == target.subject), None)
    if model is None:
        names = ", ".join(each.name for each in known) or "none"
        raise InputError(
            f"{target.study} has no network, or forecaster with parameters, {target.subject!r}; it has {names}."
        )
    if target.objective is not None:
        raise InputError(
            f"objective {target.objective!r} is of portfolios; a forecaster is chosen by its validation IC."
        )
    is_network = model.kind == "network"
    if target.seeds != 1 and not is_network:
        raise InputError(f"seeds {target.seeds} are of networks; {model.name} is fitted once.")
    unheard = next((name for name in search.space if name.startswith("parameters.") == is_network), None)
    if unheard is not None:
        heard = "has no parameters of its own" if is_network else "hears of its parameters alone, as parameters.NAME"
        raise InputError(f"space names {unheard!r}, but {model.name}, of kind {model.kind}, {heard}.")
    return model


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

    space: SearchSpace[ModelSettings]
    data: ForecastData
    splits: tuple[Split, ...]
    before: int
    seeds: int
    threads: int
    folder: Path
    """Where checkpoints go."""
    numerics: Numerics = "native"
    features: tuple[FeatureSettings, ...] = ()
    """Of the user's own."""

    @property
    def most_rounds(self) -> int:
        """See ``Subject``."""
        base = self.space.base
        epochs = self.space.largest("training.epochs", base.training.epochs)
        return epochs * self.space.largest("training.stages", len(base.training.stages))

    def elsewhere(self, runs: Path) -> "FoldFits":
        """See ``Subject``."""
        return replace(self, folder=fits_folder(runs))

    def rounds(self, point: Point) -> Iterator[Progress]:
        """See ``Subject``."""
        try:
            model = self.space.settings(point)
            with threadpool_limits(limits=self.threads), torch_threads(self.threads), ExitStack() as open_fits:
                fits = []
                for split in self.splits:
                    for seed in range(self.seeds):
                        trial = ForecastTrial(
                            model,
                            split,
                            seed,
                            self.before,
                            self.threads,
                            numerics=self.numerics,
                            features=self.features,
                        )
                        fits.append(_Fit(self.data, trial, self.folder))
                        open_fits.callback(fits[-1].close)
                ended = False
                while not ended:
                    best = [fit.advance() for fit in fits]
                    ended = all(fit.ended for fit in fits)
                    yield Progress(finite(float(np.mean(best))), ended)
        except (InputError, SolverError) as error:
            yield Progress(-1.0, finished=True, note=str(error))


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
            context = FitContext(
                own_features=trial.own_features,
                sectors=self._data.sectors,
                seed=fit_seed(trial),
                folder=self._folder,
                report=self._pause,
            )
            build_forecaster(trial.model, seed=trial.seed).fit(history, trial.split, context=context)
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
