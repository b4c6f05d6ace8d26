"""The forecaster protocol: what fits on a fold and scores later dates."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from quantray.arrays import Bool, Dates, Float, Names
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError, InputError
from quantray.features.catalogue import FEATURES, Feature
from quantray.features.feature_set import Features, Scaling, feature_set
from quantray.features.labels import forward_returns, standardised_labels
from quantray.features.returns import DELIST_RETURN

if TYPE_CHECKING:
    from quantray.models.training import EpochReport

__all__ = ["FitContext", "Fitted", "FoldData", "Forecaster", "Scores", "blinded", "features_of", "fold_data"]

_SAME = 1e-5
"""Difference below which a feature, in deviations of its date, is the same number."""


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
    features : of the whole panel, where many fits share them; else they are computed. On a few days each fit sees
        that the panel up to the day gives them again; on the others it believes them.
    remake : makes features of a panel as those given were made, for that comparison; by default ``feature_set``.
        Columns that are not of the catalogue need it.
    own_features : features of one's own beside the catalogue's, by name.
    sectors : asset -> sector.
    seed : of everything random in the fit.
    threads : that a fit may compute on, for what is not told in another way.
    folder : where checkpoints go; with one, an interrupted fit continues from its last epoch.
    say : receives one line per epoch.
    report : receives the figures of each epoch, once its checkpoint is written.
    """

    features: Features | None = None
    remake: Callable[[Panel], Features] | None = None
    own_features: Mapping[str, Feature] = field(default_factory=dict)
    sectors: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    folder: Path | None = None
    say: Callable[[str], None] | None = None
    report: "Callable[[EpochReport], None] | None" = None


class Fitted(Protocol):
    """A forecaster after fitting.

    One whose settings are to be searched has ``valid_ic``, too: its mean daily information coefficient on the
    validation range.
    """

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


def features_of(
    panel: Panel, context: FitContext, features: Features | None = None, *, seen: Iterable[int] = ()
) -> Features:
    """The features of exactly this panel: given, or computed.

    Parameters
    ----------
    seen : rows of the panel on which those given must be what the panel up to the row gives; about a tenth of a
        second each for 2,000 names.

    Raises
    ------
    InputError
        Those given belong to another panel, look ahead or were made of other data, or cannot be made again.
    """
    given = context.features if features is None else features
    if given is None:
        return feature_set(panel, sectors=context.sectors or None, own=context.own_features)
    if not (np.array_equal(given.dates, panel.dates) and np.array_equal(given.assets, panel.assets)):
        raise InputError("the features given are of another panel; compute them from the panel that is fitted on.")
    for row in sorted(set(seen)):
        _check_row(panel, given, context, row)
    return given


def _check_row(panel: Panel, given: Features, context: FitContext, row: int) -> None:
    """Refuse features that a panel which ends on their row, and holds their look-back, does not give again."""
    near = panel.between(panel.dates[max(row - given.lookback, 0)], panel.dates[row])
    there, again = given.values[row], _made_again(near, given, context).values[-1]
    differs = ~np.isclose(there, again, rtol=0, atol=_SAME, equal_nan=True)
    if differs.any():
        asset, column = np.argwhere(differs)[0]
        raise InputError(
            f"{given.names[column]} of {panel.assets[asset]} on {panel.dates[row]} is {there[asset, column]:.6g}, but "
            f"{again[asset, column]:.6g} by the {len(near.dates)} rows up to that day: the features given look ahead, "
            "further back than they say, or are of other data or sectors; compute them from the panel."
        )


def _made_again(near: Panel, given: Features, context: FitContext) -> Features:
    if context.remake is not None:
        made = context.remake(near)
        if made.names != given.names or not np.array_equal(made.assets, near.assets) or len(made.dates) == 0:
            raise InputError(f"remake makes {', '.join(made.names)} where the features given are other ones.")
        return made
    own = [name for name in given.names if name not in FEATURES and name not in context.own_features]
    if own:
        raise InputError(
            f"feature {own[0]!r} is not of the catalogue, so nothing shows that it does not look ahead; say with "
            "FitContext(remake=...) how features are made of a panel."
        )
    scalings: tuple[Scaling, ...] = ("zscore", "rank")
    for scaling in scalings:
        sectors, features = context.sectors or None, context.own_features
        made = feature_set(near, sectors=sectors, names=given.names, scaling=scaling, last=1, own=features)
        if made.schema == given.schema:
            return made
    raise InputError("the features given are of another schema than feature_set makes of their names; compute them.")


def blinded(panel: Panel, first: np.datetime64) -> Panel:
    """The panel with nothing known, and nobody a member, from a date on.

    A delisting return that stands on the last close is known only after it, so that of the day before goes as well.
    """
    row = int(np.searchsorted(panel.dates, first))
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for name, values in fields.items():
        values[max(row - 1, 0) if name == DELIST_RETURN else row :] = np.nan
    member = panel.member.copy()
    member[row:] = False
    return replace(panel, fields=fields, member=member)


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
    train, last = rows.train, rows.train.stop if rows.valid is None else rows.valid.stop
    seen = min(last - 1 + fold.horizon + fold.lag, rows.test.start - 1)
    columns = np.flatnonzero(panel.member[train.start : last].any(axis=0))
    if len(columns) == 0:
        raise DataError(f"no asset is a member between {fold.train.first} and {panel.dates[last - 1]}.")
    features = features_of(panel, context, features, seen=((train.start + train.stop) // 2, train.stop - 1, last - 1))
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
