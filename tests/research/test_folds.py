from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantray.data.calendar import trading_days
from quantray.errors import InputError
from quantray.research.folds import walk_forward

DATES = trading_days("2020-01-01", "2021-12-31")


def test_rolling_folds_by_hand():
    splits = walk_forward(DATES[:20], train_days=6, test_days=5, valid_days=2, horizon=1, lag=1)
    # 6 train, 2 purged, 2 valid, 2 purged: the first test day is day 12.
    assert len(splits) == 2
    first = splits[0].rows(DATES[:20])
    assert (first.train, first.valid, first.test) == (slice(0, 6), slice(8, 10), slice(12, 17))
    last = splits[1].rows(DATES[:20])
    assert (last.train, last.valid, last.test) == (slice(5, 11), slice(13, 15), slice(17, 20))


def test_expanding_folds_keep_their_start():
    splits = walk_forward(DATES, train_days=100, test_days=50, kind="expanding")
    assert {split.train.first for split in splits} == {DATES[0]}
    assert [len(DATES[s.rows(DATES).train]) for s in splits] == list(range(100, 100 + 50 * len(splits), 50))


@settings(max_examples=60, deadline=None)
@given(
    train=st.integers(1, 120),
    test=st.integers(1, 60),
    valid=st.integers(0, 40),
    horizon=st.integers(0, 10),
    lag=st.integers(0, 3),
    embargo=st.integers(0, 10),
    kind=st.sampled_from(["rolling", "expanding"]),
)
def test_folds_cover_time_and_never_leak(train, test, valid, horizon, lag, embargo, kind):
    splits = walk_forward(
        DATES,
        train_days=train,
        test_days=test,
        valid_days=valid,
        horizon=horizon,
        lag=lag,
        embargo=embargo,
        kind=kind,
    )
    rows = [split.rows(DATES) for split in splits]
    for before, after in pairwise(rows):
        assert before.test.stop == after.test.start
    assert rows[-1].test.stop == len(DATES)
    reach = horizon + lag if horizon else 0
    for row in rows:
        # The last label of a part ends before the first day of the next.
        following = row.valid or row.test
        assert row.train.stop - 1 + reach < following.start
        assert following.start - row.train.stop >= embargo
        if row.valid is not None:
            assert row.valid.stop - 1 + reach < row.test.start


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"purge": 3, "horizon": 5}, "purge 3 leaks: labels reach 6 days"),
        ({"train_days": 0}, "must be positive"),
        ({"embargo": -1}, "not negative"),
        ({"kind": "anchored"}, "not one of rolling, expanding"),
        ({"train_days": 1000}, "505 trading days are too few: the first test day comes after 1000"),
    ],
)
def test_bad_settings_are_refused(change, text):
    with pytest.raises(InputError, match=text):
        walk_forward(DATES, **({"train_days": 100, "test_days": 20} | change))


def test_dates_are_those_given():
    split = walk_forward(DATES, train_days=10, test_days=10)[0]
    assert split.test.first == DATES[10]
    assert split.test.last == DATES[19]
    assert isinstance(split.test.first, np.datetime64)
