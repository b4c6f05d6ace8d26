import numpy as np
import pytest

from quantray.data.calendar import trading_days
from quantray.data.splits import DateRange, Split, label_gap
from quantray.errors import InputError


def span(first, last):
    return DateRange(np.datetime64(first), np.datetime64(last))


def split(**change):
    """Train to Friday 31 January, test from Monday 10 February: five weekdays between them."""
    parts = {
        "train": span("2020-01-02", "2020-01-31"),
        "valid": None,
        "test": span("2020-02-10", "2020-02-28"),
        "horizon": 4,
        "lag": 1,
        "purge": 5,
    }
    return Split(**(parts | change))


def test_labels_reach_horizon_and_lag_or_nowhere():
    assert label_gap(21, 1) == 22
    assert label_gap(0, 1) == 0


def test_a_range_knows_its_rows():
    dates = trading_days("2020-01-02", "2020-01-10")
    assert span("2020-01-04", "2020-01-08").rows(dates) == slice(2, 5)
    assert str(span("2020-01-04", "2020-01-08")) == "2020-01-04..2020-01-08"
    with pytest.raises(InputError, match="starts on 2020-01-08, after its end 2020-01-04"):
        span("2020-01-08", "2020-01-04")


def test_rows_of_a_split_leave_the_purge_between():
    dates = trading_days("2020-01-02", "2020-02-28")
    rows = split().rows(dates)
    assert rows.valid is None
    assert str(dates[rows.train][-1]) == "2020-01-31"
    assert str(dates[rows.test][0]) == "2020-02-10"
    assert rows.test.start - rows.train.stop == 5


def test_three_parts_have_two_borders():
    three = split(valid=span("2020-02-10", "2020-02-14"), test=span("2020-02-24", "2020-02-28"), horizon=3)
    assert [(str(a.last), str(b.first)) for a, b in three.borders()] == [
        ("2020-01-31", "2020-02-10"),
        ("2020-02-14", "2020-02-24"),
    ]
    # Presidents' Day lies between validation and test: five weekdays, four trading days.
    with pytest.raises(InputError, match="only 4 trading days lie between 2020-02-10"):
        three.rows(trading_days("2020-01-02", "2020-02-28"))


def test_without_labels_neighbours_may_touch():
    touching = split(horizon=0, purge=0, test=span("2020-02-01", "2020-02-28"))
    rows = touching.rows(trading_days("2020-01-02", "2020-02-28"))
    assert rows.train.stop == rows.test.start


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"purge": 4}, r"purge 4 leaks: labels reach 5 days .* set purge to at least 5"),
        ({"horizon": 5}, "purge 5 leaks"),
        ({"test": span("2020-02-05", "2020-02-28")}, "5 trading days must lie between them"),
        ({"test": span("2020-01-31", "2020-02-28"), "horizon": 0, "purge": 0}, "runs into 2020-01-31..2020-02-28"),
        ({"test": span("2019-01-02", "2019-02-28")}, "runs into 2019-01-02"),
        ({"valid": span("2020-01-15", "2020-02-03")}, "runs into 2020-01-15"),
        ({"valid": span("2020-02-10", "2020-02-20"), "test": span("2020-02-21", "2020-02-28")}, "runs into 2020-02-21"),
        ({"horizon": -1}, "must not be negative"),
        ({"lag": -1}, "must not be negative"),
        ({"purge": -1, "horizon": 0}, "must not be negative"),
    ],
    ids=[
        "purge shorter than the label",
        "label longer than the purge",
        "too few days",
        "shared day",
        "test before train",
        "validation inside train",
        "test right after validation",
        "horizon",
        "lag",
        "purge",
    ],
)
def test_a_split_that_leaks_cannot_be_made(change, text):
    with pytest.raises(InputError, match=text):
        split(**change)


@pytest.mark.parametrize(
    ("first", "last", "part"), [("2020-02-03", "2020-02-28", "train"), ("2020-01-02", "2020-02-07", "test")]
)
def test_rows_name_a_part_without_dates(first, last, part):
    with pytest.raises(InputError, match=f"the {part} range .* has no trading day in these dates"):
        split().rows(trading_days(first, last))
