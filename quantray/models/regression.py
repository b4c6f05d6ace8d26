"""Regressors as scikit-learn has them, on quantray's features, as forecasters; boosted trees among them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.arrays import Dates, Float
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import InputError, QuantrayError, SolverError, first_line
from quantray.features.feature_set import Features
from quantray.models.forecaster import FitContext, Fitted, Scores, fold_data
from quantray.models.pooled import Examples, Seen, mean_ic, pooled, rows_to_score
from quantray.own import arguments, made, numbers, own_thing

__all__ = ["Regression", "hist_gradient_boosting", "lightgbm", "seeded"]


_VALIDATION = (("X_val", "y_val"), ("eval_X", "eval_y"))
"""What ``fit`` may call the examples and labels of the validation range."""


@dataclass(frozen=True)
class Regression:
    """Standardised forward returns, by a regressor with ``fit(X, y)`` and ``predict(X)``.

    The names of all training dates are its examples, which weigh the same, and what is unknown is 0, the middle of its
    date. The validation range, for early stopping, goes to ``fit`` as ``X_val`` and ``y_val``, ``eval_X`` and
    ``eval_y``, or ``eval_set``, where it takes them. Each date is scored alone.

    Parameters
    ----------
    name : for reports.
    regressor : ``module:name``, or as a package registers it among ``quantray.forecasters``.
    parameters : of the constructor. ``random_state`` and ``n_jobs`` are those of the fit where they are not given.
    with_validation : parameters in their place, where the fold has a validation range.
    """

    name: str
    regressor: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    with_validation: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, panel: Panel, fold: Split, *, init: Any = None, context: FitContext) -> Fitted:
        """See ``Forecaster``; what the regressor raises becomes a ``SolverError``."""
        data = fold_data(panel, fold, context)
        told = f"{self.name}: forecaster {self.regressor!r}"
        more = self.with_validation if data.valid is not None else {}
        found = seeded(self.regressor, {**self.parameters, **more}, told, context)
        valid = None if data.valid is None else pooled(data, data.valid)
        try:
            # What the import of the regressor has loaded is limited, too.
            with threadpool_limits(limits=context.threads):
                _fit(found, pooled(data, data.train), valid)
        except QuantrayError:
            raise
        except (Exception, SystemExit) as error:
            where = f"fitted on {fold.train}"
            raise SolverError(f"{told} raised {type(error).__name__}, {where}: {first_line(error)}") from error
        fitted = _FittedRegression(
            found, told, Seen(fold.train.first, data.panel.dates[-1], data.features.schema, context)
        )
        if data.valid is not None:
            fitted.valid_ic = mean_ic(data, data.valid, lambda x: fitted.scored(x, f"{fold.valid}"))
        return fitted


@dataclass(eq=False)
class _FittedRegression:
    regressor: Any
    told: str
    seen: Seen
    valid_ic: float = 0.0
    """See ``Fitted``."""

    @property
    def data_through(self) -> np.datetime64:
        return self.seen.data_through

    def within(self, context: FitContext) -> "_FittedRegression":
        return replace(self, seen=replace(self.seen, context=context))

    def predict(self, panel: Panel, dates: Dates, *, state: Any = None, features: Features | None = None) -> Scores:
        rows, given = rows_to_score(panel, dates, self.seen, features)
        there = panel.member[rows] & given.present[rows]
        values = np.full(there.shape, np.nan)
        with threadpool_limits(limits=self.seen.context.threads):
            for place in np.flatnonzero(there.any(axis=1)):
                row = rows.start + place
                x = np.nan_to_num(given.values[row, there[place]])
                values[place, there[place]] = self.scored(x, str(panel.dates[row]))
        return Scores(panel.dates[rows], panel.assets, values)

    def scored(self, features: Float, when: str) -> Float:
        """(n,) scores of the (n, F) features of a date."""
        try:
            given = self.regressor.predict(features.astype(np.float64))
        except (Exception, SystemExit) as error:
            raise SolverError(f"{self.told} raised {type(error).__name__} on {when}: {first_line(error)}") from error
        found = numbers(given, f"{self.told} on {when}", f"({len(features)},) scores")
        if found.shape != (len(features),):
            raise SolverError(
                f"{self.told} gave {found.shape} scores on {when}; it must give ({len(features)},), one for each name."
            )
        if not np.isfinite(found).all():
            wrong = (~np.isfinite(found)).sum()
            raise SolverError(f"{self.told} gave {wrong} scores of {len(found)} on {when} that are NaN or infinite.")
        return found


def hist_gradient_boosting(name: str, parameters: Mapping[str, Any]) -> Regression:
    """Boosted trees on binned features, each fitted to what those before it leave, as many as validation wants.

    Source: Friedman (2001), *Greedy function approximation: a gradient boosting machine*; in scikit-learn's form.
    """
    usual = {
        "max_iter": 300,
        "learning_rate": 0.03,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 200,
        "l2_regularization": 1.0,
        "early_stopping": False,
    }
    stopping = {"early_stopping": True, "n_iter_no_change": 30}
    return _usual(name, "sklearn.ensemble:HistGradientBoostingRegressor", usual, stopping, parameters)


def lightgbm(name: str, parameters: Mapping[str, Any]) -> Regression:
    """Boosted trees as in ``hist_gradient_boosting``, by LightGBM.

    Raises
    ------
    InputError
        It is not installed.

    Source: Ke et al. (2017), *LightGBM: a highly efficient gradient boosting decision tree*.
    """
    if find_spec("lightgbm") is None:
        raise InputError(f"{name}: LightGBM is not installed; pip install 'quantray[lightgbm]'.")
    usual = {
        "n_estimators": 300,
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_child_samples": 200,
        "reg_lambda": 1.0,
        "deterministic": True,
        "force_row_wise": True,  # the faster of two ways would be measured, and their sums differ
        "verbose": -1,
    }
    return _usual(name, "lightgbm:LGBMRegressor", usual, {"early_stopping_round": 30}, parameters)


def _usual(
    name: str, path: str, usual: Mapping[str, Any], stopping: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Regression:
    """A regressor as quantray sets it, where nothing else is said."""
    wanted = {key: value for key, value in stopping.items() if key not in parameters}
    return Regression(name, path, {**usual, **parameters}, wanted)


def seeded(path: str, parameters: Mapping[str, Any], told: str, context: FitContext) -> Any:
    """What ``module:name`` makes of its parameters, with the seed and threads of a fit where it takes them.

    Raises
    ------
    InputError
        As ``own.own_thing`` and ``own.made``.
    SolverError
        As ``own.made``.
    """
    thing = own_thing(path, "forecasters")
    # What draws random numbers in C takes seeds of 31 bits.
    ours = {"random_state": context.seed % 2**31, "n_jobs": context.threads}
    taken = {key: value for key, value in ours.items() if key in arguments(thing)}
    return made(thing, {**taken, **parameters}, told)


def _fit(regressor: Any, train: Examples, valid: Examples | None) -> None:
    taken: tuple[str, ...] = arguments(regressor.fit)
    more: dict[str, Any] = {}
    if valid is not None:
        pair = next((pair for pair in _VALIDATION if set(pair) <= set(taken)), None)
        if pair is not None:
            more |= dict(zip(pair, (valid.features, valid.labels), strict=True))
        elif "eval_set" in taken:
            more["eval_set"] = [(valid.features, valid.labels)]
    regressor.fit(train.features, train.labels, **more)
