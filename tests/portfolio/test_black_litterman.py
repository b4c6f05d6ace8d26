import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.black_litterman import Views, equilibrium_returns, posterior

# He and Litterman (1999), in the order Australia, Canada, France, Germany, Japan, United Kingdom, United States.
VOLATILITY = np.array([0.160, 0.203, 0.248, 0.271, 0.210, 0.200, 0.187])
MARKET = np.array([0.016, 0.022, 0.052, 0.055, 0.116, 0.124, 0.615])
CORRELATION = np.array(
    [
        [1, 0.488, 0.478, 0.515, 0.439, 0.512, 0.491],
        [0.488, 1, 0.664, 0.655, 0.310, 0.608, 0.779],
        [0.478, 0.664, 1, 0.861, 0.355, 0.783, 0.668],
        [0.515, 0.655, 0.861, 1, 0.354, 0.777, 0.653],
        [0.439, 0.310, 0.355, 0.354, 1, 0.405, 0.306],
        [0.512, 0.608, 0.783, 0.777, 0.405, 1, 0.652],
        [0.491, 0.779, 0.668, 0.653, 0.306, 0.652, 1],
    ]
)
COVARIANCE = CORRELATION * np.outer(VOLATILITY, VOLATILITY)
GERMANY_OVER_FRANCE_AND_UK = np.array([[0, 0, -0.295, 1, 0, -0.705, 0]])


def random_model(n_assets, n_factors=3, seed=0):
    generator = np.random.default_rng(seed)
    root = generator.normal(0, 0.1, (n_factors, n_factors))
    loadings = generator.normal(0.5, 0.5, (n_assets, n_factors))
    return FactorModel(loadings, root @ root.T, generator.uniform(0.01, 0.05, n_assets))


def random_views(n_views, n_assets, seed=0, **uncertainty):
    generator = np.random.default_rng(seed)
    return Views(generator.normal(size=(n_views, n_assets)), generator.normal(0, 0.05, n_views), **uncertainty)


def test_equilibrium_of_the_paper():
    assert_allclose(100 * equilibrium_returns(COVARIANCE, MARKET), [3.9, 6.9, 8.4, 9.0, 4.3, 6.8, 7.6], atol=0.051)


def test_first_view_of_the_paper():
    views = Views(GERMANY_OVER_FRANCE_AND_UK, np.array([0.05]))
    result = posterior(COVARIANCE, equilibrium_returns(COVARIANCE, MARKET), views)
    assert_allclose(100 * result.mean, [4.3, 7.6, 9.3, 11.0, 4.5, 7.0, 8.1], atol=0.051)
    weights = np.linalg.solve(2.5 * result.covariance(), result.mean)
    # The printed inputs are rounded, which moves a weight by .05 % of the portfolio.
    assert_allclose(100 * weights, [1.5, 2.1, -4.0, 35.4, 11.0, -9.5, 58.6], atol=0.06)


@pytest.mark.parametrize("confidence", [0.0, 1e-9, 0.25, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("tau", [0.01, 0.05, 1.0])
def test_a_confidence_is_the_share_of_the_way_to_the_view(confidence, tau):
    views = Views(np.eye(5)[:1], np.array([0.3]), confidences=np.array([confidence]))
    result = posterior(np.eye(5), np.full(5, 0.1), views, tau=tau)
    assert_allclose(result.mean, [0.1 + 0.2 * confidence, 0.1, 0.1, 0.1, 0.1], rtol=1e-12)


@pytest.mark.parametrize("n_views", [1, 3, 6])
@pytest.mark.parametrize("uncertainty", ["proportional", "variances", "confidences"])
def test_equals_pyportfolioopt(n_views, uncertainty):
    from pypfopt import BlackLittermanModel

    covariance, prior = random_model(12, seed=1).dense(), np.linspace(0, 0.1, 12)
    views = random_views(n_views, 12, seed=n_views)
    sizes = np.linspace(0.1, 0.9, n_views)
    ours = {"proportional": {}, "variances": {"variances": sizes / 100}, "confidences": {"confidences": sizes}}
    theirs = {
        "proportional": {"omega": "default"},
        "variances": {"omega": np.diag(sizes / 100)},
        "confidences": {"omega": "idzorek", "view_confidences": sizes},
    }
    stated = Views(views.portfolios, views.returns, **ours[uncertainty])
    result = posterior(covariance, prior, stated, tau=0.1)
    model = BlackLittermanModel(
        pd.DataFrame(covariance), pi=prior, P=views.portfolios, Q=views.returns, tau=0.1, **theirs[uncertainty]
    )
    assert_allclose(result.mean, model.bl_returns(), rtol=1e-8)
    assert_allclose(result.covariance(), model.bl_cov(), rtol=1e-8, atol=1e-12)


def test_equals_the_formula_of_the_paper():
    covariance, prior = random_model(8, seed=2).dense(), np.linspace(-0.02, 0.1, 8)
    views = random_views(3, 8, seed=3, variances=np.array([0.01, 0.02, 0.005]))
    precision = np.linalg.inv(0.05 * covariance)
    trust = views.portfolios.T / views.variances
    uncertainty = np.linalg.inv(precision + trust @ views.portfolios)
    result = posterior(covariance, prior, views)
    assert_allclose(result.mean, uncertainty @ (precision @ prior + trust @ views.returns), rtol=1e-8)
    assert_allclose(result.covariance(), covariance + uncertainty, rtol=1e-8, atol=1e-12)


def test_certain_views_hold_exactly():
    covariance = random_model(10, seed=4).dense()
    views = random_views(4, 10, seed=4, confidences=np.ones(4))
    result = posterior(covariance, np.zeros(10), views)
    assert_allclose(views.portfolios @ result.mean, views.returns, rtol=1e-9)
    assert_allclose(views.portfolios @ (result.covariance() - covariance) @ views.portfolios.T, 0, atol=1e-12)


def test_certain_views_may_repeat_each_other():
    portfolios = np.array([[1.0, 0, 0], [1.0, -1, 0], [0, 1.0, 0], [2.0, 0, 0]])
    views = Views(portfolios, np.array([0.1, 0.04, 0.06, 0.2]), confidences=np.ones(4))
    result = posterior(random_model(3).dense(), np.zeros(3), views)
    assert_allclose(portfolios @ result.mean, views.returns, rtol=1e-9)


def test_certain_views_may_not_contradict_each_other():
    views = Views(np.eye(2)[[0, 0]], np.array([0.1, 0.2]), variances=np.zeros(2))
    with pytest.raises(InputError, match="contradict each other"):
        posterior(np.eye(2), np.zeros(2), views)


def test_views_without_confidence_change_nothing():
    covariance = random_model(6).dense()
    result = posterior(covariance, np.linspace(0, 1, 6), random_views(3, 6, confidences=np.zeros(3)))
    assert_allclose(result.mean, np.linspace(0, 1, 6), rtol=0)
    assert_allclose(result.covariance(), 1.05 * covariance, rtol=1e-14)


def test_views_that_agree_with_the_prior_leave_the_mean():
    covariance, prior = random_model(6).dense(), np.linspace(0, 1, 6)
    portfolios = random_views(3, 6).portfolios
    result = posterior(covariance, prior, Views(portfolios, portfolios @ prior))
    assert_allclose(result.mean, prior, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(n_assets=st.integers(1, 20), n_views=st.integers(1, 8), seed=st.integers(0, 10_000))
def test_factor_form_equals_dense_form_and_assets_may_be_permuted(n_assets, n_views, seed):
    generator = np.random.default_rng(seed)
    model, prior = random_model(n_assets, seed=seed), generator.normal(0, 0.05, n_assets)
    views = random_views(n_views, n_assets, seed, confidences=generator.choice([0.0, 0.3, 0.99], n_views))
    factor, dense = posterior(model, prior, views), posterior(model.dense(), prior, views)
    assert_allclose(factor.mean, dense.mean, rtol=1e-6, atol=1e-9)
    assert_allclose(factor.covariance(), dense.covariance(), rtol=1e-6, atol=1e-9)
    weights = generator.normal(size=n_assets)
    assert_allclose(factor.apply(weights), dense.covariance() @ weights, rtol=1e-6, atol=1e-9)
    assert np.linalg.eigvalsh(dense.covariance() - model.dense())[0] > -1e-10
    order = generator.permutation(n_assets)
    permuted = Views(views.portfolios[:, order], views.returns, confidences=views.confidences)
    assert_allclose(
        posterior(model.select(order), prior[order], permuted).mean, factor.mean[order], rtol=1e-6, atol=1e-9
    )


def test_thousands_of_names_stay_in_factor_form():
    model = random_model(3000, 20, seed=5)
    views = random_views(50, 3000, seed=5)
    result = posterior(model, equilibrium_returns(model, np.full(3000, 1 / 3000)), views)
    assert result.mean.shape == (3000,)
    assert result.prior is model


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"portfolios": np.ones(3), "returns": np.ones(1)}, r"must be \(V, N\)"),
        ({"portfolios": np.zeros((1, 3)), "returns": np.ones(1)}, "view 0 is about no asset"),
        ({"portfolios": np.eye(2), "returns": np.ones(3)}, "returns of 2 views"),
        ({"portfolios": np.eye(2), "returns": np.array([np.nan, 0])}, "one finite number each"),
        (
            {"portfolios": np.eye(2), "returns": np.ones(2), "variances": -np.ones(2)},
            "2 variances of views are negative",
        ),
        ({"portfolios": np.eye(2), "returns": np.ones(2), "confidences": np.array([0.5, 1.1])}, "between 0"),
        (
            {"portfolios": np.eye(2), "returns": np.ones(2), "confidences": np.ones(2), "variances": np.ones(2)},
            "not both",
        ),
    ],
)
def test_wrong_views_say_what_to_do(arguments, text):
    with pytest.raises(InputError, match=text):
        Views(**arguments)


def test_wrong_input_says_what_to_do():
    views = Views(np.eye(2), np.ones(2))
    with pytest.raises(InputError, match="NaN or infinite"):
        posterior(np.full((2, 2), np.nan), np.zeros(2), views)
    with pytest.raises(InputError, match="views are over 2 assets and the covariance over 3"):
        posterior(np.eye(3), np.zeros(3), views)
    with pytest.raises(InputError, match="tau 0"):
        posterior(np.eye(2), np.zeros(2), views, tau=0)
    with pytest.raises(InputError, match="prior returns"):
        posterior(np.eye(2), np.array([0.0, np.nan]), views)
    with pytest.raises(InputError, match="portfolio without risk"):
        posterior(np.diag([1.0, 0.0]), np.zeros(2), views)
    with pytest.raises(InputError, match="risk aversion -1"):
        equilibrium_returns(np.eye(2), np.ones(2) / 2, -1)
