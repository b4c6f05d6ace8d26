"""Forecasters of users' own, and parameters of quantray's, tried on a made-up market before any work is handed out."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.arrays import Dates, Float
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError, SolverError
from quantray.models.forecaster import FitContext, Fitted
from quantray.models.learned import torch_threads
from quantray.research.background import within
from quantray.research.folds import walk_forward
from quantray.research.progress import say
from quantray.studies.forecasts.settings import ForecastSettings, ModelSettings
from quantray.studies.forecasts.trial import build_forecaster

__all__ = ["try_models"]

_NAMES, _BEFORE = 24, 260
_TRAIN, _VALID, _TEST = 60, 15, 6
_MOST_DAYS = 5
"""Of a label; the made-up market is short."""
_SAME = 1e-5
"""Of the largest score, that what should be the same may differ by: sums of other lengths end in other bits."""
_ORDER = 1e-3

R = TypeVar("R")


def try_models(settings: ForecastSettings, *, sectors: bool) -> None:
    """See that what a user brings to a study of forecasters keeps to what every forecaster keeps to.

    It is fitted on a made-up market and asked, several times and in another order of dates: it must give finite scores
    of the right shape within ``trial_seconds``, the same again for the same seed and the same past, whatever it was
    asked in between and whatever prices follow. Where scores depend on the order of the assets, that is said.

    Parameters
    ----------
    sectors : whether the study knows them.

    Raises
    ------
    InputError
        It does not; the message says what it did and what was expected.
    """
    tried = [m for m in settings.models if m.own is not None or m.parameters or m.kind == "lightgbm"]
    if not tried:
        return
    folds, lag = settings.folds, settings.accounting.execution_lag
    horizon = min(folds.horizon, _MOST_DAYS)
    days = _BEFORE + _TRAIN + _VALID + _TEST + 2 * (horizon + lag)
    panel = simulate_market(_NAMES, days, seed=20, listing_share=0, delisting_share=0).panel
    fold = walk_forward(
        panel.dates[_BEFORE:], train_days=_TRAIN, valid_days=_VALID, test_days=_TEST, horizon=horizon, lag=lag
    )[0]
    known = {str(name): f"Sector {place % 2}" for place, name in enumerate(panel.assets)} if sectors else {}
    context = FitContext(sectors=known, seed=20, threads=settings.threads)
    with threadpool_limits(limits=settings.threads), torch_threads(settings.threads):
        for model in tried:
            _Door(model, fold, context).pass_through(panel)


class _Door:
    """Fits and scores of one model on a made-up market."""

    def __init__(self, model: ModelSettings, fold: Split, context: FitContext) -> None:
        self._model, self._fold, self._context = model, fold, context
        self._told = "tried on made-up prices before the study"

    def pass_through(self, panel: Panel) -> None:
        dates = panel.dates[self._fold.rows(panel.dates).test]
        past, day = panel.until(dates[0]), dates[:1]
        fitted = self._fitted(panel)
        first = self._scores(fitted, past, day)
        whole = self._scores(fitted, panel, dates)
        if not _same(self._scores(fitted, past, day), first):
            self._refuse_state(fitted, past, day)
        if not _same(whole[:1], first):
            raise self._refused(
                "it gave other scores when prices of later dates were there: it looks ahead; score each date from what "
                "is known at its close"
            )
        if not _same(self._scores(self._fitted(panel), past, day), first):
            raise self._refused(
                "fitted again on the same data it gave other scores: it draws random numbers without the seed, or "
                "keeps something between fits; take random_state among its parameters, or context.seed"
            )
        self._say_order(panel, day, first)

    def _refuse_state(self, fitted: Fitted, past: Panel, day: Dates) -> None:
        settled = _same(self._scores(fitted, past, day), self._scores(fitted, past, day))
        raise self._refused(
            "it gave other scores for the same past after it had seen a later date: it keeps something between dates; "
            "score from what is given alone"
            if settled
            else "it gave other scores for the same past when asked again: it draws random numbers, or keeps something "
            "between calls; draw them in the fit, from its seed"
        )

    def _say_order(self, panel: Panel, day: Dates, first: Float) -> None:
        """Law of all of quantray's own forecasters; some of users' have no other way."""
        turned = panel.select(panel.assets[::-1])
        scores = self._scores(self._fitted(turned), turned.until(day[0]), day)[:, ::-1]
        if not _same(scores, first, _ORDER):
            say(f"{self._model.name}: {self._told}, scores depend on the order of the assets")

    def _fitted(self, panel: Panel) -> Fitted:
        return self._within(lambda: build_forecaster(self._model).fit(panel, self._fold, context=self._context), "fit")

    def _scores(self, fitted: Fitted, panel: Panel, dates: Dates) -> Float:
        found = self._within(lambda: fitted.predict(panel, dates), "forecast")
        return np.nan_to_num(found.values)

    def _within(self, work: Callable[[], R], what: str) -> R:
        seconds = self._model.trial_seconds
        try:
            return within(seconds, work, name="trial")
        except TimeoutError as error:
            raise self._refused(
                f"a {what} of {_NAMES} names took more than {seconds:g} s; make it faster, or raise trial_seconds"
            ) from error
        except (DataError, InputError, SolverError) as error:
            raise self._refused(str(error).removeprefix(f"{self._model.name}: ").rstrip(".")) from error

    def _refused(self, what: str) -> InputError:
        return InputError(f"{self._model.name}: {self._told}, {what}.")


def _same(scores: Float, others: Float, within: float = _SAME) -> bool:
    return bool(np.allclose(scores, others, rtol=0, atol=within * max(np.abs(others).max(), 1e-300)))
