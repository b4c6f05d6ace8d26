"""Walk-forward folds: train, validate and test ranges that move forward in time."""

from typing import Literal

import numpy as np

from quantray.arrays import Dates
from quantray.data.splits import DateRange, Split, label_gap
from quantray.errors import InputError

__all__ = ["FoldKind", "walk_forward"]

FoldKind = Literal["rolling", "expanding"]


def walk_forward(
    dates: Dates,
    *,
    train_days: int,
    test_days: int,
    valid_days: int = 0,
    horizon: int = 0,
    lag: int = 1,
    purge: int | None = None,
    embargo: int = 0,
    kind: FoldKind = "rolling",
) -> tuple[Split, ...]:
    """Folds whose test ranges follow one another without a gap and cover everything after the first training.

    ``train | purge + embargo | valid | purge + embargo | test``; the last test range may be shorter.

    Parameters
    ----------
    dates : (T,) increasing trading days.
    train_days, valid_days, test_days : trading days of each part; with ``expanding``, of the first training range.
    horizon : trading days that a label covers; 0 where nothing is predicted.
    lag : trading days from a decision to the first return that it earns.
    purge : trading days left out at both borders; by default what labels need, ``horizon + lag`` or 0 without labels.
    embargo : further days left out at both borders, against serial correlation.

    Raises
    ------
    InputError
        A length is out of range, the purge leaks, or there are too few days for one fold.

    Source: Lopez de Prado (2018), *Advances in Financial Machine Learning*, ch. 7; Pardo (2008), *The Evaluation and
    Optimization of Trading Strategies*, ch. 11.
    """
    if train_days < 1 or test_days < 1 or valid_days < 0 or embargo < 0:
        raise InputError(
            f"train_days {train_days} and test_days {test_days} must be positive, "
            f"valid_days {valid_days} and embargo {embargo} not negative."
        )
    if kind not in ("rolling", "expanding"):
        raise InputError(f"kind {kind!r} is not one of rolling, expanding.")
    gap = (label_gap(horizon, lag) if purge is None else purge) + embargo
    before_test = train_days + gap + (valid_days + gap if valid_days else 0)
    if len(dates) <= before_test:
        raise InputError(
            f"{len(dates)} trading days are too few: the first test day comes after {before_test} "
            f"({train_days} train, {valid_days} valid, {gap} purged at each border); take an earlier start."
        )
    if purge is not None and purge < label_gap(horizon, lag):
        raise InputError(
            f"purge {purge} leaks: labels reach {label_gap(horizon, lag)} days ahead; raise it or leave it out."
        )
    splits = []
    for start in range(before_test, len(dates), test_days):
        valid_start = start - gap - valid_days
        train_end = (valid_start if valid_days else start) - gap
        train_start = 0 if kind == "expanding" else train_end - train_days
        valid = _range(dates, valid_start, start - gap) if valid_days else None
        test = _range(dates, start, min(start + test_days, len(dates)))
        train = _range(dates, train_start, train_end)
        splits.append(Split(train=train, valid=valid, test=test, horizon=horizon, lag=lag, purge=gap))
    return tuple(splits)


def _range(dates: Dates, start: int, stop: int) -> DateRange:
    return DateRange(np.datetime64(dates[start]), np.datetime64(dates[stop - 1]))
