"""Sessions by the exchange's calendar."""

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.execution.sessions import session


def test_a_usual_day():
    hours = session("2024-03-15", 13)
    assert str(hours.times[0]) == "2024-03-15T09:30"
    assert str(hours.times[1]) == "2024-03-15T10:00"
    assert_allclose([hours.minutes[0], hours.days, hours.length], [30, 1, 1])
    assert hours.continuous.all()


def test_a_half_day_is_shorter():
    hours = session("2024-11-29", 7, opening=True, closing=True)
    assert_allclose([hours.days, hours.minutes.sum()], [210 / 390, 210])
    assert_array_equal(hours.opens, [True] + [False] * 8)
    assert_array_equal(hours.closes, [False] * 8 + [True])
    assert str(hours.times[-1]) == "2024-11-29T13:00"
    assert len(hours.place) == len(hours.times) + 1


def test_a_part_of_a_day():
    hours = session("2024-03-15", 2, start="12:00", end="15:15")
    assert_allclose(hours.days, 0.5)
    assert_allclose(hours.place, [150 / 390, 247.5 / 390, 345 / 390])


@pytest.mark.parametrize(
    ("date", "changes", "told"),
    [
        ("2024-03-16", {}, "XNYS is closed on 2024-03-16"),
        ("2024-11-29", {"end": "16:00"}, "not within the session of 2024-11-29, 09:30 to 13:00"),
        ("2024-03-15", {"start": "15:00", "end": "14:00"}, "not within"),
        ("2024-03-15", {"start": "9 o'clock"}, "write HH:MM"),
        ("2024-03-15", {"start": "12:00", "opening": True}, "an auction needs"),
        ("2024-03-15", {"slices": 0}, "0 slices"),
    ],
)
def test_what_lies_outside_is_refused(date, changes, told):
    with pytest.raises(InputError, match=told):
        session(date, **changes)
