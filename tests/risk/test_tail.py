"""Value-at-risk and expected shortfall: published numbers, hand-checkable cases and the laws of coherent risk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from quantray.errors import InputError
from quantray.risk.forecasting.volatility import filtered_variances, fitted_garch
from quantray.risk.tail import (
    age_weights,
    component_shortfall,
    component_var,
    cornish_fisher_shortfall,
    cornish_fisher_var,
    expected_shortfall,
    gaussian_shortfall,
    gaussian_var,
    historical_var,
    incremental_var,
    incremental_vars,
    marginal_var,
    rescaled_returns,
    student_shortfall,
    student_var,
)

Z = 1.65
LEVEL = float(stats.norm.cdf(Z))
WEIGHTS = np.array([2e6, 1e6])
COVARIANCE = np.diag([0.05**2, 0.12**2])


def test_the_two_currencies_of_jorion():
    assert_allclose(gaussian_var(WEIGHTS, COVARIANCE, level=LEVEL), 257_738, atol=0.5)
    found = component_var(WEIGHTS, COVARIANCE, level=LEVEL)
    assert_allclose(found.parts, [105_630, 152_108], atol=0.5)
    assert_allclose(marginal_var(WEIGHTS, COVARIANCE, level=LEVEL), [0.0528, 0.1521], atol=5e-5)
    for position, individual, removal in ((0, 165_000, 59_738), (1, 198_000, 92_738)):
        alone = np.where(np.arange(2) == position, WEIGHTS, 0.0)
        assert_allclose(gaussian_var(alone, COVARIANCE, level=LEVEL), individual, atol=0.5)
        assert_allclose(-incremental_var(WEIGHTS, -alone, COVARIANCE, level=LEVEL), removal, atol=0.5)


def test_history_by_hand():
    returns = -np.arange(1, 101) / 100.0
    # Type 7: position 0.05 * 99 = 4.95 from the worst, between -0.96 and -0.95.
    assert_allclose(historical_var(returns, level=0.95), 0.9505)
    assert_allclose(expected_shortfall(returns, level=0.95), np.mean([1.0, 0.99, 0.98, 0.97, 0.96]))


def test_history_against_another_library():
    from skfolio import measures

    returns = np.random.default_rng(6).standard_t(4, 1001) / 100
    for level in (0.9, 0.95, 0.99):
        theirs = measures.value_at_risk(returns, beta=level)
        assert_allclose(historical_var(returns, level=level, weights=np.ones(1001)), theirs)
        # Of 1,000 days, those beyond are a whole number, which both average.
        assert_allclose(expected_shortfall(returns[:1000], level=level), measures.cvar(returns[:1000], beta=level))


def test_a_predictive_quantile_by_hand():
    # Type 6: position 0.05 * 101 = 5.05 of the worst, between -0.96 and -0.95.
    returns = -np.arange(1, 101) / 100.0
    assert_allclose(historical_var(returns, level=0.95, predictive=True), 0.9595)
    assert_allclose(expected_shortfall(returns, level=0.95, predictive=True), np.mean([1.0, 0.99, 0.98, 0.97, 0.96]))


def test_equal_weights_of_days_and_old_days_that_hardly_count():
    returns = np.random.default_rng(0).standard_normal(999) / 100
    flat = historical_var(returns, level=0.95, weights=np.ones(999))
    assert_allclose(flat, -np.sort(returns)[49])
    assert_allclose(expected_shortfall(returns, level=0.95, weights=np.ones(999)), -np.sort(returns)[:50].mean())
    crash = np.concatenate([np.full(50, -0.2), returns])
    aged = age_weights(len(crash), half_life=100)
    assert_allclose(aged.sum(), 1)
    assert_allclose(aged[-101] / aged[-1], 0.5)
    assert historical_var(crash, level=0.97) == pytest.approx(0.2)
    assert historical_var(crash, level=0.97, weights=aged) < 0.03


def test_history_at_todays_volatility():
    """Where volatility doubled, old returns count double; where it stayed, nothing changes much."""
    draw = np.random.default_rng(1).standard_normal(3000) / 100
    jumped = np.concatenate([draw[:2000], 2 * draw[2000:]])
    found = rescaled_returns(jumped, decay=0.99)
    assert_allclose(found.std() / draw.std(), 2, rtol=0.2)
    assert_allclose(historical_var(found, level=0.99), 2 * 0.01 * stats.norm.ppf(0.99), rtol=0.2)
    fitted = fitted_garch(jumped)
    by_garch = rescaled_returns(jumped, model=fitted)
    forecast = np.sqrt(filtered_variances(jumped, fitted))
    assert_allclose(by_garch, jumped / forecast[:-1] * forecast[-1])
    # By hand: from the mean square of all, .04 of twenty days and none of one, to what these and that day leave.
    returns = np.array([0.2, -0.2] * 10 + [0.0])
    first = 0.04 * 20 / 21
    last = 0.94 * (0.94**20 * first + (1 - 0.94**20) * 0.04)
    assert_allclose(rescaled_returns(returns)[0], 0.2 * np.sqrt(last / first))


@pytest.mark.parametrize("still", [slice(0, 20), slice(0, 120), slice(200, 320)])
def test_still_days_make_no_giant_of_the_first_move(still):
    returns = np.random.default_rng(3).normal(0, 0.01, 504)
    returns[still] *= 1e-6
    for model in (None, fitted_garch(returns)):
        today = rescaled_returns(returns, model=model)
        assert np.abs(today).max() < 0.3
        assert historical_var(today) == pytest.approx(0.0233, rel=0.6)


def test_closed_forms_agree_with_many_draws():
    draw = np.random.default_rng(2)
    normal, heavy = draw.standard_normal(2_000_000) / 100, stats.t.rvs(6, size=2_000_000, random_state=draw) / 100
    one = np.ones(1)
    assert_allclose(gaussian_var(one, np.array([[1e-4]])), historical_var(normal), rtol=5e-3)
    assert_allclose(gaussian_shortfall(one, np.array([[1e-4]])), expected_shortfall(normal), rtol=5e-3)
    assert_allclose(student_var(heavy, degrees=6), historical_var(heavy), rtol=1e-2)
    assert_allclose(student_shortfall(heavy, degrees=6), expected_shortfall(heavy), rtol=2e-2)
    assert_allclose(cornish_fisher_var(normal), historical_var(normal), rtol=5e-3)
    assert_allclose(cornish_fisher_shortfall(normal), expected_shortfall(normal), rtol=5e-3)
    assert_allclose(student_var(normal, degrees=np.inf), historical_var(normal), rtol=5e-3)
    assert_allclose(student_shortfall(normal, degrees=np.inf), expected_shortfall(normal), rtol=5e-3)


def test_the_expansion_by_hand_and_its_range():
    # Student's t of 30 degrees has excess kurtosis 6/26 and no skewness.
    returns = stats.t.rvs(30, size=1_000_000, random_state=np.random.default_rng(3)) / 100
    assert_allclose(cornish_fisher_var(returns, level=0.999), historical_var(returns, level=0.999), rtol=2e-2)
    # Two in ten days lose 2, eight gain 0.5: skewness -1.5, excess kurtosis 0.25.
    with pytest.raises(
        InputError, match=r"skewness -.* beyond the range in which .*; use historical_var or student_var"
    ):
        cornish_fisher_var(np.array([-2.0, -2.0, *[0.5] * 8] * 20))


def random_market(seed, n=6):
    draw = np.random.default_rng(seed)
    root = draw.standard_normal((n, n))
    return draw.standard_normal(n), root @ root.T / 1e4, draw.standard_normal((400, n)) / 100, draw.standard_normal(n)


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_laws_of_splits(seed):
    weights, covariance, scenarios, trades = random_market(seed)
    split = component_var(weights, covariance)
    assert_allclose(split.parts.sum(), gaussian_var(weights, covariance))
    assert_allclose(split.parts, weights * marginal_var(weights, covariance))
    tail = component_shortfall(weights, scenarios, level=0.95)
    assert_allclose(tail.parts.sum(), expected_shortfall(scenarios @ weights, level=0.95))
    baskets = np.column_stack([trades, -weights, 0 * trades])
    whole = gaussian_var(weights, covariance)
    added = [gaussian_var(weights + basket, covariance) - whole for basket in baskets.T]
    assert_allclose(incremental_vars(weights, baskets, covariance), added, atol=1e-12)
    assert_allclose(incremental_var(weights, trades, covariance), added[0])
    first = incremental_vars(weights, baskets, covariance, exact=False)
    assert_allclose(first, marginal_var(weights, covariance) @ baskets)
    # A small basket changes the risk by what its first order says.
    small = 1e-6 * trades
    assert_allclose(
        incremental_var(weights, small, covariance),
        incremental_var(weights, small, covariance, exact=False),
        rtol=1e-3,
        atol=1e-12,
    )


@given(st.integers(0, 10_000), st.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_shortfall_is_coherent(seed, level):
    _, _, scenarios, _ = random_market(seed)
    one, other = scenarios[:, 0], scenarios[:, 1] - 0.5 * scenarios[:, 2]

    def risk(returns):
        return expected_shortfall(returns, level=level)

    assert risk(one) >= historical_var(one, level=level) - 1e-15
    assert_allclose(risk(3 * one), 3 * risk(one))
    assert_allclose(risk(one + 0.01), risk(one) - 0.01)
    # 400 days times 1 - level is whole, so the mean beyond the level is that of a fixed number of days.
    assert risk(one + other) <= risk(one) + risk(other) + 1e-12
    assert risk(np.minimum(one, other)) >= risk(one) - 1e-15


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: historical_var(np.zeros(99)), "99 returns say nothing of a level of 0.99; give at least 100"),
        (lambda: historical_var(np.array([0.1, np.nan] * 100)), r"returns are \(200,\) or incomplete"),
        (lambda: historical_var(np.zeros(200), level=99.0), "a level of 99.0 must be at least 0.5 and below 1"),
        (lambda: historical_var(np.zeros(200), weights=-np.ones(200)), "must be one for each of 200 days, none below"),
        (lambda: historical_var(np.zeros(200), weights=np.ones(200), predictive=True), "leave out the weights"),
        (lambda: age_weights(10, half_life=0), "10 days with a half-life of 0: both must be positive"),
        (lambda: rescaled_returns(np.zeros(30)), "the returns do not vary, so no volatility"),
        (lambda: rescaled_returns(np.ones(5)), "volatility takes at least 20"),
        (lambda: student_var(np.ones(200)), "the returns do not vary, so their tail has no shape"),
        (lambda: student_var(np.arange(200.0), degrees=2.0), "has no variance; give more than 2"),
        (lambda: incremental_vars(np.ones(2), np.ones((3, 4)), COVARIANCE), r"baskets are \(3, 4\); 2 assets need"),
        (lambda: gaussian_var(np.ones(3), COVARIANCE), "3 weights|weights"),
        (lambda: gaussian_var(np.array([1, np.nan]), COVARIANCE), "weights"),
        (lambda: marginal_var(np.zeros(2), COVARIANCE), "the portfolio has no risk"),
        (lambda: component_shortfall(np.ones(2), np.full((200, 2), np.nan)), r"scenarios are \(200, 2\) or incomplete"),
    ],
)
def test_what_says_nothing_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()


@pytest.mark.parametrize("days", [99, 101, 499, 501])
def test_a_multiple_of_a_portfolio_has_that_multiple_of_its_shortfall(days):
    """At levels whose day is a whole number but for rounding, too."""
    draws = np.random.default_rng(0).standard_normal((50, days)) * 0.01
    for returns in draws:
        for level in (0.8, 0.9, 0.95):
            once = expected_shortfall(returns, level=level)
            assert expected_shortfall(3 * returns, level=level) == pytest.approx(3 * once, rel=1e-12)


def test_a_covariance_that_is_none_is_refused():
    with pytest.raises(InputError, match="nearest_psd"):
        gaussian_var(np.array([1.0, -1.0]), np.array([[1.0, 2.0], [2.0, 1.0]]))
