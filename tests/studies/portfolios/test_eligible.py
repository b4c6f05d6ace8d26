"""Who takes part in a decision, case by case, and that all dates at once say the same as each alone."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.data.panel import Panel
from quantray.data.splits import DateRange, Split
from quantray.errors import DataError
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Schedule, Trial, each_eligible, eligible

NAMES = np.array(["full", "gaps", "late", "flat", "gone", "calm", "out"])
DAYS = np.busday_offset("2021-01-04", np.arange(40))


@pytest.fixture(scope="module")
def panel():
    """Seven names of 40 days; ``gaps`` lacks every fourth close, ``late`` the first 25, ``gone`` the last."""
    random = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(random.normal(0, [0.01] * 5 + [0.001, 0.01], (40, 7)), axis=0))
    close[::4, 1], close[:25, 2], close[:, 3], close[-1, 4] = np.nan, np.nan, 50.0, np.nan
    member = np.ones((40, 7), dtype=bool)
    member[:, 6] = False
    return Panel(DAYS, NAMES, {"close": close}, member)


def trial(panel, *, min_history, expanding=False):
    span = DateRange(panel.dates[0], panel.dates[19]), DateRange(panel.dates[20], panel.dates[-1])
    split = Split(train=span[0], valid=None, test=span[1], horizon=0, lag=0, purge=0)
    schedule = Schedule("daily", "XNYS", 20, min_history, 0.05)
    return Trial(AllocatorSettings(name="x", rule="hrp"), split, schedule, expanding=expanding)


@pytest.mark.parametrize(
    ("min_history", "names"), [(0.9, ["full"]), (0.7, ["full", "late"]), (0.5, ["full", "gaps", "late"])]
)
def test_who_takes_part_on_the_last_day(panel, min_history, names):
    # Of 20 returns, ``gaps`` has 10 and ``late`` 14; ``flat`` and ``calm`` move less than 5 % a year.
    among = eligible(panel, 39, trial(panel, min_history=min_history))
    assert panel.assets[among.columns].tolist() == names
    close = panel.field("close")[19:, among.columns]
    assert_array_equal(among.returns, close[1:] / close[:-1] - 1)


@pytest.mark.parametrize("expanding", [False, True])
def test_all_dates_at_once_say_the_same_as_each_alone(panel, expanding):
    asked = trial(panel, min_history=0.5, expanding=expanding)
    found = list(each_eligible(panel, DAYS[20:], asked))
    assert [row for row, _ in found] == list(range(20, 40))
    for row, among in found:
        alone = eligible(panel, row, asked)
        assert_array_equal(among.columns, alone.columns)
        assert_array_equal(among.returns, alone.returns)


def test_a_first_day_has_nobody(panel):
    with pytest.raises(DataError, match=r"no member on 2021-01-04 has 50% of 0 days of returns"):
        eligible(panel, 0, trial(panel, min_history=0.5))
