import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.regimes.lens_filter import ColumnPrior, Filtered, StatePrior
from quantray.regimes.lens_nowcast import DayStates, nowcast
from quantray.regimes.schedule import RefitSchedule

BARS, DAYS = 13, 200
SCHEDULE = RefitSchedule(first=20 * BARS, every=20 * BARS)
STAY = np.array([[0.95, 0.05], [0.05, 0.95]])
CLASSES = np.array([[0.9, 0.1], [0.2, 0.8]])


def prior(levels=(0.0, 2.0)):
    column = ColumnPrior(
        kind="levels",
        location=np.array(levels),
        width=np.ones(2),
        tails=30.0,
        location_rows=20.0,
        width_rows=20.0,
    )
    return StatePrior(columns=(column,), stay=np.array([0.99, 0.99]), share=np.ones(2), rows=100.0)


def days_of(truth, sure=0.98):
    """What a filter of days that knows each day at its close would tell."""
    first = np.datetime64("2024-01-01")
    states = np.where(truth[:, None] == np.arange(2), sure, 1 - sure)
    classes = np.broadcast_to(CLASSES, (len(truth), 2, 2))
    return DayStates(first + np.arange(len(truth)), Filtered(states @ CLASSES, states, classes), STAY)


@pytest.fixture(scope="module")
def truth():
    return (np.arange(DAYS) // 25) % 2


def bars_of(truth, told, apart, seed=0):
    noise = np.random.default_rng(seed).normal(size=len(truth) * BARS)
    return (apart * np.repeat(truth, BARS) + noise)[:, None], np.repeat(told.days, BARS)


def carried(told):
    """(D, R) what the day before tells of each day."""
    return told.filtered.states[:-1] @ STAY @ CLASSES


def test_before_laws_are_learnt_a_day_is_what_the_day_before_tells(truth):
    told = days_of(truth)
    values, sessions = bars_of(truth, told, 2.0)
    found = nowcast(values, sessions, told, prior(), SCHEDULE).reshape(DAYS, BARS, 2)
    assert np.isnan(found[0]).all()
    assert_allclose(found[1:20, :-1], np.repeat(carried(told)[:19, None], BARS - 1, axis=1), rtol=1e-14)


def test_bars_show_a_new_state_before_its_first_day_ends(truth):
    told = days_of(truth)
    values, sessions = bars_of(truth, told, 2.0)
    found = nowcast(values, sessions, told, prior(), SCHEDULE).reshape(DAYS, BARS, 2)
    for day in range(50, DAYS, 25):
        first, *_, last = found[day] @ np.linalg.inv(CLASSES)[:, truth[day]]
        assert first < 0.5
        assert last > 0.85


def test_bars_that_know_nothing_change_nothing(truth):
    told = days_of(truth)
    values, sessions = bars_of(truth, told, 0.0, seed=3)
    found = nowcast(values, sessions, told, prior(levels=(0.0, 0.01)), SCHEDULE).reshape(DAYS, BARS, 2)
    assert np.abs(found[1:] - carried(told)[:, None]).max() < 0.05


def test_bars_that_err_alike_count_less_than_their_number(truth):
    told = days_of(truth)
    generator = np.random.default_rng(5)
    values, sessions = bars_of(truth, told, 1.0)
    # One error for all bars of a day, so that twice as wild days say hardly more than one bar would.
    common = np.repeat(generator.normal(scale=1.5, size=DAYS), BARS)[:, None]
    found = nowcast(values + common, sessions, told, prior(), SCHEDULE).reshape(DAYS, BARS, 2)
    own = np.repeat(truth, BARS)
    chance = (found.reshape(-1, 2) @ np.linalg.inv(CLASSES))[np.arange(DAYS * BARS), own].reshape(DAYS, BARS)
    held = (carried(told) @ np.linalg.inv(CLASSES))[np.arange(DAYS - 1), truth[1:]]
    assert np.log(chance[60:, -1]).mean() > np.log(held[59:]).mean()


def test_a_bar_that_is_missing_shows_nothing_and_the_future_changes_nothing(truth):
    told = days_of(truth)
    values, sessions = bars_of(truth, told, 2.0)
    values[70 * BARS + 4] = np.nan
    found = nowcast(values, sessions, told, prior(), SCHEDULE)
    assert_array_equal(found[70 * BARS + 4], found[70 * BARS + 3])
    cut, until = 143 * BARS + 5, 143
    kept = Filtered(*(part[:until] for part in (told.filtered.chances, told.filtered.states, told.filtered.classes)))
    early = nowcast(values[:cut], sessions[:cut], DayStates(told.days[:until], kept, STAY), prior(), SCHEDULE)
    assert_array_equal(early, found[:cut])


def test_a_day_without_a_filter_of_days_is_unknown():
    told = days_of(np.zeros(0, dtype=int))
    values, sessions = np.zeros((5, 1)), np.full(5, np.datetime64("2024-01-01"))
    empty = DayStates(told.days[:0], Filtered(np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 2, 2))), STAY)
    assert np.isnan(nowcast(values, sessions, empty, prior(), SCHEDULE)).all()
