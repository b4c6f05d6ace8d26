import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.portfolio import risk_parity
from quantray.portfolio.contributions import risk_contributions
from quantray.portfolio.naive import inverse_volatility_weights
from quantray.portfolio.risk_parity import risk_parity_weights


def random_model(n_assets, n_factors=3, seed=0):
    """A market and weaker factors; every asset with a specific risk of its own."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0, 0.5, (n_assets, n_factors))
    loadings[:, 0] = generator.normal(1, 0.3, n_assets)
    root = generator.normal(0, 0.01, (n_factors, n_factors)) + 0.02 * np.eye(n_factors)
    return FactorModel(loadings, root @ root.T, generator.uniform(0.01, 0.03, n_assets) ** 2)


def constant_correlation(deviation, rho):
    correlation = np.full((len(deviation), len(deviation)), rho)
    np.fill_diagonal(correlation, 1.0)
    return correlation * np.outer(deviation, deviation)


def assert_budget_met(covariance, weights, budget, rtol=1e-9):
    parts = risk_contributions(covariance, weights)
    assert_allclose(parts / parts.sum(), budget, rtol=rtol)


@pytest.fixture(scope="module")
def paper_covariance():
    """The example of Maillard, Roncalli and Teiletche (2010)."""
    correlation = np.array([[1, 0.8, 0, 0], [0.8, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]])
    deviation = np.array([0.1, 0.2, 0.3, 0.4])
    return correlation * np.outer(deviation, deviation)


def test_weights_of_the_paper(paper_covariance):
    assert_allclose(100 * risk_parity_weights(paper_covariance), [38.4, 19.2, 24.3, 18.2], atol=0.051)


@pytest.mark.parametrize("rho", [-0.2, 0.0, 0.5, 0.99, 1.0])
def test_constant_correlation_gives_inverse_volatility(rho):
    covariance = constant_correlation(np.array([0.1, 0.15, 0.3, 0.02, 0.6]), rho)
    assert_allclose(risk_parity_weights(covariance), inverse_volatility_weights(covariance), rtol=1e-12)


def test_two_assets_with_a_budget_by_hand():
    # Uncorrelated assets: w_i proportional to sqrt(budget_i) / deviation_i.
    raw = np.sqrt([0.8, 0.2]) / [0.1, 0.4]
    weights = risk_parity_weights(np.diag([0.01, 0.16]), np.array([0.8, 0.2]))
    assert_allclose(weights, raw / raw.sum(), rtol=1e-12)


def test_a_short_in_a_hedge_by_hand():
    # Long and short in two correlated assets is like two assets with the opposite correlation.
    covariance = constant_correlation(np.array([0.1, 0.3]), 0.7)
    assert_allclose(risk_parity_weights(covariance, signs=np.array([1, -1])), [0.75, -0.25], rtol=1e-12)


def test_equals_skfolio():
    from skfolio.optimization import RiskBudgeting

    generator = np.random.default_rng(4)
    returns = (generator.normal(size=(300, 1)) + generator.normal(size=(300, 20))) * generator.uniform(0.01, 0.04, 20)
    budget = generator.uniform(1, 3, 20)
    budget /= budget.sum()
    theirs = RiskBudgeting(risk_budget=budget).fit(returns).weights_
    assert_allclose(risk_parity_weights(np.cov(returns, rowvar=False), budget), theirs, atol=2e-5)


def test_minimises_the_barrier_as_scipy_does(paper_covariance):
    from scipy.optimize import minimize

    def objective(weights):
        return 50 * weights @ paper_covariance @ weights - np.log(weights).sum() / 4

    found = minimize(objective, np.full(4, 0.25), bounds=[(1e-6, None)] * 4, options={"ftol": 1e-15, "gtol": 1e-10})
    assert_allclose(risk_parity_weights(paper_covariance), found.x / found.x.sum(), rtol=1e-5)


@pytest.mark.parametrize("with_signs", [False, True])
@pytest.mark.parametrize("n_assets", [1, 5, 80, 600])
def test_factor_form_equals_dense_form(n_assets, with_signs):
    model = random_model(n_assets, seed=n_assets)
    generator = np.random.default_rng(n_assets)
    budget = generator.uniform(0.5, 2, n_assets)
    budget /= budget.sum()
    signs = generator.choice([-1.0, 1.0], n_assets) if with_signs else None
    factor = risk_parity_weights(model, budget, signs=signs)
    assert_allclose(factor, risk_parity_weights(model.dense(), budget, signs=signs), rtol=1e-7)
    assert_budget_met(model, factor, budget)
    assert np.abs(factor).sum() == pytest.approx(1, abs=1e-12)
    assert (np.sign(factor) == (1 if signs is None else signs)).all()


@pytest.mark.parametrize(("few", "most"), [(0, 60), (0, 0)])
def test_the_ways_of_solving_a_hard_system_agree(monkeypatch, few, most):
    covariance = random_model(120, 10, seed=3).dense()
    signs = np.random.default_rng(3).choice([-1.0, 1.0], 120)
    expected = risk_parity_weights(covariance, signs=signs)
    monkeypatch.setattr(risk_parity, "FEW_STEPS", few)
    monkeypatch.setattr(risk_parity, "MOST_INNER_STEPS", most)
    assert_allclose(risk_parity_weights(covariance, signs=signs), expected, rtol=1e-8)


def test_two_thousand_names_meet_their_budget():
    model = random_model(2000, 20, seed=1)
    for covariance in (model, model.dense()):
        assert_budget_met(covariance, risk_parity_weights(covariance), np.full(2000, 1 / 2000), rtol=1e-8)


def test_a_model_without_factors_gives_inverse_volatility():
    specific = np.array([0.01, 0.04, 0.09])
    model = FactorModel(np.zeros((3, 1)), np.zeros((1, 1)), specific)
    assert_allclose(risk_parity_weights(model), inverse_volatility_weights(specific), rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(n_assets=st.integers(1, 30), n_factors=st.integers(1, 4), seed=st.integers(0, 10_000), signed=st.booleans())
def test_any_budget_is_met(n_assets, n_factors, seed, signed):
    model = random_model(n_assets, n_factors, seed)
    generator = np.random.default_rng(seed)
    budget = generator.dirichlet(np.ones(n_assets)) + 1e-4
    budget /= budget.sum()
    signs = generator.choice([-1.0, 1.0], n_assets) if signed else None
    for covariance in (model, model.dense()):
        assert_budget_met(covariance, risk_parity_weights(covariance, budget, signs=signs), budget)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), power=st.integers(-12, 8))
def test_weights_follow_their_assets_and_ignore_scale(seed, power):
    covariance = random_model(12, seed=seed).dense()
    order = np.random.default_rng(seed).permutation(12)
    weights = risk_parity_weights(covariance)
    assert_allclose(risk_parity_weights(covariance[np.ix_(order, order)]), weights[order], rtol=1e-8)
    assert_allclose(risk_parity_weights(covariance * 10.0**power), weights, rtol=1e-8)


@settings(max_examples=30, deadline=None)
@given(copies=st.integers(2, 6), seed=st.integers(0, 10_000))
def test_identical_assets_share_alike(copies, seed):
    model = random_model(5, seed=seed)
    several = np.r_[np.zeros(copies, dtype=int), 1:5]
    covariance = model.dense()[np.ix_(several, several)]
    weights = risk_parity_weights(covariance)
    assert_allclose(weights[:copies], weights[0], rtol=1e-8)
    assert_budget_met(covariance, weights, np.full(copies + 4, 1 / (copies + 4)))


def test_more_assets_than_days():
    generator = np.random.default_rng(0)
    returns = generator.normal(size=(40, 1)) + generator.normal(size=(40, 150))
    covariance = np.cov(returns, rowvar=False)
    assert_budget_met(covariance, risk_parity_weights(covariance), np.full(150, 1 / 150))


def test_perfect_hedges_have_no_solution():
    hedge = constant_correlation(np.array([0.1, 0.2]), -1.0)
    with pytest.raises(SolverError, match="hedge each other completely"):
        risk_parity_weights(hedge)
    with pytest.raises(SolverError, match="hedge each other completely"):
        risk_parity_weights(constant_correlation(np.array([0.1, 0.2]), 1.0), signs=np.array([1, -1]))
    # An uncorrelated third asset does not help, and the hedge is not where the search starts.
    larger = np.zeros((3, 3))
    larger[:2, :2], larger[2, 2] = hedge, 0.05
    with pytest.raises(SolverError, match="hedge each other completely"):
        risk_parity_weights(larger, np.array([0.2, 0.5, 0.3]))


def test_an_indefinite_matrix_is_named():
    with pytest.raises(SolverError, match="nearest_psd"):
        risk_parity_weights(np.array([[1.0, -2.0], [-2.0, 1.0]]))


@pytest.mark.parametrize(
    ("covariance", "arguments", "text"),
    [
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), {}, "NaN or infinite"),
        (np.diag([1.0, 0.0]), {}, "1 assets have no positive variance"),
        (np.ones((2, 3)), {}, "must be square"),
        (np.eye(2), {"budget": np.array([1.2, -0.2])}, "1 risk budgets are not positive"),
        (np.eye(2), {"budget": np.array([1.0, 0.0])}, "1 risk budgets are not positive"),
        (np.eye(2), {"budget": np.array([0.5, 0.6])}, "sum to 1.1"),
        (np.eye(2), {"budget": np.array([0.5, np.nan])}, "finite numbers"),
        (np.eye(2), {"budget": np.ones(3) / 3}, r"2 assets need \(2,\)"),
        (np.eye(2), {"signs": np.array([1.0, 0.5])}, "signs must be 1"),
        (np.eye(2), {"tolerance": 0.0}, "tolerance 0.0"),
    ],
)
def test_wrong_input_says_what_to_do(covariance, arguments, text):
    with pytest.raises(InputError, match=text):
        risk_parity_weights(covariance, **arguments)


def test_tiny_budgets_and_close_hedges_are_met_as_far_as_rounding_allows():
    budget = np.array([1e-9, 0.4, 0.6 - 1e-9])
    covariance = np.array([[1, -0.999999, 0.1], [-0.999999, 1, -0.1], [0.1, -0.1, 1]])
    parts = risk_contributions(covariance, risk_parity_weights(covariance, budget))
    assert_allclose(parts / parts.sum(), budget, rtol=1e-8, atol=1e-9)


def test_a_budget_that_is_not_met_is_an_error(monkeypatch):
    monkeypatch.setattr(risk_parity, "MOST_STEPS", 1)
    with pytest.raises(SolverError, match=r"in 1 steps and needs 1e-10; .* shrink it"):
        risk_parity_weights(random_model(20).dense())
