"""Regimes as clusters of indicators: k-means and Gaussian mixtures, fitted on the past and sorted by meaning."""

import warnings
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from quantray.arrays import Float, Int
from quantray.errors import DataError, InputError
from quantray.regimes.observations import Observations, state_names
from quantray.regimes.path import RegimePath
from quantray.regimes.schedule import RefitSchedule, Schedule, seed_of, spread_out

__all__ = ["ClusterFit", "ClusterRegimes", "ClusteringSettings", "cluster_regimes"]

_REACH = 5.0
"""Standard deviations at which an indicator is cut: one crash must not own a cluster."""


@dataclass(frozen=True, kw_only=True)
class ClusteringSettings:
    """How clusters are found.

    Parameters
    ----------
    method : ``kmeans``, or ``mixture`` for a Gaussian mixture with full covariances.
    states : number of clusters, 2 to 4.
    schedule : when to fit.
    restarts : starting points of each fit; the best is kept.
    seed : of the starting points.

    Raises
    ------
    InputError
        A value is out of range.
    """

    method: Literal["kmeans", "mixture"] = "mixture"
    states: int = 3
    schedule: Schedule = field(default_factory=RefitSchedule)
    restarts: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in ("kmeans", "mixture"):
            raise InputError(f"method {self.method!r} is not one of kmeans, mixture.")
        if self.states not in (2, 3, 4) or self.restarts < 1 or self.seed < 0:
            raise InputError(
                f"states {self.states} must be 2, 3 or 4, restarts {self.restarts} 1 or more and seed {self.seed} "
                "not negative."
            )


@dataclass(frozen=True, eq=False)
class ClusterFit:
    """One fit and how it went."""

    date: np.datetime64
    """The last row it learnt from."""
    rows: int
    centres: Float
    """(R, F) in the units of the indicators, in the order of the names."""
    converged: bool
    drift: float
    """Mean distance of the centres from those of the same name at the fit before, in standard deviations; 0 at first.
    """
    renamed: int
    """Clusters nearer to one of another name at the fit before, by the best matching of all centres."""


@dataclass(frozen=True, eq=False)
class ClusterRegimes:
    """Regimes and every fit behind them."""

    path: RegimePath
    fits: tuple[ClusterFit, ...]


@dataclass(frozen=True, eq=False)
class _Clusters:
    """Sorted centres (R, F) in standard units, and the probabilities (T, R) of the rows asked for."""

    centres: Float
    probabilities: Float
    converged: bool


def cluster_regimes(observations: Observations, settings: ClusteringSettings | None = None) -> ClusterRegimes:
    """Cluster standardised indicators on a schedule and label each row by the clusters known at it.

    Means and deviations are those of the rows learnt from, and values are cut at five deviations. Clusters are sorted
    by the column ``volatility``, then by ``return``: the same name means the same kind of market after every fit, and
    each fit records where that differs from the nearest cluster before. Rows that lack a column hold the last
    probabilities.

    Parameters
    ----------
    observations : indicators that smooth over days, such as ``observations.indicator_observations``.

    Raises
    ------
    DataError
        A column does not vary within the rows of a fit.
    """
    settings = settings or ClusteringSettings()
    rows = observations.complete
    values = observations.values[rows]
    names = state_names(settings.states)
    fits: list[ClusterFit] = []
    blocks = []
    for segment in settings.schedule.segments(len(rows)):
        past, last = values[segment.fit], int(rows[segment.fit][-1])
        centre, scale = past.mean(axis=0), past.std(axis=0)
        flat = [name for name, width in zip(observations.names, scale, strict=True) if not width > 1e-12]
        if flat:
            raise DataError(f"{', '.join(flat)} does not vary in the rows up to {observations.dates[last]}; drop it.")
        learnt = np.clip((past - centre) / scale, -_REACH, _REACH)
        asked = np.clip((values[segment.use] - centre) / scale, -_REACH, _REACH)
        seed = seed_of(settings.seed, last)
        found = (_kmeans if settings.method == "kmeans" else _mixture)(learnt, asked, settings, seed)
        order = observations.order(found.centres)
        blocks.append(found.probabilities[:, order])
        centres = found.centres[order] * scale + centre
        before = fits[-1].centres if fits else centres
        apart = np.linalg.norm((centres[:, None] - before[None]) / scale, axis=2)
        matched = linear_sum_assignment(apart)[1]
        fits.append(
            ClusterFit(
                observations.dates[last],
                len(past),
                centres,
                found.converged,
                drift=float(np.diagonal(apart).mean()),
                renamed=int((matched != np.arange(settings.states)).sum()),
            )
        )
    if not fits:
        nothing = np.full((len(observations.dates), settings.states), np.nan)
        return ClusterRegimes(RegimePath.likeliest(observations.dates, names, nothing), ())
    known: Int = rows[settings.schedule.begins :]
    chances = spread_out(np.vstack(blocks), known, len(observations.dates))
    return ClusterRegimes(RegimePath.likeliest(observations.dates, names, chances), tuple(fits))


def _kmeans(learnt: Float, asked: Float, settings: ClusteringSettings, seed: int) -> _Clusters:
    """Probabilities are those of equal round Gaussian clusters with the spread found within them."""
    model = KMeans(settings.states, n_init=settings.restarts, random_state=seed)
    converged = _fitted(model, learnt)
    centres = np.asarray(model.cluster_centers_, dtype=np.float64)
    spread = max(float(model.inertia_) / learnt.size, 1e-6)
    squares = ((asked[:, None] - centres[None]) ** 2).sum(axis=2)
    likely = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / (2 * spread))
    return _Clusters(centres, likely / likely.sum(axis=1, keepdims=True), converged)


def _mixture(learnt: Float, asked: Float, settings: ClusteringSettings, seed: int) -> _Clusters:
    model = GaussianMixture(settings.states, n_init=settings.restarts, reg_covar=1e-3, max_iter=300, random_state=seed)
    converged = _fitted(model, learnt)
    return _Clusters(np.asarray(model.means_), np.asarray(model.predict_proba(asked)), converged)


def _fitted(model: KMeans | GaussianMixture, values: Float) -> bool:
    """Fit in place; False where the algorithm ran out of iterations or found fewer clusters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(values)
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return not caught
