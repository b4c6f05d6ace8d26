from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.panel import Panel
from quantray.data.synthetic import simulate_intraday, simulate_market
from quantray.errors import DataError, InputError
from quantray.regimes.bars import MarketBars, bar_observations, daily_bars, intraday_bars, resampled

NAN = np.nan


@pytest.fixture(scope="module")
def market():
    return simulate_market(8, 40, seed=1, listing_share=0, delisting_share=0, end="2024-03-29")


@pytest.fixture(scope="module")
def fine(market):
    return intraday_bars(simulate_intraday(market, days=30, seed=2))


def cut(bars, count):
    values = {f.name: getattr(bars, f.name)[:count] for f in fields(bars) if f.name != "assets"}
    return replace(bars, **values)


def test_five_minute_bars_close_five_minutes_after_they_open(fine):
    assert len(fine.closes) == 30 * 78
    assert str(fine.opens[0])[11:] == "09:30"
    assert str(fine.closes[77])[11:] == "16:00"
    assert_array_equal(resampled(fine, "5min").close, fine.close)


def test_hours_count_from_the_open_and_end_with_the_session(fine):
    hours = resampled(fine, "1hour")
    assert len(hours.closes) == 30 * 7
    assert [str(t)[11:] for t in hours.closes[:7]] == ["10:30", "11:30", "12:30", "13:30", "14:30", "15:30", "16:00"]
    assert_array_equal(hours.close[:7], fine.close[[11, 23, 35, 47, 59, 71, 77]])
    assert_array_equal(hours.open[1], fine.open[12])
    assert_allclose(hours.high[0], fine.high[:12].max(axis=0))
    assert_allclose(hours.low[0], fine.low[:12].min(axis=0))
    assert_allclose(hours.volume[6], fine.volume[72:78].sum(axis=0))


def test_days_made_of_minutes_are_the_days_of_the_panel(market, fine):
    days, panel = resampled(fine, "1day"), daily_bars(market.panel)
    assert_array_equal(days.closes, panel.closes[-30:])
    for name in ("open", "high", "low", "close", "volume"):
        assert_allclose(getattr(days, name), getattr(panel, name)[-30:], rtol=1e-12, err_msg=name)


def test_weeks_close_with_their_last_session(market):
    weeks = resampled(daily_bars(market.panel), "1week")
    # Good Friday 2024 is no session: that week closes on Thursday, 28 March.
    assert str(weeks.closes[-1]) == "2024-03-28T16:00"
    assert str(weeks.closes[-2]) == "2024-03-22T16:00"
    assert_array_equal(weeks.close[-1], market.panel.field("close")[-1])
    assert_allclose(weeks.volume[-1], market.panel.field("volume")[-4:].sum(axis=0))


@pytest.mark.parametrize("timeframe", ["1hour", "1day", "1week"])
@pytest.mark.parametrize("count", [1, 11, 12, 77, 78, 79, 700, 2000])
def test_a_bar_is_there_once_it_has_closed_and_never_changes(fine, timeframe, count):
    whole, early = resampled(fine, timeframe), resampled(cut(fine, count), timeframe)
    closed = whole.closes <= fine.closes[count - 1]
    assert_array_equal(early.closes, whole.closes[closed])
    for name in ("open", "high", "low", "close", "volume"):
        assert_array_equal(getattr(early, name), getattr(whole, name)[closed])


def test_a_session_that_ends_at_midnight_is_of_its_own_day():
    days = np.arange("2024-01-01", "2024-01-15", dtype="datetime64[D]")
    rise = np.arange(1.0, 15.0)[:, None] * np.ones(2)
    fields = {"open": rise, "high": rise + 1, "low": rise - 0.5, "close": rise + 0.5, "volume": rise}
    bars = daily_bars(Panel(days, np.array(["A", "B"]), fields, rise > 0), exchange="24/7")
    assert_array_equal(bars.sessions, days)
    weeks = resampled(bars, "1week", exchange="24/7")
    assert_array_equal(weeks.close[:, 0], [7.5, 14.5])
    assert_array_equal(weeks.open[:, 0], [1.0, 8.0])


def test_nothing_counts_after_an_early_close():
    market = simulate_market(3, 30, seed=1, end="2024-11-29")
    bars = intraday_bars(simulate_intraday(market, days=3, seed=0))
    assert (bars.sessions == np.datetime64("2024-11-29")).sum() == 42
    hours = resampled(bars, "1hour")
    assert str(hours.closes[-1]) == "2024-11-29T13:00"
    assert str(hours.opens[-1]) == "2024-11-29T12:30"


def test_gaps_are_bridged_inside_a_bar_only(fine):
    holes = {name: getattr(fine, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for values in holes.values():
        values[[0, 11], 0] = NAN
        values[12:24, 1] = NAN
    hours = resampled(replace(fine, **holes), "1hour")
    assert hours.open[0, 0] == fine.open[1, 0]
    assert hours.close[0, 0] == fine.close[10, 0]
    assert np.isnan([getattr(hours, name)[1, 1] for name in holes]).all()
    assert hours.close[2, 1] == fine.close[35, 1]


def test_observations_do_not_look_ahead(fine):
    whole = bar_observations(fine)
    for count in (500, 1333):
        early = bar_observations(cut(fine, count))
        assert_array_equal(early.values, whole.values[:count])
        assert_array_equal(early.returns, whole.returns[:count])


def test_the_usual_course_of_the_day_is_taken_out():
    """Volatility doubles in the first and last bars of every day; the observations do not see it."""
    generator = np.random.default_rng(0)
    days, slots, assets = 60, 6, 40
    start = daily_bars(simulate_market(2, days, seed=0, end="2024-10-31").panel).opens
    opens = (start[:, None] + np.arange(slots) * np.timedelta64(65, "m")).ravel()
    width = np.tile([0.02, 0.01, 0.01, 0.01, 0.01, 0.02], days)
    close = 100 * np.exp(np.cumsum(generator.normal(0, width[:, None], (days * slots, assets)), axis=0))
    span = np.exp(width[:, None] * np.abs(generator.normal(1, 0.1, close.shape)))
    names = np.array([f"A{i}" for i in range(assets)])
    bars = MarketBars(
        opens, opens + np.timedelta64(65, "m"), names, close, close * span, close / span, close, close * 0 + 1
    )
    found = bar_observations(bars)
    volatility = found.values[:, found.column("volatility")].reshape(days, slots)
    assert np.isnan(volatility[:5]).all()
    means = volatility[10:].mean(axis=0)
    assert np.ptp(means) < 0.1
    raw = np.log(np.log(bars.high / bars.low)).mean(axis=1).reshape(days, slots).mean(axis=0)
    assert np.ptp(raw) > 0.6


def test_bad_bars_are_refused(market, fine):
    with pytest.raises(InputError, match="bars must be in order"):
        replace(fine, opens=fine.opens - np.timedelta64(1, "m"))
    with pytest.raises(InputError, match=r"volume is \(3, 8\) for 2340 bars of 8 assets"):
        replace(fine, volume=fine.volume[:3])
    with pytest.raises(InputError, match="timeframe '2min' is not one of"):
        resampled(fine, "2min")
    with pytest.raises(InputError, match="is longer than 5min; use finer bars"):
        resampled(resampled(fine, "1hour"), "5min")
    friday = market.panel.dates.copy()
    friday[-1] += 1
    with pytest.raises(DataError, match="2024-03-29 has no session at XNYS"):
        daily_bars(replace(market.panel, dates=friday))
    with pytest.raises(InputError, match="'MARS' is not an exchange calendar"):
        daily_bars(market.panel, exchange="MARS")
    with pytest.raises(DataError, match="no bar has a return"):
        bar_observations(cut(fine, 1))
    with pytest.raises(InputError, match="a day has one bar"):
        intraday_bars(simulate_intraday(market, days=3, seed=0, minutes=390))
