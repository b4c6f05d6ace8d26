from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from small_mandate import (
    ALPHA,
    FREE,
    HELD,
    MARKET,
    MODEL,
    SECTORS,
    K,
    N,
    binding,
    random_model,
    solve,
    utility,
)

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.portfolio import mean_variance
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective

# Hand cases


def test_two_assets_by_hand():
    # w1 = (a1 - a2 + risk v2) / (risk (v1 + v2)) with a budget of one.
    model = FactorModel(np.zeros((2, 0)), np.zeros((0, 0)), np.array([0.04, 0.01]))
    solution = solve(Limits(), alpha=np.array([0.05, 0.02]), model=model, previous=None, market=None)
    first = (0.05 - 0.02 + 25 * 0.01) / (25 * 0.05)
    assert_allclose(solution.weights, [first, 1 - first], atol=1e-7)
    assert (solution.status, solution.solver, solution.relaxed, solution.notes) == ("optimal", "structured", (), ())
    # Per unit of budget, utility changes by alpha less marginal risk.
    price = binding(solution, "budget")
    assert (price.side, price.limit) == ("lower", 1.0)
    assert_allclose(price.price, 25 * 0.01 * (1 - first) - 0.02, rtol=1e-4)


def test_unconstrained_weights_equal_woodbury():
    solution = solve(FREE, market=None, previous=None)
    inverse = 1 / MODEL.specific_variance
    small = np.linalg.inv(MODEL.factor_covariance) + MODEL.loadings.T * inverse @ MODEL.loadings
    scaled = inverse * ALPHA
    expected = (scaled - inverse * (MODEL.loadings @ np.linalg.solve(small, MODEL.loadings.T @ scaled))) / 25
    assert_allclose(solution.weights, expected, atol=1e-6)
    assert solution.binding == ()


def test_one_asset():
    model = random_model(1, 1)
    assert_allclose(solve(Limits(), alpha=np.ones(1), model=model, previous=None, market=None).weights, [1.0])


@pytest.mark.parametrize(
    "market",
    [
        MARKET,
        replace(MARKET, impact=np.full(N, 3e-3)),
        replace(MARKET, cost=None),
        replace(MARKET, borrow=np.full(N, 3e-4)),
    ],
    ids=["cost", "impact", "no cost", "borrow"],
)
def test_objective_is_the_utility_by_hand(market):
    limits = Limits(weight=(-0.2, 0.3), gross=1.6)
    solution = solve(limits, market=market)
    assert_allclose(solution.objective, utility(solution.weights, market=market), rtol=1e-9)
    # No portfolio on the way to another feasible one is better.
    for share in (1e-3, 0.1, 1.0):
        other = (1 - share) * solution.weights + share / N
        assert utility(other, market=market) <= solution.objective + 1e-9


def test_scaling_returns_and_aversion_together_changes_nothing():
    # Returns ten times as large have ten times the alpha and cost, and a hundred times the covariance.
    limits = Limits(weight=(0, 0.2), turnover=0.3)
    larger = FactorModel(MODEL.loadings * 10, MODEL.factor_covariance, MODEL.specific_variance * 100)
    market = replace(MARKET, cost=MARKET.cost * 10)
    other = solve(limits, alpha=ALPHA * 10, model=larger, market=market, objective=Objective(risk_aversion=2.5))
    assert_allclose(other.weights, solve(limits).weights, atol=1e-6)


def test_permuting_assets_permutes_weights():
    order = np.random.default_rng(0).permutation(N)
    market = Market(cost=MARKET.cost[order], beta=MARKET.beta[order], sectors=SECTORS[order])
    limits = Limits(weight=(0, 0.2), turnover=0.3, beta=(0.9, 1.0), sectors={"tech": (0.1, 0.3)})
    other = solve(limits, alpha=ALPHA[order], model=MODEL.select(order), previous=HELD[order], market=market)
    assert_allclose(other.weights, solve(limits).weights[order], atol=1e-6)


def test_costs_keep_trades_away():
    patient = solve(Limits(), objective=Objective(cost_aversion=1000.0))
    assert_allclose(patient.weights, HELD, atol=1e-7)
    eager = solve(Limits(), objective=Objective(cost_aversion=0.0))
    assert np.abs(eager.weights - HELD).sum() > 0.5


def test_borrowing_costs_make_shorts_smaller():
    limits = Limits(budget=(0, 0), weight=(-0.5, 0.5))
    free = solve(limits, previous=None)
    expensive = solve(limits, previous=None, market=replace(MARKET, borrow=np.full(N, 2e-3)))
    assert -expensive.weights[expensive.weights < 0].sum() < -0.9 * free.weights[free.weights < 0].sum()


def test_impact_makes_trades_smaller():
    plain = solve(Limits())
    heavy = solve(Limits(), market=replace(MARKET, impact=np.full(N, 0.01)))
    assert np.abs(heavy.weights - HELD).sum() < 0.9 * np.abs(plain.weights - HELD).sum()


@pytest.mark.parametrize("gap", [np.nan, np.inf, 1.0])
def test_an_unknown_gap_is_no_certificate(monkeypatch, gap):
    found = mean_variance.solve_structured
    monkeypatch.setattr(mean_variance, "solve_structured", lambda *a, **k: replace(found(*a, **k), gap=gap))
    with pytest.raises(SolverError, match="could not be certified"):
        MeanVariance(Limits(), N, K).solve(alpha=ALPHA, model=MODEL)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 3), "0 assets, 3 factors"),
        ((3, -1), "-1 factors"),
    ],
)
def test_shapes_out_of_range(arguments, text):
    with pytest.raises(InputError, match=text):
        MeanVariance(Limits(), *arguments)


def test_a_tolerance_out_of_range():
    with pytest.raises(InputError, match="tolerance 0 are out of range"):
        MeanVariance(Limits(), 3, 1, tolerance=0)


@pytest.mark.parametrize(
    "changes",
    [{"risk_aversion": 0.0}, {"risk_aversion": float("nan")}, {"cost_aversion": -1.0}, {"tax_aversion": -1.0}],
)
def test_aversions_out_of_range(changes):
    with pytest.raises(InputError, match="risk_aversion must be positive and cost_aversion not negative"):
        Objective(**changes)


def test_bad_data_are_refused():
    optimiser = MeanVariance(Limits(), N, K)
    with pytest.raises(InputError, match=r"the model has 5 assets and 3 factors, not \(30, 3\)"):
        optimiser.solve(alpha=ALPHA, model=random_model(5))
    with pytest.raises(InputError, match=r"alpha is \(4,\) or holds NaN; it must be \(30,\) and complete"):
        optimiser.solve(alpha=np.zeros(4), model=MODEL)
    with pytest.raises(InputError, match="alpha is .* or holds NaN"):
        optimiser.solve(alpha=np.full(N, np.nan), model=MODEL)
    with pytest.raises(InputError, match=r"previous is \(4,\) or holds NaN"):
        optimiser.solve(alpha=ALPHA, model=MODEL, previous=np.zeros(4))
    with pytest.raises(InputError, match=r"cost is \(2,\) for 30 assets"):
        optimiser.solve(alpha=ALPHA, model=MODEL, market=Market(cost=np.zeros(2)))
    with pytest.raises(InputError, match="used_turnover is nan; it must not be negative"):
        optimiser.solve(alpha=ALPHA, model=MODEL, used_turnover=float("nan"))
    with pytest.raises(InputError, match=r"the limit on tracking error needs Market\(benchmark=...\)"):
        MeanVariance(Limits(tracking_error=0.1), N, K).solve(alpha=ALPHA, model=MODEL)


# Degenerate input


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n_assets=st.integers(1, 8),
    n_factors=st.integers(0, 12),
    specific=st.sampled_from(["none", "some", "all"]),
    identical=st.booleans(),
    kind=st.sampled_from(["long-only", "long-short", "turnover", "tracking"]),
    seed=st.integers(0, 10**6),
)
def test_degenerate_input(n_assets, n_factors, specific, identical, kind, seed):
    """Identical and perfectly correlated assets, no specific risk, one asset, more factors than assets."""
    generator = np.random.default_rng(seed)
    loadings, alpha = generator.normal(size=(n_assets, n_factors)), generator.normal(0, 1e-3, n_assets)
    if identical:
        loadings[:], alpha[:] = loadings[0], alpha[0]
    variance = {"none": np.zeros(n_assets), "all": np.full(n_assets, 1e-4)}.get(specific)
    if variance is None:
        variance = np.where(np.arange(n_assets) % 2, 1e-4, 0.0)
    model = FactorModel(loadings, np.eye(n_factors) * 1e-4, variance)
    even = np.full(n_assets, 1 / n_assets)
    limits = {
        "long-only": Limits(),
        "long-short": Limits(budget=(0, 1), weight=(-1, 1), gross=2.0),
        "turnover": Limits(turnover=0.05),
        "tracking": Limits(tracking_error=0.02),
    }[kind]
    market = Market(cost=np.full(n_assets, 1e-4), benchmark=even)
    solution = solve(limits, alpha=alpha, model=model, previous=even, market=market)
    arguments = {"alpha": alpha, "model": model, "previous": even, "market": market}
    assert solution.objective >= utility(even, **arguments) - 1e-8
    assert_allclose(solution.objective, utility(solution.weights, **arguments), atol=1e-12)


def test_the_shipped_mandate_is_complete_and_held():
    from quantray.portfolio.constraints import MARKET_NEUTRAL

    generator = np.random.default_rng(5)
    beta = generator.normal(1.0, 0.3, 200)
    model = FactorModel(beta[:, None] * 0.01, np.eye(1), generator.uniform(0.01, 0.03, 200) ** 2)
    market = Market(cost=np.full(200, 5e-4), beta=beta, adv=generator.lognormal(-1.5, 1, 200))
    optimiser = MeanVariance(MARKET_NEUTRAL, 200, 1)
    solution = optimiser.solve(alpha=generator.normal(0, 0.01, 200), model=model, market=market, used_turnover=2.8)
    weights = solution.weights
    assert solution.residuals.worst < 1e-6
    assert abs(weights.sum()) < 1e-7
    assert abs(beta @ weights) <= 0.10 + 1e-7
    assert np.abs(weights).sum() / 2 <= 0.2 + 1e-7
    assert (np.abs(weights) <= 0.05 * market.adv + 1e-8).all()
    assert np.abs(weights).sum() > 0.1


def test_prices_of_a_day_are_a_start_for_the_next():
    generator = np.random.default_rng(5)
    optimiser = MeanVariance(Limits(weight=(0.0, 0.1), turnover=0.1), N, K)
    model = FactorModel(generator.normal(size=(N, K)), np.eye(K) * 1e-4, np.full(N, 4e-4))
    alpha, held = generator.normal(0, 1e-3, N), np.full(N, 1 / N)
    first = optimiser.solve(alpha=alpha, model=model, previous=held)
    new = 0.9 * alpha + generator.normal(0, 1e-4, N)
    cold = optimiser.solve(alpha=new, model=model, previous=first.weights)
    warm = optimiser.solve(alpha=new, model=model, previous=first.weights, start=first.prices)
    assert_allclose(warm.weights, cold.weights, atol=1e-10)
    assert max(warm.residuals.worst, cold.residuals.worst) <= 1e-9
