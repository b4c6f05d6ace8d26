import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.features.market_model import market_returns, residual_return, trailing_market_model
from quantray.features.returns import simple_returns

NAN = np.nan


def test_market_return_is_the_mean_of_the_days_members():
    member = np.array([[True, True, False], [True, False, False], [False, False, False]])
    returns = np.array([[0.01, 0.03, 0.5], [NAN, 0.1, 0.1], [0.1, 0.1, 0.1]])
    assert_allclose(market_returns(returns, member), [0.02, NAN, NAN])


def test_equals_least_squares_over_the_days_an_asset_has():
    generator = np.random.default_rng(0)
    market = generator.normal(0, 0.01, 90)
    returns = market[:, None] * [0.5, 1.0, 2.0] + generator.normal(0, 0.02, (90, 3))
    returns[generator.random(returns.shape) < 0.1] = NAN
    market[50] = NAN
    model = trailing_market_model(returns, market, 60, min_share=0.5)
    for row in (59, 75, 89):
        for asset in range(3):
            y, x = returns[row - 59 : row + 1, asset], market[row - 59 : row + 1]
            both = ~np.isnan(x + y)
            beta, level = np.polyfit(x[both], y[both], 1)
            spread = np.sqrt(252 * np.mean((y[both] - level - beta * x[both]) ** 2))
            assert_allclose(model.beta[row, asset], beta, rtol=1e-9)
            assert_allclose(model.residual_volatility[row, asset], spread, rtol=1e-9)


def test_recovers_the_truth_of_a_simulation():
    market = simulate_market(120, 800, seed=2, tail_degrees=20.0, listing_share=0, delisting_share=0, n_styles=0)
    returns = simple_returns(market.panel.field("close"))
    model = trailing_market_model(returns, market_returns(returns, market.panel.member), 700)
    assert np.corrcoef(model.beta[-1], market.truth.loadings[:, 0])[0, 1] > 0.9
    specific = np.sqrt(market.truth.specific_variance)
    assert np.corrcoef(model.residual_volatility[-1], specific)[0, 1] > 0.95


def test_unknown_without_enough_days_or_a_market_that_moves():
    returns = np.random.default_rng(1).normal(0, 0.01, (30, 2))
    returns[:12, 1] = NAN
    model = trailing_market_model(returns, np.linspace(-0.01, 0.01, 30), 30, min_share=0.8)
    assert_array_equal(np.isnan(model.beta[-1]), [False, True])
    assert np.isnan(model.beta[:23]).all()
    assert np.isnan(trailing_market_model(returns, np.full(30, 0.001), 30).beta).all()


def test_residual_return_by_hand():
    period, beta = np.array([[NAN], [0.30]]), np.array([[NAN], [0.5]])
    # The market made 1.1 * 1.1 - 1 = 21 %.
    assert_allclose(residual_return(period, beta, np.array([0.1, 0.1]), 2), [[NAN], [0.195]])


def test_refusals():
    with pytest.raises(InputError, match=r"market returns are \(4,\) for \(5, 2\)"):
        trailing_market_model(np.zeros((5, 2)), np.zeros(4), 3)
    with pytest.raises(InputError, match="2 days below 3"):
        trailing_market_model(np.zeros((5, 2)), np.zeros(5), 2)
