import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.linking import compounded
from quantray.analytics.attribution.segments import (
    attribute_segments,
    calendar_labels,
    calendar_order,
    rebalance_labels,
    regime_labels,
)
from quantray.errors import InputError
from quantray.regimes.path import RegimePath

DAYS = np.arange("2019-12-30", "2020-03-01", dtype="datetime64[D]")
RETURNS = np.random.default_rng(0).normal(0, 0.01, len(DAYS))


@pytest.mark.parametrize("by", ["weekday", "month", "month of the year", "quarter", "year"])
def test_every_calendar_sums_to_the_return(by):
    found = attribute_segments(by, DAYS, RETURNS, calendar_labels(DAYS, by), order=calendar_order(by))
    assert_allclose(sum(found.breakdown.by_row().values()), compounded(RETURNS), atol=1e-14)
    assert_allclose(np.prod([1 + s.compounded for s in found.segments.values()]) - 1, compounded(RETURNS))


def test_labels_by_hand():
    first = np.array(["2019-12-31", "2020-01-02", "2020-02-29"], dtype="datetime64[D]")
    assert calendar_labels(first, "weekday") == ["Tuesday", "Thursday", "Saturday"]
    assert calendar_labels(first, "month") == ["2019-12", "2020-01", "2020-02"]
    assert calendar_labels(first, "month of the year") == ["Dec", "Jan", "Feb"]
    assert calendar_labels(first, "quarter") == ["2019 Q4", "2020 Q1", "2020 Q1"]
    assert calendar_labels(first, "year") == ["2019", "2020", "2020"]


def test_a_day_belongs_to_the_trade_before_it():
    traded = np.array(["2020-01-02", "2020-01-06"], dtype="datetime64[D]")
    days = np.array(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"], dtype="datetime64[D]")
    assert rebalance_labels(days, traded) == ["before the first trade", *["from 2020-01-02"] * 2, "from 2020-01-06"]


def test_weekdays_stand_in_their_order():
    labels = calendar_labels(DAYS[3:], "weekday")
    found = attribute_segments("weekday", DAYS[3:], RETURNS[3:], labels, order=calendar_order("weekday"))
    assert list(found.segments)[:2] == ["Monday", "Tuesday"]


def path(last):
    days = np.arange("2019-12-29", last, dtype="datetime64[D]")
    labels = (np.arange(len(days)) % 2).astype(np.int64)
    labels[0] = -1
    sure = np.where(labels[:, None] == [0, 1], 1.0, 0.0)
    sure[0] = np.nan
    return RegimePath(days, np.array(["calm", "wild"]), labels, sure)


def test_regimes_are_those_known_the_day_before():
    assert regime_labels(path("2020-03-01"), DAYS)[:3] == ["unknown", "wild", "calm"]


def test_regimes_that_end_early_or_begin_late():
    with pytest.raises(
        InputError, match="regimes are not known for .* from 2020-01-27 on, the last before is of 2020-01-19"
    ):
        regime_labels(path("2020-01-20"), DAYS)
    with pytest.raises(InputError, match="regimes begin on 2019-12-29; they must be known before 2019-12-20"):
        regime_labels(path("2020-01-20"), np.array(["2019-12-20"], dtype="datetime64[D]"))


def test_bad_input():
    with pytest.raises(InputError, match="calendar 'fortnight' is unknown"):
        calendar_labels(DAYS, "fortnight")
    with pytest.raises(InputError, match="1 labels for"):
        attribute_segments("t", DAYS, RETURNS, ["a"])
