import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from quantray.data.calendar import (
    is_trading_day,
    periods_per_year,
    rebalance_dates,
    sessions_within,
    trading_days,
)
from quantray.errors import InputError

FREQUENCIES = ("daily", "weekly", "monthly", "quarterly")


def days(*texts):
    return np.array(texts, dtype="datetime64[D]")


def test_holidays_of_new_york_in_2012():
    # New Year (observed), King, Presidents, Good Friday, Memorial, Independence, Labor, Sandy (2), Thanksgiving, Xmas.
    closed = ["01-02", "01-16", "02-20", "04-06", "05-28", "07-04", "09-03", "10-29", "10-30", "11-22", "12-25"]
    weekdays = np.arange("2012-01-01", "2013-01-01", dtype="datetime64[D]")
    weekdays = weekdays[np.is_busday(weekdays)]
    missing = np.setdiff1d(weekdays, trading_days("2012-01-01", "2012-12-31"))
    assert missing.astype(str).tolist() == [f"2012-{day}" for day in closed]


def test_days_between_are_inclusive_and_may_be_none():
    assert trading_days("2020-01-02", "2020-01-06").astype(str).tolist() == ["2020-01-02", "2020-01-03", "2020-01-06"]
    assert len(trading_days("2020-01-04", "2020-01-05")) == 0


def test_other_exchanges_have_their_own_holidays():
    king = days("2020-01-20")
    assert not is_trading_day(king)[0]
    assert is_trading_day(king, exchange="XLON")[0]


def test_a_calendar_that_begins_late_is_used_from_there():
    assert is_trading_day(days("2020-01-20"), exchange="XTKS")[0]
    assert trading_days("1997-01-01", "1997-01-10", exchange="XTKS")[0] == np.datetime64("1997-01-06")


def test_prices_of_the_seventies_are_on_trading_days():
    assert is_trading_day(days("1971-01-04", "1979-12-31")).all()


def test_is_trading_day_takes_any_order():
    assert is_trading_day(days("2020-01-06", "2020-01-04", "2020-01-03", "2020-01-01")).tolist() == [True, False] * 2


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        ("weekly", "2020-02-07 2020-02-14 2020-02-21 2020-02-28 2020-03-06 2020-03-13 2020-03-20 2020-03-27"),
        ("monthly", "2020-02-28 2020-03-31"),
        ("quarterly", "2020-03-31"),
    ],
)
def test_rebalance_dates_of_a_known_spring(frequency, expected):
    dates = trading_days("2020-02-03", "2020-04-01")
    assert rebalance_dates(dates, frequency).astype(str).tolist() == expected.split()


def test_daily_is_every_day():
    dates = trading_days("2020-02-03", "2020-03-31")
    np.testing.assert_array_equal(rebalance_dates(dates, "daily"), dates)


def test_a_holiday_moves_the_end_of_the_week():
    # 10 April 2020 was Good Friday.
    dates = trading_days("2020-04-06", "2020-04-17")
    assert rebalance_dates(dates, "weekly").astype(str).tolist() == ["2020-04-09", "2020-04-17"]


def test_the_last_date_counts_only_where_it_ends_its_period():
    assert len(rebalance_dates(days("2020-01-30"), "monthly")) == 0
    assert rebalance_dates(days("2020-01-31"), "monthly").astype(str).tolist() == ["2020-01-31"]


def test_the_next_date_stands_in_for_a_missing_month_end():
    dates = trading_days("2020-01-27", "2020-02-28")
    dates = dates[dates != np.datetime64("2020-01-31")]
    assert rebalance_dates(dates, "monthly").astype(str).tolist() == ["2020-02-03", "2020-02-28"]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), frequency=st.sampled_from(FREQUENCIES))
def test_cutting_the_future_leaves_the_past_rebalances(data, frequency):
    dates = trading_days("2019-11-01", "2020-05-29")
    kept = data.draw(st.lists(st.booleans(), min_size=len(dates), max_size=len(dates)).filter(any))
    dates = dates[np.array(kept)]
    cut = data.draw(st.integers(0, len(dates) - 1))
    whole = rebalance_dates(dates, frequency)
    np.testing.assert_array_equal(rebalance_dates(dates[: cut + 1], frequency), whole[whole <= dates[cut]])


def test_every_period_has_at_most_one_rebalance(market):
    months = rebalance_dates(market.panel.dates, "monthly").astype("datetime64[M]")
    assert len(np.unique(months)) == len(months)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: trading_days("2020-01-01", "2020-02-01", exchange="NOWHERE"), "'NOWHERE' is not an exchange calendar"),
        (lambda: trading_days("2020-02-01", "2020-01-01"), "start 2020-02-01 is after end 2020-01-01"),
        (lambda: trading_days("1950-01-01", "2020-01-01"), "calendar is known from 1971-01-04"),
        (lambda: trading_days("2020-01-01", "2200-01-01"), "calendar is known from 1971-01-04"),
        (lambda: is_trading_day(days("1962-01-02")), "1962-01-02 is before the XNYS calendar"),
        (lambda: rebalance_dates(days(), "monthly"), "no dates to rebalance on"),
        (lambda: rebalance_dates(days("2020-01-02"), "yearly"), "'yearly' is not one of daily, weekly"),
    ],
    ids=["exchange", "order", "too early", "too late", "before all", "no dates", "frequency"],
)
def test_refuses(call, text):
    with pytest.raises(InputError, match=text):
        call()


@pytest.mark.parametrize(
    ("exchange", "bars", "periods"),
    [
        ("XNYS", "daily", 252),
        ("XTKS", "daily", 252),
        ("24/7", "daily", 365),
        ("XNYS", "weekly", 52),
        ("24/7", "weekly", 52),
    ],
)
def test_periods_of_a_year_follow_the_calendar(exchange, bars, periods):
    assert periods_per_year(exchange, bars=bars) == periods


def test_a_market_that_never_closes_ends_its_months_on_their_last_day():
    every_day = np.arange("2020-01-01", "2020-04-05", dtype="datetime64[D]")
    ends = rebalance_dates(every_day, "monthly", exchange="24/7")
    assert ends.astype(str).tolist() == ["2020-01-31", "2020-02-29", "2020-03-31"]


def test_periods_of_an_unknown_exchange_are_refused():
    with pytest.raises(InputError, match="'XXXX' is not an exchange calendar"):
        periods_per_year("XXXX", bars="weekly")


def test_a_calendar_that_the_library_cannot_make(monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("Special dates contradict\neach other")

    monkeypatch.setattr("exchange_calendars.get_calendar", fail)
    with pytest.raises(InputError, match="cannot make the calendar XKAR .Special dates contradict"):
        trading_days("2020-01-01", "2020-02-01", exchange="XKAR")


def test_a_calendar_that_is_known_from_a_later_day_begins_then():
    with pytest.raises(InputError, match="XBOM calendar is known from 1997-01-01"):
        trading_days("1980-01-01", "1980-02-01", exchange="XBOM")


def test_a_calendar_that_needs_what_pandas_has_not():
    with pytest.raises(InputError, match="cannot make the calendar ASEX"):
        trading_days("2020-01-01", "2020-02-01", exchange="ASEX")


@pytest.mark.parametrize("exchange", ["XNYS", "XTKS", "24/7"])
def test_a_span_has_the_sessions_of_the_whole_calendar(exchange):
    first, last = np.datetime64("2020-12-20"), np.datetime64("2021-02-03")
    assert_array_equal(sessions_within(first, last, exchange=exchange), trading_days(first, last, exchange=exchange))


def test_a_span_that_no_calendar_holds_is_refused():
    with pytest.raises(InputError, match="XKRX has no calendar from 1900-01-01 to 1900-02-01"):
        sessions_within(np.datetime64("1900-01-01"), np.datetime64("1900-02-01"), exchange="XKRX")
    with pytest.raises(InputError, match="NONE has no calendar"):
        sessions_within(np.datetime64("2020-01-01"), np.datetime64("2020-02-01"), exchange="NONE")
