"""One-day-ahead forecasts of value-at-risk and expected shortfall for every day of a history, by any method.

A method sees, for each day, the returns of the days before it and nothing else. These are either the trailing returns
of a series (``trailing``), or what the weights held on the day before would have earned in the past (``held``), which
is how a book is risked: its past is that of today's positions. Quantiles of the past are predictive, as
``tail.historical_var`` explains, but where days count unlike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from quantray.arrays import Bool, Float
from quantray.errors import InputError
from quantray.risk.forecasting.averaged_volatility import averaged_variances
from quantray.risk.forecasting.history import complete_returns, long_enough
from quantray.risk.forecasting.laws import Law, Normal, Sample, Student, moments, student_degrees
from quantray.risk.forecasting.volatility import Garch, exponential_weights, filtered_variances, fitted_garch
from quantray.risk.tail import age_weights

__all__ = [
    "AveragedHistory",
    "ByModel",
    "CornishFisherMoments",
    "FilteredHistory",
    "Forecasts",
    "GarchHistory",
    "History",
    "Method",
    "NormalVolatility",
    "StudentMoments",
    "forecast",
    "held",
    "trailing",
]


class Method(Protocol):
    """A way to forecast."""

    @property
    def name(self) -> str:
        """For tables and pictures."""

    def law(self, windows: Float) -> Law:
        """The distributions of D returns, each from its row of (D, W) past ones, oldest first."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What a method forecast for D days at L levels."""

    method: str
    levels: tuple[float, ...]
    var: Float
    """(D, L) losses, fractions of NAV; NaN on days that the method refuses."""
    shortfall: Float
    """(D, L); NaN as above."""
    ranks: Float
    """(D,) probability that was given to a return as low as the one that came; NaN as above."""

    @property
    def known(self) -> Bool:
        """(D,) days with a forecast."""
        return np.asarray(np.isfinite(self.var).all(axis=1))


def trailing(returns: Float, days: int) -> Float:
    """(T - days, days) returns before each day from the first with so many before it; a view.

    Raises
    ------
    InputError
        Not a series, a missing return, or no more returns than days.
    """
    returns = complete_returns(returns)
    if not 1 <= days < len(returns):
        raise InputError(f"{len(returns)} returns leave no day to forecast from {days} before it; give more.")
    return np.lib.stride_tricks.sliding_window_view(returns, days)[:-1]


def held(weights: Float, returns: Float, days: int) -> Float:
    """(D, days) what each day's weights would have earned on the days before it.

    Parameters
    ----------
    weights : (D, N) held from the close before each of D days on; shorts negative.
    returns : (days + D - 1, N) simple returns, which end on the day before the last of the D; no NaN.

    Raises
    ------
    InputError
        Shapes disagree, or a value is missing.
    """
    weights, returns = np.asarray(weights, dtype=np.float64), np.asarray(returns, dtype=np.float64)
    n_days, n_assets = weights.shape
    if returns.shape != (days + n_days - 1, n_assets):
        raise InputError(
            f"returns are {returns.shape}; {n_days} days of {n_assets} weights with {days} days before each take "
            f"({days + n_days - 1}, {n_assets})."
        )
    if not (np.isfinite(returns).all() and np.isfinite(weights).all()):
        raise InputError("weights or returns hold NaN; leave out assets without history.")
    earned = weights @ returns.T
    return np.stack([earned[day, day : day + days] for day in range(n_days)])


def forecast(windows: Float, outcomes: Float, method: Method, *, levels: Sequence[float] = (0.95, 0.99)) -> Forecasts:
    """Forecasts of D days by one method.

    Parameters
    ----------
    windows : (D, W) returns known before each day, oldest first, as ``trailing`` and ``held`` give them.
    outcomes : (D,) returns that came, which only ``Forecasts.ranks`` look at.

    Raises
    ------
    InputError
        Shapes disagree, a value is missing, a level is out of range, or windows have fewer days than one in
        ``1 - level``; or as the method says.
    """
    windows, outcomes = np.asarray(windows, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    if windows.ndim != 2 or outcomes.shape != windows.shape[:1] or not len(outcomes):
        raise InputError(
            f"windows {windows.shape} and outcomes {outcomes.shape} must be (D, W) and (D,), D at least 1."
        )
    if not (np.isfinite(windows).all() and np.isfinite(outcomes).all()):
        raise InputError("windows or outcomes hold NaN; begin where the history is whole.")
    for level in levels:
        long_enough(windows[0], level)
    law = method.law(windows)
    return Forecasts(
        method.name,
        tuple(levels),
        np.column_stack([law.var(level) for level in levels]),
        np.column_stack([law.shortfall(level) for level in levels]),
        law.rank(outcomes),
    )


@dataclass(frozen=True)
class History:
    """Past returns as they were; see ``tail.historical_var``."""

    half_life: float | None = None
    """Days in which their weight halves, as ``tail.age_weights``; by default all count alike."""

    @property
    def name(self) -> str:
        """See ``Method``."""
        return "history" if self.half_life is None else "history, recent days count more"

    def law(self, windows: Float) -> Sample:
        """See ``Method``."""
        if self.half_life is None:
            return Sample(windows, predictive=True)
        return Sample(windows, age_weights(windows.shape[1], half_life=self.half_life))


@dataclass(frozen=True)
class FilteredHistory:
    """Past returns at today's volatility by exponential weights; see ``tail.rescaled_returns``."""

    decay: float = 0.94
    name: str = "history at today's volatility"

    def law(self, windows: Float) -> Sample:
        """See ``Method``."""
        return Sample(_rescaled(windows, exponential_weights(self.decay)), predictive=True)


@dataclass(frozen=True)
class AveragedHistory:
    """Past returns at today's volatility by many models at once; see ``tail.averaged_returns``."""

    name: str = "history at averaged volatility"

    def law(self, windows: Float) -> Sample:
        """See ``Method``."""
        return Sample(_scaled(windows, averaged_variances(windows)), predictive=True)


@dataclass(frozen=True)
class GarchHistory:
    """Past returns at today's volatility by GARCH(1,1), fitted on the window of every so many days.

    Raises
    ------
    InputError
        As ``volatility.fitted_garch``.
    """

    refit_days: int = 21
    leverage: bool = False
    """Whether falls may add more to the volatility than rises."""

    @property
    def name(self) -> str:
        """See ``Method``."""
        return "history at GARCH volatility" + (" with leverage" if self.leverage else "")

    def law(self, windows: Float) -> Sample:
        """See ``Method``."""
        model: Garch | None = None
        rows = []
        for first in range(0, len(windows), self.refit_days):
            model = fitted_garch(windows[first], start=model, leverage=self.leverage)
            rows.append(_rescaled(windows[first : first + self.refit_days], model))
        return Sample(np.concatenate(rows), predictive=True)


@dataclass(frozen=True)
class NormalVolatility:
    """Normal returns with a mean of zero."""

    decay: float | None = None
    """Of exponential weights; by default all days of the window count alike."""

    @property
    def name(self) -> str:
        """See ``Method``."""
        return "normal" if self.decay is None else "normal at today's volatility"

    def law(self, windows: Float) -> Normal:
        """See ``Method``."""
        if self.decay is None:
            return Normal(np.sqrt((windows**2).mean(axis=1)))
        return Normal(np.sqrt(filtered_variances(windows, exponential_weights(self.decay))[:, -1]))


@dataclass(frozen=True)
class StudentMoments:
    """Student's t with the mean, variance and kurtosis of the window; see ``moments.student_var``."""

    name: str = "Student's t"

    def law(self, windows: Float) -> Student:
        """See ``Method``."""
        seen = moments(windows)
        return Student(seen.scale, student_degrees(seen.kurtosis), seen.mean)


@dataclass(frozen=True)
class CornishFisherMoments:
    """A normal quantile bent by the window's moments; refuses days on which it would be none."""

    name: str = "Cornish-Fisher"

    def law(self, windows: Float) -> Law:
        """See ``Method``."""
        return moments(windows)


@dataclass(frozen=True, eq=False)
class ByModel:
    """Normal returns or Student's t with volatilities from elsewhere, such as a factor model's."""

    volatilities: Float
    """(D,) forecast for each day."""
    degrees: float = np.inf
    """Of freedom."""

    @property
    def name(self) -> str:
        """See ``Method``."""
        return "normal, by the model" if np.isinf(self.degrees) else f"Student's t ({self.degrees:g}), by the model"

    def law(self, windows: Float) -> Law:
        """See ``Method``."""
        if np.shape(self.volatilities) != windows.shape[:1] or not (self.volatilities > 0).all():
            raise InputError(f"volatilities {np.shape(self.volatilities)} must be positive, one for each day forecast.")
        return Normal(self.volatilities) if np.isinf(self.degrees) else Student(self.volatilities, self.degrees)


def _rescaled(windows: Float, model: Garch) -> Float:
    return _scaled(windows, filtered_variances(windows, model))


def _scaled(windows: Float, variances: Float) -> Float:
    """Returns at the last of (D, W + 1) variances instead of their own."""
    return np.asarray(windows * np.sqrt(variances[:, -1:] / variances[:, :-1]))
