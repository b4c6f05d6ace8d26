"""Forecasters of users' own: after quantray's protocol, or regressors as scikit-learn has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from quantray.arrays import Dates
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import InputError, QuantrayError, SolverError, first_line
from quantray.features.feature_set import Features
from quantray.models.controls import prediction_rows
from quantray.models.forecaster import FitContext, Fitted, Scores, blinded
from quantray.models.regression import Regression, seeded
from quantray.own import arguments

__all__ = ["OwnForecaster"]

_PROTOCOL = ("panel", "fold")


@dataclass(frozen=True)
class OwnForecaster:
    """What a user names, held to what every forecaster keeps to.

    A class, or a function that makes something: with ``fit(panel, fold, *, init, context)``, as ``Forecaster`` has it,
    or a regressor with ``fit(X, y)`` and ``predict(X)``; see ``Regression``. Of the test range a fit sees nothing, and
    a prediction nothing after the last date that it is asked about.

    Parameters
    ----------
    name : for reports.
    forecaster : ``module:name``, or as a package registers it among ``quantray.forecasters``.
    parameters : of the class or function. ``random_state`` and ``n_jobs`` are those of the fit where it takes them and
        they are not given.
    """

    name: str
    forecaster: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, panel: Panel, fold: Split, *, init: Any = None, context: FitContext) -> Fitted:
        """See ``Forecaster``.

        Raises
        ------
        InputError
            It cannot be imported or pickled, takes no such parameters, or is neither of the two.
        SolverError
            It raised an error.
        """
        told = f"{self.name}: forecaster {self.forecaster!r}"
        found = seeded(self.forecaster, self.parameters, told, context)
        if _is_regressor(found, told):
            return Regression(self.name, self.forecaster, self.parameters).fit(panel, fold, init=init, context=context)
        seen, alone = blinded(panel, fold.test.first), replace(context, features=None)
        try:
            fitted = found.fit(seen, fold, init=init, context=alone)
        except QuantrayError:
            raise
        except (Exception, SystemExit) as error:
            where = f"fitted on {fold.train}"
            raise SolverError(f"{told} raised {type(error).__name__}, {where}: {first_line(error)}") from error
        return _FittedOwn(fitted, told, panel.dates[fold.rows(panel.dates).test.start - 1])


@dataclass(frozen=True, eq=False)
class _FittedOwn:
    fitted: Any
    told: str
    data_through: np.datetime64

    def within(self, context: FitContext) -> "_FittedOwn":
        return self

    @property
    def valid_ic(self) -> float | None:
        """See ``Fitted``."""
        found = getattr(self.fitted, "valid_ic", None)
        return None if found is None else float(found)

    def predict(self, panel: Panel, dates: Dates, *, state: Any = None, features: Features | None = None) -> Scores:
        rows = prediction_rows(panel, dates, self.data_through)
        near = panel if rows.stop == len(panel.dates) else panel.until(panel.dates[rows.stop - 1])
        cut = None if features is None else features.until(rows.stop - 1)
        when = f"{dates[0]} to {dates[-1]}"
        try:
            found = self.fitted.predict(near, dates, state=state, features=cut)
        except QuantrayError:
            raise
        except (Exception, SystemExit) as error:
            raise SolverError(f"{self.told} raised {type(error).__name__} on {when}: {first_line(error)}") from error
        return self._checked(found, near, rows)

    def _checked(self, found: Any, panel: Panel, rows: slice) -> Scores:
        if not isinstance(found, Scores):
            raise SolverError(f"{self.told} gave a {type(found).__name__}; it must give models.forecaster.Scores.")
        if not (np.array_equal(found.dates, panel.dates[rows]) and np.array_equal(found.assets, panel.assets)):
            raise SolverError(f"{self.told} gave scores of other dates or assets than it was asked about.")
        there = panel.member[rows] & ~np.isnan(panel.field("close")[rows])
        unknown = there & ~np.isfinite(found.values)
        if unknown.any():
            day = int(np.flatnonzero(unknown.any(axis=1))[0])
            wrong = f"{unknown[day].sum()} scores of {there[day].sum()} on {found.dates[day]}"
            raise SolverError(
                f"{self.told} gave {wrong} that are NaN or infinite; every member with a close needs one."
            )
        return replace(found, values=np.where(there, found.values, np.nan))


def _is_regressor(made: Any, told: str) -> bool:
    taken = arguments(made.fit) if callable(getattr(made, "fit", None)) else ()
    if taken[:2] == _PROTOCOL:
        return False
    if len(taken) > 1 and callable(getattr(made, "predict", None)):
        return True
    has = f"fit({', '.join(taken)})" if taken else "no fit"
    raise InputError(
        f"{told} is a {type(made).__name__} with {has}; it must be a class, or a function that makes something, with "
        "fit(panel, fold, *, init, context) as quantray.models.forecaster.Forecaster has it, or with fit(X, y) and "
        "predict(X) as scikit-learn's regressors."
    )
