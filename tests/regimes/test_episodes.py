from datetime import date

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.regimes.episodes import KNOWN_EPISODES, Episode, alarms, detection, false_alarms
from quantray.regimes.path import RegimePath

DATES = np.arange("2020-01-01", "2020-01-21", dtype="datetime64[D]")
FALL = Episode(name="fall", peak=date(2020, 1, 5), trough=date(2020, 1, 14))


def path(*alarmed, known_from=0):
    """Alarms on some days of January."""
    labels = np.isin(np.arange(1, 21), alarmed).astype(np.int64)
    labels[:known_from] = -1
    return RegimePath.certain(DATES, ("normal", "stressed"), labels)


def test_an_alarm_is_found_days_after_the_peak_and_how_long_it_held():
    found = detection(path(2, 8, 9, 12, 20), FALL)
    assert (str(found.date), found.days, found.said) == ("2020-01-08", 3, "stressed")
    assert found.held == 3 / 7
    assert found.first == np.datetime64("2020-01-05")


def test_an_alarm_that_was_on_at_the_peak_takes_no_day():
    assert detection(path(4, 5), FALL).days == 0


def test_no_alarm_within_the_fall_is_said_to_be_none():
    found = detection(path(2, 3, 17), FALL)
    assert (found.date, found.days, found.held, found.said) == (None, None, 0.0, "normal")


def test_days_before_anything_was_known_do_not_count():
    late = detection(path(10, known_from=7), FALL)
    assert (str(late.first), late.days) == ("2020-01-08", 2)
    assert detection(path(known_from=19), FALL) is None
    assert detection(path(4), Episode(name="other", peak=date(2019, 1, 1), trough=date(2019, 2, 1))) is None


def test_false_alarms_begin_outside_falls_and_the_days_after_them():
    # Days 1 to 4 and 17 to 20 are quiet: two alarms begin on them, and three of their eight days have one.
    found = false_alarms(path(2, 3, 8, 16, 17, 19), [FALL], after=2)
    assert found.a_year == 2 * 252 / 8
    assert found.share == 4 / 8
    nothing = false_alarms(path(2), [Episode(name="all", peak=DATES[0].item(), trough=DATES[-1].item())])
    assert np.isnan([nothing.a_year, nothing.share]).all()


def test_alarms_are_regimes_to_beware_of():
    names = ("bear", "neutral", "bull")
    market = RegimePath.certain(DATES[:4], names, np.array([-1, 0, 1, 2]))
    assert alarms(market).tolist() == [False, True, True, False]


def test_known_falls_are_in_order_and_a_fall_ends_after_it_begins():
    peaks = [each.peak for each in KNOWN_EPISODES]
    assert peaks == sorted(peaks)
    with pytest.raises(InputError, match="the trough 2020-01-05 must be after the peak 2020-01-05"):
        Episode(name="none", peak=date(2020, 1, 5), trough=date(2020, 1, 5))
