import numpy as np
import pytest

from quantray.daily.gate import GateError, GateSettings, examine_day
from quantray.data.panel import Panel


def panel_of(*rows):
    close = np.array(rows, dtype=np.float64)
    dates = np.datetime64("2024-01-01") + np.arange(len(close))
    assets = np.array([f"A{i:03d}" for i in range(close.shape[1])])
    return Panel(dates, assets, {"close": close}, ~np.isnan(close))


BEFORE = np.linspace(10, 20, 100)


def reasons(now, **settings):
    return examine_day(panel_of(BEFORE, now), None, GateSettings(**settings)).reasons


def test_an_ordinary_day_passes():
    assert reasons(BEFORE * 1.01) == ()


def test_a_day_that_is_partly_there_is_refused():
    now = BEFORE * 1.01
    now[:4] = np.nan
    assert reasons(now) == ("96.0% of the names of 2024-01-01 have a close; at least 97.0% must",)


def test_a_day_that_was_delivered_twice_is_refused():
    assert "100.0% of the names closed where they did the day before" in reasons(BEFORE)[0]


def test_many_large_moves_are_refused_and_a_few_are_not():
    one, many = BEFORE * 1.01, BEFORE * 1.01
    one[0] *= 2
    many[:5] *= 0.3
    assert reasons(one) == ()
    assert "5.0% of the names moved by 40% or more; at most 1.0% may" in reasons(many)[0]


def test_names_that_join_are_no_fault():
    before = BEFORE.copy()
    before[:50] = np.nan
    assert examine_day(panel_of(before, BEFORE * 1.01), None, GateSettings()).coverage == 1.0


def test_a_day_without_one_before_tells_nothing():
    with pytest.raises(GateError, match="2024-01-01 is the first day of the data"):
        examine_day(panel_of(BEFORE), None, GateSettings())
