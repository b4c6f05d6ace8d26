"""Controls: what a learned model must beat. All take the forecaster's protocol."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from quantray.arrays import Dates
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import InputError
from quantray.features.cross_section import standardised
from quantray.features.feature_set import Features
from quantray.features.returns import simple_returns
from quantray.features.technical import moving_average_gap
from quantray.models.forecaster import FitContext, Fitted, Scores

__all__ = ["ControlRule", "check_history", "prediction_rows"]

RuleName = Literal["zero", "reversal", "reversal_gap"]

_LOOKBACK = {"zero": 0, "reversal": 1, "reversal_gap": 29}
"""Rows behind its own that each rule reads."""


@dataclass(frozen=True)
class ControlRule:
    """A forecast without fitting.

    Parameters
    ----------
    rule : ``zero``; ``reversal``, minus the last day's return; ``reversal_gap``, the mean of its standardised value
        and that of the gap of the 30-day mean over the close.
    """

    rule: RuleName

    def __post_init__(self) -> None:
        if self.rule not in ("zero", "reversal", "reversal_gap"):
            raise InputError(f"rule {self.rule!r} is not one of zero, reversal, reversal_gap.")

    @property
    def name(self) -> str:
        """See ``Forecaster``."""
        return self.rule

    def fit(self, panel: Panel, fold: Split, *, init: Any = None, context: FitContext) -> Fitted:
        """See ``Forecaster``; nothing is fitted."""
        return _FittedRule(self.rule, fold.train.first, fold.train.last)


@dataclass(frozen=True)
class _FittedRule:
    rule: RuleName
    data_from: np.datetime64
    data_through: np.datetime64

    def predict(self, panel: Panel, dates: Dates, *, state: Any = None, features: Features | None = None) -> Scores:
        rows = prediction_rows(panel, dates, self.data_through)
        check_history(panel, rows.start, _LOOKBACK[self.rule], self.data_from)
        close, member = panel.field("close")[: rows.stop], panel.member[: rows.stop]
        there = member[rows] & ~np.isnan(close[rows])
        if self.rule == "zero":
            values = np.zeros(there.shape)
        else:
            start = max(rows.start - 60, 0)
            near, among = close[start:], member[start:]
            values = standardised(-simple_returns(near), among)
            if self.rule == "reversal_gap":
                gap = standardised(moving_average_gap(near, 30), among)
                values = (np.nan_to_num(values) + np.nan_to_num(gap)) / 2
            values = np.nan_to_num(values[rows.start - start :])
        return Scores(panel.dates[rows], panel.assets, np.where(there, values, np.nan))


def prediction_rows(panel: Panel, dates: Dates, data_through: np.datetime64) -> slice:
    """The rows of consecutive dates that lie after what a fit has seen.

    Raises
    ------
    InputError
        There are none, they are not consecutive rows of the panel, or they begin too early.
    """
    if len(dates) == 0:
        raise InputError("no dates to predict; give at least one.")
    first = panel.row(dates[0])
    rows = slice(first, first + len(dates))
    if not np.array_equal(panel.dates[rows], np.asarray(dates).astype("datetime64[D]")):
        raise InputError("the dates to predict are not consecutive rows of the panel; predict them range by range.")
    if panel.dates[first] <= data_through:
        raise InputError(f"{panel.dates[first]} is not after {data_through}, up to which the model has seen data.")
    return rows


def check_history(panel: Panel, row: int, needed: int, data_from: np.datetime64) -> None:
    """Refuse a panel that is too short: what is not there would count as unknown, and the scores be others in silence.

    Parameters
    ----------
    row : of the first date to predict.
    needed : rows before it that its scores are made of.
    data_from : start of the fit's training; a panel that begins there or before holds all there was.

    Raises
    ------
    InputError
        The panel begins after ``data_from`` and fewer than ``needed`` rows before ``row``.
    """
    if row < needed and panel.dates[0] > data_from:
        raise InputError(
            f"the panel begins {row} rows before {panel.dates[row]}, whose scores look back {needed} rows; "
            "give a panel that begins earlier."
        )
