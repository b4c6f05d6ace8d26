"""Bars with what checks need of them, and the flags that checks return."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from pydantic import ValidationError

from quantray.data.quality.check import Flags, SortedBars, Thresholds


@pytest.fixture
def bars():
    rows = [("A", "2020-01-02"), ("A", "2020-01-03"), ("A", "2020-01-03"), ("B", "2020-01-06")]
    frame = pd.DataFrame(rows, columns=["symbol", "date"]).assign(close=[1.0, 2.0, 2.5, 4.0])
    return SortedBars(
        frame.assign(symbol=pd.Categorical(frame["symbol"]), date=pd.to_datetime(frame["date"])), Thresholds()
    )


def test_days_and_symbols_are_counted(bars):
    days, place, count = bars.days
    assert_array_equal(days, np.array(["2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[D]"))
    assert_array_equal(days[place], bars.day)
    assert_array_equal(count, [1, 2, 1])
    assert_array_equal(bars.code, [0, 0, 0, 1])


def test_of_repeated_rows_the_last_may_stand(bars):
    again, not_last = bars.repeated
    assert_array_equal(again, [False, True, True, False])
    assert_array_equal(not_last, [False, True, False, False])


def test_a_column_that_is_not_there_is_missing_throughout(bars):
    assert_array_equal(bars.column("close"), [1.0, 2.0, 2.5, 4.0])
    assert np.isnan(bars.column("volume")).all()
    assert len(bars.column("volume")) == len(bars)


def test_flags_on_some_rows_keep_their_cells():
    flags = Flags(np.array([True, True, False]), cells={"open": np.array([True, False, False])})
    some = flags.among(np.array([False, True, True]))
    assert_array_equal(some.rows, [False, True, False])
    assert not some.cells["open"].any()
    assert flags.cells["open"][0]


@pytest.mark.parametrize("values", [{"thin_share": 1.0}, {"stale_days": 1}, {"jump": 0.0}, {"no_such": 1}])
def test_thresholds_out_of_range(values):
    with pytest.raises(ValidationError):
        Thresholds(**values)
