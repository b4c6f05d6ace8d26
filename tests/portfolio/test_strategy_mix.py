import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.errors import DataError, InputError
from quantray.portfolio.strategy_mix import DrawdownRule, drawdown_scale, pairwise_correlation, strategy_mix

METHODS = ("equal", "inverse_volatility", "risk_parity", "sharpe")


def random_returns(n_strategies, n_days=500, seed=0, common=0.3):
    """Strategies with a common part, every volatility and mean its own."""
    generator = np.random.default_rng(seed)
    shared = np.sqrt(common) * generator.normal(size=(n_days, 1))
    own = np.sqrt(1 - common) * generator.normal(size=(n_days, n_strategies))
    deviation = generator.uniform(0.003, 0.02, n_strategies)
    return (shared + own + generator.normal(0.03, 0.03, n_strategies)) * deviation


def white(n_days, n_strategies, seed=0):
    """(T, S) returns with exactly no correlation, mean 0 and variance 1 (divisor n - 1)."""
    noise = np.random.default_rng(seed).normal(size=(n_days, n_strategies))
    return np.sqrt(n_days - 1) * np.linalg.qr(noise - noise.mean(axis=0))[0]


def test_equal_and_inverse_volatility_by_hand():
    returns = 0.01 * white(100, 2) * [1, 3]
    assert strategy_mix(returns, "equal").weights.tolist() == [0.5, 0.5]
    assert_allclose(strategy_mix(returns, "inverse_volatility").weights, [0.75, 0.25], rtol=1e-12)


@pytest.mark.parametrize("method", ["inverse_volatility", "risk_parity"])
def test_without_correlations_risk_parity_is_inverse_volatility(method):
    deviation = np.array([0.005, 0.01, 0.02, 0.04])
    weights = strategy_mix(white(200, 4) * deviation, method).weights
    assert_allclose(weights, (1 / deviation) / (1 / deviation).sum(), rtol=1e-9)


def test_sharpe_by_hand():
    # Uncorrelated, of equal variance: weights follow the shrunk means, which keep their mean and lose some spread.
    returns = 0.01 * white(1000, 3) + [0.0002, 0.0006, 0.001]
    result = strategy_mix(returns, "sharpe")
    distance = 2 * 0.0004**2 / 0.01**2
    shrinkage = 5 / (5 + 1000 * distance)
    assert result.mean_shrinkage == pytest.approx(shrinkage, rel=1e-6)
    means = 0.0006 + (1 - shrinkage) * np.array([-0.0004, 0, 0.0004])
    assert_allclose(result.weights, means / means.sum(), rtol=1e-6)


def test_sharpe_leaves_out_losers_and_holds_cash_when_all_lose():
    returns = 0.001 * white(2000, 3) + [0.001, 0.0005, -0.0008]
    result = strategy_mix(returns, "sharpe")
    assert result.weights[2] == 0
    assert result.weights.sum() == pytest.approx(1)
    assert result.dropped == {"strategy 3": "left out by the best Sharpe ratio without shorts"}
    cash = strategy_mix(0.001 * white(2000, 3) - 0.001, "sharpe")
    assert cash.weights.tolist() == [0, 0, 0]
    assert len(cash.dropped) == 3


def test_of_two_alike_the_better_stays():
    base = 0.01 * white(250, 3)
    returns = np.column_stack([base[:, 0], 0.8 * base[:, 0] + 0.6 * base[:, 1] + 0.001, base[:, 2]])
    result = strategy_mix(returns, "equal", names=["trend", "breakout", "value"])
    assert result.dropped == {"trend": "correlation 0.800 with breakout, not below 0.7"}
    assert result.weights.tolist() == [0, 0.5, 0.5]
    assert strategy_mix(returns, "equal", max_correlation=0.81).dropped == {}


def test_hedges_are_welcome():
    base = 0.01 * white(250, 2)
    returns = np.column_stack([base[:, 0], -0.9 * base[:, 0] + 0.1 * base[:, 1]])
    assert strategy_mix(returns).dropped == {}


@pytest.mark.parametrize("method", METHODS)
def test_a_hundred_and_fifty_strategies(method):
    generator = np.random.default_rng(3)
    returns = random_returns(30, 750)[:, generator.integers(0, 30, 150)]
    returns = returns + returns.std(axis=0) * generator.uniform(0, 1.2, 150) * generator.normal(size=returns.shape)
    result = strategy_mix(returns, method)
    held = result.weights > 0
    assert 5 < held.sum() < 150
    assert set(result.dropped) == {f"strategy {i + 1}" for i in np.flatnonzero(~held)}
    assert result.weights.sum() == pytest.approx(1, abs=1e-9)
    correlation = np.corrcoef(returns[:, held], rowvar=False)
    assert (correlation - np.eye(held.sum())).max() < 0.70


def test_pairwise_correlation_equals_numpy_on_common_days():
    returns = random_returns(6, 200)
    returns[np.random.default_rng(1).random(returns.shape) < 0.3] = np.nan
    found = pairwise_correlation(returns)
    for i in range(6):
        for j in range(6):
            both = ~np.isnan(returns[:, [i, j]]).any(axis=1)
            assert found[i, j] == pytest.approx(np.corrcoef(returns[both, i], returns[both, j])[0, 1], abs=1e-10)


def test_strategies_that_never_met_are_not_both_held():
    returns = random_returns(2, 400)
    returns[:200, 0] = np.nan
    returns[190:, 1] = np.nan
    result = strategy_mix(returns)
    (reason,) = result.dropped.values()
    assert "fewer than 60 days in common" in reason
    assert sorted(result.weights) == [0, 1]


def test_strategies_without_history_or_variance_are_named():
    returns = random_returns(4, 300)
    returns[:280, 0] = np.nan
    returns[:, 1] = 0.0001
    result = strategy_mix(returns)
    assert result.dropped == {
        "strategy 1": "20 days of returns, fewer than 60",
        "strategy 2": "its returns do not vary",
    }
    assert result.weights[2:].sum() == pytest.approx(1)


def test_drawdown_by_hand():
    # Wealth 1.1, .99 (10 % down), .9405 (14.5 %), .88407 (19.6 %), 1.2 (a new peak).
    returns = np.array([[0.1], [-0.1], [-0.05], [-0.06], [1.2 / 0.88407 - 1]])
    rule = DrawdownRule(start=0.05, stop=0.15, floor=0.2)
    assert_allclose(drawdown_scale(returns, rule)[:, 0], [1, 0.6, 0.24, 0.2, 1], rtol=1e-9)


def test_a_loss_on_the_first_day_is_a_drawdown():
    assert_allclose(drawdown_scale(np.array([[-0.1]]), DrawdownRule()), [[0.5]])


def test_drawdown_reduction_leaves_cash():
    returns = 0.001 * white(100, 2)
    returns[-1, 0] = -0.10
    whole = strategy_mix(returns, "equal")
    result = strategy_mix(returns, "equal", drawdown=DrawdownRule())
    scale = drawdown_scale(returns, DrawdownRule())[-1]
    assert scale[0] < 0.6
    assert_allclose(result.weights, whole.weights * scale, rtol=1e-12)
    assert result.reduced == {"strategy 1": f"reduced to {scale[0]:.1%}"}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), day=st.integers(0, 99))
def test_drawdown_knows_only_the_past(seed, day):
    returns = np.random.default_rng(seed).normal(0, 0.03, (100, 3))
    scale = drawdown_scale(returns, DrawdownRule())
    assert ((scale >= 0) & (scale <= 1)).all()
    assert_allclose(drawdown_scale(returns[: day + 1], DrawdownRule()), scale[: day + 1], rtol=0)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=20, deadline=None)
@given(n_strategies=st.integers(1, 12), n_days=st.integers(60, 120), seed=st.integers(0, 10_000))
def test_weights_follow_their_strategies_and_ignore_scale(method, n_strategies, n_days, seed):
    returns = random_returns(n_strategies, n_days, seed, common=0.5)
    order = np.random.default_rng(seed).permutation(n_strategies)
    weights = strategy_mix(returns, method).weights
    assert weights.min() >= 0
    assert min(abs(weights.sum() - 1), abs(weights.sum())) < 1e-9
    assert_allclose(strategy_mix(returns[:, order], method).weights, weights[order], atol=1e-7)
    assert_allclose(strategy_mix(returns / 10, method).weights, weights, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_identical_strategies_share_alike_or_leave_one(method):
    returns = np.repeat(random_returns(1, 300) + 0.001, 4, axis=1)
    assert_allclose(strategy_mix(returns, method, max_correlation=1).weights, 0.25, rtol=1e-4)
    assert strategy_mix(returns, method).weights.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"method": "best"}, "method 'best' is not one of"),
        ({"max_correlation": 0.0}, "max_correlation 0.0"),
        ({"min_days": 1}, "min_days 1"),
        ({"names": ["a", "a"]}, "2 names, 1 different, for 2 strategies"),
        ({"names": ["a"]}, "1 names, 1 different, for 2 strategies"),
    ],
)
def test_wrong_settings_say_what_to_do(arguments, text):
    with pytest.raises(InputError, match=text):
        strategy_mix(random_returns(2, 100), **arguments)


def test_wrong_returns_say_what_to_do():
    with pytest.raises(InputError, match=r"must be \(T, S\)"):
        strategy_mix(np.ones(5))
    with pytest.raises(InputError, match="infinite values or losses"):
        strategy_mix(np.full((100, 2), np.inf))
    with pytest.raises(InputError, match="infinite values or losses"):
        drawdown_scale(np.full((100, 2), -1.5), DrawdownRule())
    with pytest.raises(DataError, match="none of 2 strategies has 60 days"):
        strategy_mix(np.full((100, 2), np.nan))
    with pytest.raises(InputError, match="must rise within 0 and 1"):
        DrawdownRule(start=0.2, stop=0.1)
    with pytest.raises(InputError, match="floor 1.5"):
        DrawdownRule(floor=1.5)
