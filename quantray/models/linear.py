"""Linear regression of standardised forward returns on all features, with penalties chosen by validation."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.linear_model import enet_path

from quantray.arrays import Dates, Float
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import InputError
from quantray.features.feature_set import Features
from quantray.models.forecaster import FitContext, Fitted, FoldData, Scores, fold_data
from quantray.models.pooled import Seen, known_labels, mean_ic, rows_to_score

__all__ = ["ElasticNet", "Ridge"]

_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_N_PENALTIES = 20
_SMALLEST = 1e-3
"""Penalty of an elastic net, as a share of the one from which on all coefficients are zero."""
_SINGULAR = 1e-12


@dataclass(frozen=True)
class Ridge:
    """Linear regression with a squared penalty.

    The penalty is the one of a few with the best information coefficient on the validation range; without one, the
    smallest.

    Source: Hoerl and Kennard (1970), *Ridge regression*.
    """

    @property
    def name(self) -> str:
        """See ``Forecaster``."""
        return "ridge"

    def fit(self, panel: Panel, fold: Split, *, init: Any = None, context: FitContext) -> Fitted:
        """See ``Forecaster``."""
        data = fold_data(panel, fold, context)
        gram, moment, count = _normal_equations(data)
        eye = np.eye(len(gram))
        tried = [np.linalg.solve(gram + penalty * count * eye, moment) for penalty in _PENALTIES]
        return _best(np.array(tried, dtype=np.float64), data, fold, context)


@dataclass(frozen=True)
class ElasticNet:
    """Linear regression with an absolute and a squared penalty, which leaves few of the features that say the same.

    The penalty is chosen as for ridge, from twenty down to a thousandth of the one that leaves nothing.

    Parameters
    ----------
    l1_ratio : share of the absolute penalty, above 0, at most 1.

    Source: Zou and Hastie (2005), *Regularization and variable selection via the elastic net*.
    """

    l1_ratio: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.l1_ratio <= 1:
            raise InputError(f"l1_ratio {self.l1_ratio:g} must lie above 0 and be at most 1.")

    @property
    def name(self) -> str:
        """See ``Forecaster``."""
        return "elastic_net"

    def fit(self, panel: Panel, fold: Split, *, init: Any = None, context: FitContext) -> Fitted:
        """See ``Forecaster``."""
        data = fold_data(panel, fold, context)
        x, y = _condensed(*_normal_equations(data))
        nothing_left = np.abs(x.T @ y).max() / (len(x) * self.l1_ratio)
        penalties = nothing_left * np.geomspace(_SMALLEST, 1.0, _N_PENALTIES + 1)[:-1]
        _, tried, _ = enet_path(x, y, l1_ratio=self.l1_ratio, alphas=penalties[::-1], tol=1e-8, max_iter=10_000)
        return _best(np.asarray(tried.T[::-1], dtype=np.float64), data, fold, context)


@dataclass(frozen=True, eq=False)
class _FittedLinear:
    coefficients: Float
    valid_ic: float
    """See ``Fitted``."""
    seen: Seen

    @property
    def data_through(self) -> np.datetime64:
        return self.seen.data_through

    def within(self, context: FitContext) -> "_FittedLinear":
        return replace(self, seen=replace(self.seen, context=context))

    def predict(self, panel: Panel, dates: Dates, *, state: Any = None, features: Features | None = None) -> Scores:
        rows, given = rows_to_score(panel, dates, self.seen, features)
        values = np.nan_to_num(given.values[rows]) @ self.coefficients
        there = panel.member[rows] & given.present[rows]
        return Scores(panel.dates[rows], panel.assets, np.where(there, values, np.nan))


def _best(tried: Float, data: FoldData, fold: Split, context: FitContext) -> _FittedLinear:
    """Of (P, F) coefficients, those with the best validation; without a validation range the first."""
    found = [0.0 if data.valid is None else mean_ic(data, data.valid, partial(_scores, each)) for each in tried]
    best = int(np.argmax(found))
    seen = Seen(fold.train.first, data.panel.dates[-1], data.features.schema, context)
    return _FittedLinear(tried[best], found[best], seen)


def _scores(coefficients: Float, features: Float) -> Float:
    return np.asarray(features @ coefficients)


def _normal_equations(data: FoldData) -> tuple[Float, Float, int]:
    n_features = len(data.features.names)
    gram, moment, count = np.zeros((n_features, n_features)), np.zeros(n_features), 0
    for row in range(data.train.start, data.train.stop):
        known = known_labels(data, row)
        x = np.nan_to_num(data.features.values[row, known].astype(np.float64))
        gram += x.T @ x
        moment += x.T @ data.labels[row, known]
        count += int(known.sum())
    return gram, moment, count


def _condensed(gram: Float, moment: Float, count: int) -> tuple[Float, Float]:
    """As few examples as features, whose mean squared error differs from that of all by a constant."""
    values, vectors = np.linalg.eigh(gram / count)
    kept = values > _SINGULAR * values[-1]
    roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
    x, y = roots[:, None] * vectors.T, vectors.T @ (moment / count) / roots
    scale = np.sqrt(len(roots))  # scikit-learn divides by the number of examples
    return np.asfortranarray(x * scale), y * scale
