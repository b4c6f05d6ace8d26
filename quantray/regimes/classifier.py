"""Regimes ahead: classifiers that learn from the past which indicators came before which markets."""

import warnings
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from quantray.arrays import Float, Int, Names
from quantray.errors import DataError, InputError
from quantray.regimes.observations import Observations, state_names
from quantray.regimes.path import RegimePath
from quantray.regimes.schedule import RefitSchedule, Schedule, seed_of, spread_out

__all__ = [
    "ClassifierFit",
    "ClassifierRegimes",
    "ClassifierSettings",
    "classifier_regimes",
    "forward_labels",
    "forward_measure",
]

MODELS = ("boosting", "forest", "logistic")
_TRENDS = ("bear", "neutral", "bull")


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """What is predicted and how.

    Parameters
    ----------
    target : ``volatility`` for the volatility of the index over the next ``horizon`` rows, or ``trend`` for its
        return over them, in units of what random signs would give.
    horizon : rows ahead, from the next one on.
    states : classes of volatility, 2 to 4; the trend has three: bear, neutral and bull.
    shares : of the training labels where one class ends and the next begins, strictly increasing; None for classes
        of equal size.
    models : some of boosting, forest and logistic; their probabilities are averaged.
    trees : of the forest, and rounds of boosting.
    schedule : when to fit.
    seed : of the models.

    Raises
    ------
    InputError
        A value is out of range.
    """

    target: Literal["volatility", "trend"] = "volatility"
    horizon: int = 21
    states: int = 3
    shares: tuple[float, ...] | None = None
    models: tuple[str, ...] = MODELS
    trees: int = 100
    schedule: Schedule = field(default_factory=RefitSchedule)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.target not in ("volatility", "trend"):
            raise InputError(f"target {self.target!r} is not one of volatility, trend.")
        if not self.models or not set(self.models) <= set(MODELS):
            raise InputError(f"models {self.models} must be some of {', '.join(MODELS)}.")
        if self.horizon < 1 or self.trees < 1 or self.seed < 0:
            raise InputError(
                f"horizon {self.horizon} and trees {self.trees} must be 1 or more, seed {self.seed} not negative."
            )
        if self.target == "trend" and self.states != 3:
            raise InputError(f"the trend has 3 states, not {self.states}.")
        if self.schedule.first < self.horizon + 40:
            raise InputError(
                f"the first fit after {self.schedule.first} rows has too few labels of {self.horizon} rows ahead; "
                f"set first to {self.horizon + 40} or more."
            )
        cuts = (0.0, *self.cuts, 1.0)
        if len(self.cuts) != len(self.names) - 1 or not (np.diff(cuts) > 0).all():
            raise InputError(f"shares {self.cuts} must be {len(self.names) - 1}, strictly between 0 and 1, rising.")

    @property
    def names(self) -> Names:
        """(R,) the classes, in order of what is measured."""
        return np.asarray(_TRENDS) if self.target == "trend" else state_names(self.states)

    @property
    def cuts(self) -> tuple[float, ...]:
        """(R - 1,) shares of the training labels below each border."""
        if self.shares is not None:
            return self.shares
        return tuple(k / len(self.names) for k in range(1, len(self.names)))


@dataclass(frozen=True, eq=False)
class ClassifierFit:
    """One fit and what it learnt from."""

    date: np.datetime64
    """The row at whose close it was fitted."""
    last_label: np.datetime64
    """The last row with a label; its label ends on ``date`` at the latest."""
    rows: int
    borders: Float
    """(R - 1,) of the measure between the classes, from the training rows."""
    not_converged: tuple[str, ...]
    """Models that ran out of iterations."""
    score: float
    """Brier score of its probabilities on the rows it labelled, where their labels are known now: 0 is perfect, and
    ``(R - 1) / R`` what equal probabilities get; NaN where none is. It looks back on the fit: it decides nothing."""


@dataclass(frozen=True, eq=False)
class ClassifierRegimes:
    """Regimes and every fit behind them."""

    path: RegimePath
    fits: tuple[ClassifierFit, ...]


def classifier_regimes(observations: Observations, settings: ClassifierSettings | None = None) -> ClassifierRegimes:
    """Learn which indicators went before which forward state, and label each row by what it forebodes.

    At a fit after row t the training rows end at ``t - horizon``: the labels of later rows look beyond t. Borders
    between classes are quantiles of the training labels. Rows that lack a column hold the last probabilities.

    Raises
    ------
    DataError
        The training rows of a fit hold one class only.

    Source: Lopez de Prado (2018), *Advances in Financial Machine Learning*, ch. 7, for the purge.
    """
    settings = settings or ClassifierSettings()
    measure = forward_measure(observations.returns, settings.horizon, settings.target)
    rows = observations.complete
    values, ahead = observations.values[rows], measure[rows]
    fits: list[ClassifierFit] = []
    blocks = []
    for segment in settings.schedule.segments(len(rows)):
        today = int(rows[segment.fit][-1])
        # Rows without a column lie in between, so the purge counts rows of time, not of the training set.
        training = np.arange(segment.fit.start, segment.fit.stop)
        training = training[(rows[training] + settings.horizon <= today) & ~np.isnan(ahead[training])]
        if len(training) < 20:
            raise DataError(f"{len(training)} rows up to {observations.dates[today]} have labels; begin later.")
        borders = np.quantile(ahead[training], settings.cuts)
        labels = forward_labels(ahead[training], borders)
        if len(np.unique(labels)) < 2:
            raise DataError(f"the labels up to {observations.dates[today]} are all of one class; widen the window.")
        chances, weak = _averaged(
            values[training], labels, values[segment.use], settings, seed_of(settings.seed, today)
        )
        blocks.append(chances)
        fits.append(
            ClassifierFit(
                observations.dates[today],
                observations.dates[rows[training[-1]]],
                len(training),
                borders,
                weak,
                _brier(chances, ahead[segment.use], borders),
            )
        )
    names = settings.names
    if not fits:
        nothing = np.full((len(observations.dates), len(names)), np.nan)
        return ClassifierRegimes(RegimePath.likeliest(observations.dates, names, nothing), ())
    known: Int = rows[settings.schedule.begins :]
    spread = spread_out(np.vstack(blocks), known, len(observations.dates))
    return ClassifierRegimes(RegimePath.likeliest(observations.dates, names, spread), tuple(fits))


def forward_measure(returns: Float, horizon: int, target: Literal["volatility", "trend"]) -> Float:
    """(T,) what happens after each row: over rows ``t + 1`` to ``t + horizon``, NaN where they are not all known.

    ``volatility`` is the root mean square of the returns; ``trend`` their sum over the root of their sum of squares,
    which is about standard normal for returns without a trend.
    """
    steps = pd.Series(returns)
    squares = (steps**2).rolling(horizon).sum().shift(-horizon).to_numpy()
    squares = np.maximum(squares, 0.0)
    if target == "volatility":
        return np.asarray(np.sqrt(squares / horizon))
    total = steps.rolling(horizon).sum().shift(-horizon).to_numpy()
    width = np.sqrt(squares)
    flat = np.where(np.isnan(width), np.nan, 0.0)
    return np.asarray(np.divide(total, width, out=flat, where=width > 0))


def forward_labels(measure: Float, borders: Float) -> Int:
    """(T,) the class of each measure: the number of borders at or below it."""
    return np.searchsorted(borders, measure, side="right").astype(np.int64)


def _averaged(
    values: Float, labels: Int, asked: Float, settings: ClassifierSettings, seed: int
) -> tuple[Float, tuple[str, ...]]:
    """(U, R) mean probabilities of the models, and the names of those that did not converge."""
    total = np.zeros((len(asked), len(settings.names)))
    weak = []
    for name in settings.models:
        model = _model(name, settings, seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(values, labels)
        if any(issubclass(w.category, ConvergenceWarning) for w in caught):
            weak.append(name)
        # A class that the training rows lack has no column.
        total[:, model.classes_] += model.predict_proba(asked)
    return total / total.sum(axis=1, keepdims=True), tuple(weak)


def _model(
    name: str, settings: ClassifierSettings, seed: int
) -> "HistGradientBoostingClassifier | RandomForestClassifier | LogisticRegression":
    """Shallow models: labels of neighbouring rows overlap, so there are far fewer than there are rows."""
    if name == "boosting":
        return HistGradientBoostingClassifier(
            max_iter=settings.trees,
            learning_rate=0.05,
            max_depth=3,
            min_samples_leaf=max(settings.horizon, 20),
            early_stopping=False,
            random_state=seed,
        )
    if name == "forest":
        return RandomForestClassifier(
            settings.trees, max_depth=6, min_samples_leaf=max(settings.horizon, 20), n_jobs=1, random_state=seed
        )
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500, random_state=seed))


def _brier(chances: Float, ahead: Float, borders: Float) -> float:
    known = ~np.isnan(ahead)
    if not known.any():
        return np.nan
    happened = np.eye(chances.shape[1])[forward_labels(ahead[known], borders)]
    return float(((chances[known] - happened) ** 2).sum(axis=1).mean())
