"""The forecaster protocol: what fits on a fold and scores later dates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from quantray.arrays import Bool, Dates, Float, Names
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError, InputError
from quantray.features.feature_set import Features, feature_set
from quantray.features.labels import forward_returns, standardised_labels
from quantray.features.returns import DELIST_RETURN

if TYPE_CHECKING:
    from quantray.models.training import EpochReport

__all__ = ["FitContext", "Fitted", "FoldData", "Forecaster", "Scores", "features_of", "fold_data"]


@dataclass(frozen=True, eq=False)
class Scores:
    """Forecasts of D dates; higher means a higher return expected relative to the other members."""

    dates: Dates
    """(D,)."""
    assets: Names
    """(N,)."""
    values: Float
    """(D, N); NaN where there is no forecast: the asset is not a member or has no close that day."""
    state: Any = None
    """What the forecaster needs to go on with the next date without looking back; none for those that do not."""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.dates), len(self.assets)):
            raise InputError(f"scores are {self.values.shape} for {len(self.dates)} dates, {len(self.assets)} assets.")


@dataclass(frozen=True, kw_only=True, eq=False)
class FitContext:
    """What a fit is given besides the data.

    Parameters
    ----------
    features : of the whole panel, where many fits share them; else they are computed.
    sectors : asset -> sector.
    seed : of everything random in the fit.
    folder : where checkpoints go; with one, an interrupted fit continues from its last epoch.
    say : receives one line per epoch.
    report : receives the figures of each epoch, once its checkpoint is written.
    """

    features: Features | None = None
    sectors: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    folder: Path | None = None
    say: Callable[[str], None] | None = None
    report: "Callable[[EpochReport], None] | None" = None


class Fitted(Protocol):
    """A forecaster after fitting."""

    @property
    def data_through(self) -> np.datetime64:
        """The last date whose data the fit has seen, labels included."""
        ...

    def predict(self, panel: Panel, dates: Dates, *, state: Any = None, features: Features | None = None) -> Scores:
        """Scores of some dates, from data up to each of them.

        Parameters
        ----------
        panel : with enough rows before the first date to compute features and to warm up; with a state, only enough
            for the features of the dates themselves.
        dates : (D,) consecutive rows of the panel.
        state : of the scores of the row before the first date.
        features : of the panel, where they are computed already.

        Raises
        ------
        InputError
            The dates are not consecutive rows, or come before ``data_through``.
        """
        ...


class Forecaster(Protocol):
    """Something that learns from a fold."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    def fit(self, panel: Panel, fold: Split, *, init: Any = None, context: FitContext) -> Fitted:
        """Fit on the fold's training range, choosing by its validation range, and never reading later data.

        Parameters
        ----------
        panel : rows before the training range serve look-backs.
        init : an earlier fit to start from, which must not have seen data after the end of the training range.

        Raises
        ------
        InputError
            ``init`` has seen the future of the training range, or the fold has no labels.
        """
        ...


@dataclass(frozen=True, eq=False)
class FoldData:
    """What fitting may read: rows up to the last label of validation, names that are members in them."""

    panel: Panel
    features: Features
    labels: Float
    """(T, N) standardised over the members of each date; NaN where unknown."""
    member: Bool
    """(T, N) members with a close that day."""
    train: slice
    valid: slice | None


def features_of(panel: Panel, context: FitContext, features: Features | None = None) -> Features:
    """The features of exactly this panel: given, or computed.

    Raises
    ------
    InputError
        Those given belong to another panel.
    """
    given = context.features if features is None else features
    if given is None:
        return feature_set(panel, sectors=context.sectors or None)
    if not (np.array_equal(given.dates, panel.dates) and np.array_equal(given.assets, panel.assets)):
        raise InputError("the features given are of another panel; compute them from the panel that is fitted on.")
    return given


def fold_data(panel: Panel, fold: Split, context: FitContext, features: Features | None = None) -> FoldData:
    """Cut a fold out of a panel: nothing after the last label of validation is left.

    Raises
    ------
    InputError
        The fold has no horizon, so there is nothing to learn.
    DataError
        Nobody is a member, or no label is known in training or in validation.
    """
    if fold.horizon < 1:
        raise InputError("the fold has horizon 0, so there are no labels; make folds with a horizon of 1 or more.")
    rows = fold.rows(panel.dates)
    last = rows.train.stop if rows.valid is None else rows.valid.stop
    seen = min(last - 1 + fold.horizon + fold.lag, rows.test.start - 1)
    features = features_of(panel, context, features)
    columns = np.flatnonzero(panel.member[rows.train.start : last].any(axis=0))
    if len(columns) == 0:
        raise DataError(f"no asset is a member between {fold.train.first} and {panel.dates[last - 1]}.")
    cut = panel.until(seen).select(panel.assets[columns])
    kept = features.until(seen)
    kept = Features(
        kept.dates,
        cut.assets,
        kept.names,
        kept.values[:, columns],
        kept.present[:, columns],
        kept.lookback,
        kept.schema,
    )
    member = cut.member & kept.present
    # Labels stop where training and validation stop: of the rows between and after them nothing is learned.
    earned = forward_returns(
        cut.field("close"), horizon=fold.horizon, lag=fold.lag, delist_tn=cut.fields.get(DELIST_RETURN)
    )
    labels = standardised_labels(earned, member)
    usable = np.zeros(len(labels), dtype=np.bool_)
    usable[rows.train] = True
    if rows.valid is not None:
        usable[rows.valid] = True
    labels = np.where(usable[:, None] & member, labels, np.nan)
    for part, days in ((fold.train, rows.train), (fold.valid, rows.valid)):
        if days is not None and np.isnan(labels[days]).all():
            raise DataError(f"no label is known in {part}; check the closes of its members.")
    return FoldData(cut, kept, labels, member, rows.train, rows.valid)
