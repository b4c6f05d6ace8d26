"""Several methods, one path: their probabilities averaged, those that foretold the past best counting most."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from quantray.arrays import Float, frozen
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.regimes.classifier import ClassifierSettings, classifier_regimes
from quantray.regimes.clustering import ClusteringSettings, cluster_regimes
from quantray.regimes.hmm import HmmSettings, hmm_regimes
from quantray.regimes.observations import daily_observations, indicator_observations
from quantray.regimes.path import RegimePath, minimum_dwell
from quantray.regimes.pooling import LearntWeights, log_score_weights
from quantray.regimes.schedule import RefitSchedule, Schedule
from quantray.regimes.unseen import usual_cuts

__all__ = ["METHODS", "EnsembleRegimes", "EnsembleSettings", "agreements", "combine", "ensemble_regimes"]

METHODS = ("hmm", "kmeans", "mixture", "classifier")


@dataclass(frozen=True, kw_only=True)
class EnsembleSettings:
    """Which methods, and how much each of them counts.

    Parameters
    ----------
    weights : method -> weight before anything is learnt, some of hmm, kmeans, mixture and classifier. The hidden Markov
        model counts for nearly all: it alone knows how long regimes last and that some may not have come yet, of which
        forecasts say little; the others keep it from being all too sure.
    shrinkage : rows of a regime that these weights count for; see ``pooling.log_score_weights``.
    spell : rows whose scores count as one: those of a regime's usual stay.
    states : number of regimes of every method, 2 to 4.
    dwell_days : days running that a new regime must be seen for; 1 believes at once.
    schedule : when all methods are fitted.
    seed : of all methods.

    Raises
    ------
    InputError
        An unknown method, weights that are negative or all zero, or a value out of range.
    """

    weights: Mapping[str, float] = field(
        default_factory=lambda: {"hmm": 100.0, "kmeans": 1.0, "mixture": 1.0, "classifier": 1.0}
    )
    shrinkage: float = 21.0
    spell: float = 50.0
    states: int = 3
    dwell_days: int = 1
    schedule: Schedule = field(default_factory=RefitSchedule)
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weights) - set(METHODS))
        if unknown:
            raise InputError(f"methods {unknown} are not among {', '.join(METHODS)}.")
        _shares(self.weights)
        for name in ("shrinkage", "spell"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} {getattr(self, name)} must be positive and finite.")
        if self.states not in (2, 3, 4) or self.dwell_days < 1 or self.seed < 0:
            raise InputError(
                f"states {self.states} must be 2, 3 or 4, dwell_days {self.dwell_days} 1 or more and seed {self.seed} "
                "not negative."
            )


@dataclass(frozen=True, eq=False)
class EnsembleRegimes:
    """The common path, those of the methods, and how alike they are."""

    path: RegimePath
    members: Mapping[str, RegimePath]
    agreement: Float
    """(M, M) share of common rows on which two methods name the same regime, in the order of ``members``."""
    learnt: LearntWeights
    """What each method was trusted with, and whether the past could tell them apart."""


def ensemble_regimes(panel: Panel, settings: EnsembleSettings | None = None) -> EnsembleRegimes:
    """Low to high volatility by all methods at once, each fitted on the past of every date only.

    The hidden Markov model sees single days, the others trailing indicators. The classifier predicts the volatility
    of the days ahead; the others describe that of today.

    Parameters
    ----------
    panel : with close, volume and, for better volatilities, high and low.

    Raises
    ------
    DataError
        A field is missing, or an indicator does not vary.
    SolverError
        The first fit of the hidden Markov model failed.
    """
    settings = settings or EnsembleSettings()
    schedule, seed, states = settings.schedule, settings.seed, settings.states
    daily, indicators = daily_observations(panel), indicator_observations(panel)
    paths = {}
    for method, weight in settings.weights.items():
        if weight == 0:
            continue
        if method == "hmm":
            found = hmm_regimes(daily, HmmSettings.of_regimes(states, schedule=schedule, seed=seed)).path
        elif method == "classifier":
            found = classifier_regimes(
                indicators, ClassifierSettings(states=states, shares=usual_cuts(states), schedule=schedule, seed=seed)
            ).path
        else:
            kind: Literal["kmeans", "mixture"] = "kmeans" if method == "kmeans" else "mixture"
            clusters = ClusteringSettings(method=kind, states=states, schedule=schedule, seed=seed)
            found = cluster_regimes(indicators, clusters).path
        paths[method] = found
    prior = {method: settings.weights[method] for method in paths}
    learnt = log_score_weights(
        paths,
        daily.values[:, daily.column("volatility")],
        prior,
        shrinkage=settings.shrinkage,
        spell=settings.spell,
    )
    path = combine(paths, weights=learnt.weights, dwell_days=settings.dwell_days)
    return EnsembleRegimes(path, paths, agreements(paths.values()), learnt)


def combine(
    paths: Mapping[str, RegimePath],
    *,
    weights: Mapping[str, float] | Mapping[str, Float] | None = None,
    dwell_days: int = 1,
) -> RegimePath:
    """The weighted mean of probabilities, its likeliest regime, and a minimum time before a new one counts.

    A method that knows nothing yet is left out of the mean of that row; its weight goes to the others. Names are
    matched, so their order may differ.

    Parameters
    ----------
    paths : method -> path; all with the same dates and the same names. ``path.regroup`` brings finer ones in line.
    weights : method -> weight, not negative, or (T, R) of them for each row and regime; None for equal ones.
    dwell_days : see ``path.minimum_dwell``.

    Raises
    ------
    InputError
        No paths, dates or names that differ, weights for other methods, or weights that are negative or all zero.
    """
    if not paths:
        raise InputError("no paths to combine; give at least one.")
    first = next(iter(paths.values()))
    for method, path in paths.items():
        if not np.array_equal(path.dates, first.dates):
            raise InputError(f"the path of {method} has other dates; run all methods on the same panel.")
        if set(path.names.tolist()) != set(first.names.tolist()):
            raise InputError(
                f"{method} names {path.names.tolist()} where the first names {first.names.tolist()}; regroup them."
            )
    if weights is not None and set(weights) != set(paths):
        raise InputError(f"weights are for {sorted(weights)}, paths for {sorted(paths)}; give one to each.")
    shares = _shares(weights or dict.fromkeys(paths, 1.0))
    total = np.zeros(first.probabilities.shape)
    for method, path in paths.items():
        columns = [path.names.tolist().index(name) for name in first.names.tolist()]
        total += shares[method] * np.nan_to_num(path.probabilities[:, columns])
    known = total.sum(axis=1, keepdims=True)
    chances = np.divide(total, known, out=np.full(total.shape, np.nan), where=known > 0)
    return minimum_dwell(RegimePath.likeliest(first.dates, first.names, chances), dwell_days)


def agreements(paths: Iterable[RegimePath]) -> Float:
    """(M, M) share of common known rows on which two paths have the same name; NaN without such rows."""
    members = list(paths)
    out = np.ones((len(members), len(members)))
    for i, one in enumerate(members):
        for j in range(i):
            out[i, j] = out[j, i] = one.agreement(members[j]).same
    return frozen(out)


def _shares(weights: Mapping[str, float] | Mapping[str, Float]) -> dict[str, Float]:
    values = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    good = all(((value >= 0) & (value < np.inf)).all() for value in values.values())
    if not values or not good or not (sum(values.values()) > np.zeros(1)).all():
        raise InputError(f"weights {dict(weights)} must not be negative, and one of them must be positive.")
    total = np.asarray(sum(values.values()))
    return {name: value / total for name, value in values.items()}
