from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.data.synthetic import simulate_intraday, simulate_market
from quantray.errors import InputError
from quantray.regimes.path import RegimePath
from quantray.regimes.schedule import RefitSchedule
from quantray.regimes.timeframes import TimeframeSettings, on_finer, timeframe_bars, timeframe_regimes

SETTINGS = TimeframeSettings(
    states=2,
    schedules={
        "5min": RefitSchedule(first=780, every=780),
        "1hour": RefitSchedule(first=60, every=60),
        "1day": RefitSchedule(first=100, every=100),
        "1week": RefitSchedule(first=45, every=40),
    },
    horizon=5,
)


@pytest.fixture(scope="module")
def market():
    return simulate_market(10, 300, seed=4)


@pytest.fixture(scope="module")
def bars(market):
    return timeframe_bars(simulate_intraday(market, days=30, seed=1), market.panel)


def times(*text):
    return np.array(text, dtype="datetime64[m]")


def test_a_coarse_label_waits_for_its_bar_to_close():
    days = times("2024-03-18T16:00", "2024-03-19T16:00")
    path = RegimePath.certain(days, ("low", "high"), np.array([0, 1]))
    closes = times("2024-03-18T15:55", "2024-03-18T16:00", "2024-03-19T09:35", "2024-03-19T15:55", "2024-03-19T16:00")
    assert on_finer(path, closes).named.tolist() == ["unknown", "low", "low", "low", "high"]
    empty = RegimePath.certain(days[:0], ("low", "high"), np.array([], dtype=int))
    assert not on_finer(empty, closes).known.any()


def test_all_timeframes_stand_side_by_side(bars):
    found = timeframe_regimes(bars, SETTINGS)
    assert list(found.paths) == ["5min", "1hour", "1day", "1week"]
    assert all(len(path.dates) == len(bars["5min"].closes) for path in found.aligned.values())
    assert found.agreement.shape == (4, 4)
    assert_array_equal(np.diagonal(found.agreement), 1)
    assert all(path.known.any() for path in found.paths.values())
    moment = bars["5min"].closes[-10]
    assert found.at(moment) == {name: path.at(moment) for name, path in found.paths.items()}
    assert set(found.at("1999-01-04T10:00").values()) == {"unknown"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hmm", "ensemble"])
def test_no_timeframe_looks_ahead(market, bars, method):
    settings = replace(SETTINGS, method=method)
    coarse = {name: bars[name] for name in ("1hour", "1day", "1week")}
    whole = timeframe_regimes(coarse, settings)
    until = market.panel.dates[-9]
    intraday = simulate_intraday(market, days=30, seed=1)
    kept = intraday.times[:, 0].astype("datetime64[D]") <= until
    values = {name: getattr(intraday, name)[kept] for name in ("times", "open", "high", "low", "close", "volume")}
    early_bars = timeframe_bars(replace(intraday, **values), market.panel.until(until))
    early = timeframe_regimes({name: early_bars[name] for name in coarse}, settings)
    for name, path in early.paths.items():
        rows = slice(0, len(path.dates))
        assert_array_equal(path.dates, whole.paths[name].dates[rows])
        assert_array_equal(path.labels, whole.paths[name].labels[rows], err_msg=name)
        assert_array_equal(path.probabilities, whole.paths[name].probabilities[rows], err_msg=name)
    for name, path in early.aligned.items():
        assert_array_equal(path.labels, whole.aligned[name].labels[: len(path.labels)], err_msg=name)


def test_days_and_weeks_need_no_intraday_bars(market):
    assert list(timeframe_bars(None, market.panel)) == ["1day", "1week"]
    only = timeframe_bars(simulate_intraday(market, days=10, seed=1), None)
    assert len(only["1day"].closes) == 10


def test_bad_input_is_refused(market, bars):
    with pytest.raises(InputError, match="give intraday bars, a daily panel, or both"):
        timeframe_bars(None, None)
    with pytest.raises(InputError, match=r"timeframes \['2min'\]"):
        timeframe_regimes({"2min": bars["1day"]}, SETTINGS)
    with pytest.raises(InputError, match="timeframes none"):
        timeframe_regimes({}, SETTINGS)
    with pytest.raises(InputError, match="method 'lens'"):
        TimeframeSettings(method="lens")
    with pytest.raises(InputError, match="is longer than 5min"):
        timeframe_bars(simulate_intraday(market, days=2, seed=0, minutes=30), None)
    with pytest.raises(InputError, match="no schedule for 1day, 1week"):
        timeframe_regimes(bars, replace(SETTINGS, schedules={"5min": RefitSchedule(), "1hour": RefitSchedule()}))
