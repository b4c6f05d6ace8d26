"""A fold as one table, the names of all dates pooled, as regressions take it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Dates, Float
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.feature_set import Features
from quantray.models.controls import check_history, prediction_rows
from quantray.models.forecaster import FitContext, FoldData, features_of

__all__ = ["Examples", "Seen", "known_labels", "mean_ic", "pooled", "rows_to_score"]


@dataclass(frozen=True, eq=False)
class Examples:
    """M examples, date by date and by name within a date, so that the order of the assets plays no part."""

    features: Float
    """(M, F); what is unknown is 0, the middle of its date."""
    labels: Float
    """(M,)."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a fitted regression has seen."""

    data_from: np.datetime64
    """Start of its training."""
    data_through: np.datetime64
    """See ``Fitted``."""
    schema: str
    """Of its features."""
    context: FitContext


def known_labels(data: FoldData, row: int) -> Bool:
    """(N,) the members with a label on a date."""
    return np.asarray(data.member[row] & ~np.isnan(data.labels[row]))


def pooled(data: FoldData, rows: slice) -> Examples:
    """All examples of some dates."""
    order = np.argsort(data.panel.assets, kind="stable")
    columns = [order[known_labels(data, row)[order]] for row in range(rows.start, rows.stop)]
    dates = np.repeat(np.arange(rows.start, rows.stop), [len(each) for each in columns])
    places = np.concatenate(columns)
    values = data.features.values[dates, places].astype(np.float64)
    return Examples(np.nan_to_num(values, copy=False), np.asarray(data.labels[dates, places]))


def mean_ic(data: FoldData, rows: slice, score: Callable[[Float], Float]) -> float:
    """Mean over dates of the correlation of scores with labels; a date that is told apart by neither does not count.

    Parameters
    ----------
    score : from (n, F) features of the names of one date to their (n,) scores.
    """
    values = []
    for row in range(rows.start, rows.stop):
        known = known_labels(data, row)
        y = data.labels[row, known]
        if known.sum() < 2:
            continue
        x = score(np.nan_to_num(data.features.values[row, known]))
        if x.std() > 0 and y.std() > 0:
            values.append(np.corrcoef(x, y)[0, 1])
    return float(np.mean(values)) if values else 0.0


def rows_to_score(panel: Panel, dates: Dates, seen: Seen, features: Features | None) -> tuple[slice, Features]:
    """The rows of dates that lie after what a regression has seen, and the features of the panel.

    Raises
    ------
    InputError
        As ``prediction_rows``, ``features_of`` and ``check_history``, or the features are of another schema.
    """
    rows = prediction_rows(panel, dates, seen.data_through)
    given = features_of(panel, seen.context, features, seen=[rows.stop - 1])
    if given.schema != seen.schema:
        raise InputError("these features are not those that the model was fitted on; use the same settings.")
    if features is None and seen.context.features is None:
        check_history(panel, rows.start, given.lookback, seen.data_from)
    return rows, given
