import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.regimes.lens_filter import ColumnPrior, Filtered, StatePrior, log_density, taught
from quantray.regimes.lens_nowcast import DayStates, nowcast
from quantray.regimes.passes import forward, forward_backward
from quantray.regimes.schedule import RefitSchedule

BARS, DAYS = 13, 200
SCHEDULE = RefitSchedule(first=257, every=101, window=1300)
"""Refits fall on all times of day."""
STAY = np.array([[0.96, 0.03, 0.01], [0.02, 0.93, 0.05], [0.10, 0.02, 0.88]])
POWERS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)


def prior(levels=(0.0, 2.0, 4.0)):
    column = ColumnPrior(
        kind="levels",
        location=np.array(levels),
        width=np.ones(3),
        tails=30.0,
        location_rows=20.0,
        width_rows=20.0,
    )
    return StatePrior(columns=(column,), stay=np.full(3, 0.99), share=np.ones(3), rows=100.0)


@pytest.fixture(scope="module")
def truth():
    return np.repeat([0, 1, 0, 2, 1, 0, 2, 0], 25)


@pytest.fixture(scope="module")
def seen_of_days(truth):
    """(D, K) log density of what a filter of days sees of each."""
    values = 1.2 * truth + np.random.default_rng(1).normal(size=DAYS)
    return -0.5 * (values[:, None] - 1.2 * np.arange(3)) ** 2


@pytest.fixture(scope="module")
def told(seen_of_days):
    return told_by(seen_of_days)


def told_by(seen_of_days):
    states = forward(seen_of_days, STAY).chances
    # What a state is called changes from day to day, as the fits of days have it.
    bull = np.linspace(0.9, 0.5, len(states))[:, None] * np.array([1.0, 0.5, 0.2])
    classes = np.stack([bull, 1 - bull], axis=2)
    chances = np.einsum("dk,dkr->dr", states, classes)
    days = np.datetime64("2024-01-01") + np.arange(len(states))
    return DayStates(days, Filtered(chances, states, classes), np.ones(len(states), dtype=bool), STAY)


def part_of(told, rows):
    found = told.filtered
    kept = Filtered(found.chances[rows], found.states[rows], found.classes[rows])
    return DayStates(told.days[rows], kept, told.closed[rows], told.transition)


def bars_of(truth, told, apart, seed=0):
    noise = np.random.default_rng(seed).normal(size=len(truth) * BARS)
    return (apart * np.repeat(truth, BARS) + noise)[:, None], np.repeat(told.days, BARS)


def carried(told):
    """(D - 1, R) what the day before tells of each day but the first."""
    return np.einsum("dk,dkr->dr", told.filtered.states[:-1] @ STAY, told.filtered.classes[:-1])


def in_class_of(truth, told):
    """(D - 1,) the class of the true state, as the day before calls it."""
    return told.filtered.classes[np.arange(DAYS - 1), truth[1:]].argmax(axis=1)


def test_bar_by_bar_it_is_what_the_definition_says(truth, seen_of_days, told):
    some = 80
    values, sessions = (each[: some * BARS] for each in bars_of(truth, told, 1.0))
    values[[300, 301, 700]] = np.nan
    # A session without a close of its own and days that the filter saw nothing of.
    closed = np.ones(some, dtype=bool)
    closed[[40, 41]] = False
    rows = np.flatnonzero(np.arange(some) != 30)
    densities = np.where(closed[:, None], seen_of_days[:some], 0.0)[rows]
    given = DayStates(told.days[rows], told_by(densities).filtered, closed[rows], STAY)
    found = nowcast(values, sessions, given, prior(), SCHEDULE)
    wanted = np.array(list(by_hand(values, sessions, given, densities)))
    assert_allclose(found[BARS:], wanted[BARS:], atol=1e-10)
    assert np.isnan(found[:BARS]).all()


def by_hand(values, sessions, told, densities):
    """Every bar anew, from the bars and days that were there at its last refit, and those of its own day."""
    known = np.isfinite(values).all(axis=1)
    before = [np.flatnonzero(told.days < day) for day in sessions]
    counted = [i for i in range(len(values)) if len(before[i]) and known[i]]
    fits = {}
    for i in range(len(values)):
        if not len(before[i]):
            yield np.full(2, np.nan)
            continue
        number = sum(c <= i for c in counted)
        begun = told.filtered.states[before[i][-1]] @ STAY
        if number >= SCHEDULE.first:
            last = SCHEDULE.first + (number - SCHEDULE.first) // SCHEDULE.every * SCHEDULE.every
            if last not in fits:
                fits[last] = law_by_hand(values, sessions, told, densities, counted[:last])
            learnt, power = fits[last]
            same = np.flatnonzero((sessions[: i + 1] == sessions[i]) & known[: i + 1])
            seen = log_density(values[same], prior(), learnt).sum(axis=0) if len(same) else np.zeros(3)
            begun = begun * np.exp(power * (seen - seen.max()))
            begun = begun / begun.sum()
        yield begun @ told.filtered.classes[before[i][-1]]


def law_by_hand(values, sessions, told, densities, counted):
    """The law and the power of a fit on some bars, the last of whose day has not closed."""
    counted = counted[-SCHEDULE.window :]
    closed = {day: row for row, day in enumerate(told.days) if told.closed[row]}
    past = [i for i in counted if sessions[i] < sessions[counted[-1]] and sessions[i] in closed]
    own = [closed[sessions[i]] for i in past]
    whole = forward_backward(densities[: own[-1] + 1], STAY).chances[own]
    learnt = taught(values[past], whole, prior())
    each = log_density(values[past], prior(), learnt)
    sums = np.empty_like(each)
    for day in dict.fromkeys(sessions[past]):
        own_bars = np.flatnonzero(sessions[past] == day)
        sums[own_bars] = np.cumsum(each[own_bars], axis=0)
    begun = np.array([told.filtered.states[np.flatnonzero(told.days < sessions[i])[-1]] @ STAY for i in past])
    scores = []
    for power in POWERS:
        now = begun * np.exp(power * (sums - sums.max(axis=1, keepdims=True)))
        scores.append((whole * np.log(np.maximum(now / now.sum(axis=1, keepdims=True), 1e-12))).sum())
    return learnt, POWERS[int(np.argmax(scores))]


def test_no_bar_knows_a_later_one_or_the_close_of_its_own_day(truth, told):
    values, sessions = bars_of(truth, told, 1.0)
    whole = nowcast(values, sessions, told, prior(), SCHEDULE)
    # The first session has no day before it, so that its bars are not counted.
    refits = range(BARS + SCHEDULE.first, len(values), SCHEDULE.every)
    for cut in [cut for refit in refits for cut in (refit - 1, refit, refit + 1)]:
        known = part_of(told, slice(0, int((told.days < sessions[cut - 1]).sum())))
        early = nowcast(values[:cut], sessions[:cut], known, prior(), SCHEDULE)
        assert_array_equal(early, whole[:cut], err_msg=f"{cut} bars")


def test_before_laws_are_learnt_a_day_is_what_the_day_before_tells(truth, told):
    values, sessions = bars_of(truth, told, 2.0)
    found = nowcast(values, sessions, told, prior(), SCHEDULE).reshape(DAYS, BARS, 2)
    assert np.isnan(found[0]).all()
    assert_allclose(found[1:20], np.repeat(carried(told)[:19, None], BARS, axis=1), rtol=1e-14)


def test_bars_show_a_new_state_before_its_first_day_ends(truth, told):
    values, sessions = bars_of(truth, told, 2.0)
    found = nowcast(values, sessions, told, prior(), SCHEDULE).reshape(DAYS, BARS, 2)
    new = 1 + np.flatnonzero(truth[1:] != truth[:-1])[3:]
    right = in_class_of(truth, told)[new - 1]
    gain = np.log(found[new, -1, right]) - np.log(carried(told)[new - 1, right])
    assert np.median(gain) > 0.5


def test_bars_that_know_nothing_change_little(truth, told):
    values, sessions = bars_of(truth, told, 0.0, seed=3)
    found = nowcast(values, sessions, told, prior(levels=(0.0, 0.01, 0.02)), SCHEDULE).reshape(DAYS, BARS, 2)
    assert np.abs(found[1:] - carried(told)[:, None]).max() < 0.08


def test_bars_that_err_alike_count_less_than_their_number(truth, told):
    generator = np.random.default_rng(5)
    values, sessions = bars_of(truth, told, 1.0)
    # One error for all bars of a day, so that all of them say hardly more than one would.
    common = np.repeat(generator.normal(scale=1.5, size=DAYS), BARS)[:, None]
    found = nowcast(values + common, sessions, told, prior(), SCHEDULE).reshape(DAYS, BARS, 2)
    right, days = in_class_of(truth, told), np.arange(DAYS - 1)
    assert np.log(found[1:][days, -1, right][60:]).mean() > np.log(carried(told)[days, right][60:]).mean()


def test_a_bar_that_is_missing_shows_nothing(truth, told):
    values, sessions = bars_of(truth, told, 2.0)
    values[70 * BARS + 4] = np.nan
    found = nowcast(values, sessions, told, prior(), SCHEDULE)
    assert_array_equal(found[70 * BARS + 4], found[70 * BARS + 3])


def test_without_days_nothing_is_known(truth, told):
    values, sessions = bars_of(truth, told, 2.0)
    assert np.isnan(nowcast(values, sessions, part_of(told, slice(0, 0)), prior(), SCHEDULE)).all()


def test_what_does_not_fit_is_refused(truth, told):
    values, sessions = bars_of(truth, told, 1.0)
    with pytest.raises(InputError, match=r"\(2600, 1\) for 2599 bars"):
        nowcast(values, sessions[1:], told, prior(), SCHEDULE)
    with pytest.raises(InputError, match="and 1 columns of the prior"):
        nowcast(np.hstack([values, values]), sessions, told, prior(), SCHEDULE)
    with pytest.raises(InputError, match="in order of time"):
        nowcast(values, sessions[::-1], told, prior(), SCHEDULE)
    with pytest.raises(InputError, match="days must increase"):
        part_of(told, slice(None, None, -1))
    two = StatePrior(columns=prior().columns, stay=np.full(2, 0.9), share=np.ones(2), rows=1.0)
    with pytest.raises(InputError, match="2 states, the days 3"):
        nowcast(values, sessions, told, two, SCHEDULE)
