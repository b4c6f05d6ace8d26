import math

import numpy as np
import pytest
from bacon_months import MONTHS, PORTFOLIO
from numpy.testing import assert_allclose

from quantray.analytics import drawdowns
from quantray.analytics.metrics import drawdown, performance
from quantray.errors import InputError

RETURNS = np.array([0.10, -0.05, -0.05, 0.20, -0.02, 0.01])
DAYS = np.arange("2020-01-01", "2020-01-07", dtype="datetime64[D]")


def test_the_table_by_hand():
    first, second = drawdowns.drawdown_table(DAYS, RETURNS)
    assert [str(day) for day in (first.start, first.trough, first.recovery)] == [
        "2020-01-01",
        "2020-01-03",
        "2020-01-04",
    ]
    assert_allclose(first.depth, 1 - 0.95**2)
    assert (first.periods, first.periods_to_trough) == (3, 2)
    assert second.recovery is None
    assert_allclose(second.depth, 0.02)
    assert (second.periods, second.periods_to_trough) == (2, 1)


def test_a_loss_from_the_first_day_begins_the_day_before():
    (only,) = drawdowns.drawdown_table(DAYS[:2], np.array([-0.1, 0.05]))
    assert str(only.start) == "2019-12-31"
    (dated,) = drawdowns.drawdown_table(np.array(["2019-12-27", *DAYS[:2].astype(str)], dtype="datetime64[D]"),
                                        np.array([-0.1, 0.05]))  # fmt: skip
    assert str(dated.start) == "2019-12-27"


def test_bacons_months():
    deepest = drawdowns.drawdown_table(MONTHS, PORTFOLIO)[0]
    assert_allclose(deepest.depth, 0.144673, atol=5e-7)
    assert_allclose(drawdowns.pain_index(PORTFOLIO), 0.04, atol=5e-4)
    assert_allclose(drawdowns.martin_ratio(PORTFOLIO, periods_per_year=12), 1.69, atol=6e-3)


def test_indices_and_ratios_by_the_plain_formula():
    wealth = np.concatenate([[1], np.cumprod(1 + RETURNS)])
    depth = (1 - wealth / np.maximum.accumulate(wealth))[1:]
    yearly = wealth[-1] ** (252 / 6) - 1
    assert_allclose(drawdowns.pain_index(RETURNS), depth.mean())
    assert_allclose(drawdowns.ulcer_index(RETURNS), math.sqrt((depth**2).mean()))
    assert_allclose(drawdowns.pain_ratio(RETURNS, risk_free=0.02), (yearly - 0.02) / depth.mean())
    squares = 0.0975**2 + 0.02**2
    assert_allclose(drawdowns.burke_ratio(RETURNS), yearly / math.sqrt(squares))
    assert_allclose(drawdowns.burke_ratio(RETURNS, modified=True), yearly / math.sqrt(squares / 6))
    assert_allclose(drawdowns.sterling_ratio(RETURNS), yearly / (0.1175 / 2))
    assert_allclose(drawdowns.sterling_ratio(RETURNS, most=1), performance(RETURNS).calmar)
    assert_allclose(drawdowns.recovery_factor(RETURNS), (wealth[-1] - 1) / 0.0975)
    assert_allclose(drawdowns.average_drawdown(RETURNS), 0.1175 / 2)
    assert_allclose(drawdowns.average_drawdown_days(RETURNS), 3)
    assert_allclose(drawdowns.time_under_water(RETURNS), 4 / 6)


def test_the_table_agrees_with_the_one_number():
    returns = np.random.default_rng(0).normal(0, 0.01, 700)
    days = np.datetime64("2018-01-01", "D") + np.arange(700)
    table = drawdowns.drawdown_table(days, returns, most=999)
    depth, longest = drawdown(returns)
    assert_allclose(table[0].depth, depth)
    # From the high to the last day below it: one less than to the recovery.
    assert max(each.periods - (each.recovery is not None) for each in table) == longest
    assert_allclose(sorted(each.depth for each in table), sorted(drawdowns.drawdowns(returns)))


def test_without_a_fall():
    rising = np.full(5, 0.01)
    assert drawdowns.drawdown_table(DAYS[:5], rising) == ()
    assert drawdowns.average_drawdown(rising) == drawdowns.average_drawdown_days(rising) == 0
    assert math.isnan(drawdowns.burke_ratio(rising))
    with pytest.raises(InputError, match="3 dates for 5 returns"):
        drawdowns.drawdown_table(DAYS[:3], rising)
