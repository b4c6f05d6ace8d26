from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.portfolio import mean_variance
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.diversification import tangency_weights
from quantray.portfolio.frontier import efficient_frontier, maximum_sharpe, minimum_variance
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.solve import InfeasibleError

N, K = 30, 3
FREE = Limits(budget=(-100.0, 100.0), weight=(-50.0, 50.0))


def random_model(n_assets=N, n_factors=K, seed=0):
    """Daily covariance of a market, weaker factors and specific risk."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0, 1, (n_assets, n_factors))
    loadings[:, :1] = generator.normal(1, 0.3, (n_assets, min(1, n_factors)))
    deviation = np.r_[0.01, np.full(n_factors, 0.004)][:n_factors]
    return FactorModel(loadings, np.diag(deviation**2), generator.uniform(0.01, 0.03, n_assets) ** 2)


MODEL = random_model()
ALPHA = np.random.default_rng(1).normal(0, 1e-3, N)
HELD = np.random.default_rng(2).dirichlet(np.full(N, 3.0))
SECTORS = np.array(["banks", "energy", "tech"])[np.arange(N) % 3]
MARKET = Market(
    cost=np.full(N, 2e-4),
    beta=MODEL.loadings[:, 0],
    sectors=SECTORS,
    adv=np.random.default_rng(3).uniform(0.2, 2.0, N),
    benchmark=np.full(N, 1 / N),
)


def solve(limits, *, alpha=ALPHA, model=MODEL, previous=HELD, market=MARKET, objective=None, used_turnover=0.0):
    optimiser = MeanVariance(limits, model.n_assets, model.n_factors, objective=objective)
    solution = optimiser.solve(alpha=alpha, model=model, previous=previous, market=market, used_turnover=used_turnover)
    assert solution.residuals.worst <= 1e-6
    return solution


def utility(weights, *, alpha=ALPHA, model=MODEL, previous=HELD, market=MARKET, aim=Objective()):  # noqa: B008
    """Alpha less risk and costs, from the dense covariance."""
    trade = np.abs(weights - previous)
    value = alpha @ weights - aim.risk_aversion / 2 * weights @ model.dense() @ weights
    if market.cost is not None:
        value -= aim.cost_aversion * market.cost @ trade
    if market.impact is not None:
        value -= aim.cost_aversion * market.impact @ trade**1.5
    if market.borrow is not None:
        value -= market.borrow @ np.maximum(-weights, 0)
    return value


def binding(solution, name):
    (found,) = [limit for limit in solution.binding if limit.name == name]
    return found


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
    dear = solve(limits, previous=None, market=replace(MARKET, borrow=np.full(N, 2e-3)))
    assert -dear.weights[dear.weights < 0].sum() < -0.9 * free.weights[free.weights < 0].sum()


def test_impact_makes_trades_smaller():
    plain = solve(Limits())
    heavy = solve(Limits(), market=replace(MARKET, impact=np.full(N, 0.01)))
    assert np.abs(heavy.weights - HELD).sum() < 0.9 * np.abs(plain.weights - HELD).sum()


# Every limit, in its unit


@pytest.mark.parametrize("budget", [(1.0, 1.0), (0.5, 0.6), (0.0, 0.0)])
def test_budget(budget):
    weights = solve(Limits(budget=budget, weight=(-0.3, 0.3))).weights
    assert budget[0] - 1e-7 <= weights.sum() <= budget[1] + 1e-7


def test_weight():
    solution = solve(Limits(weight=(0.01, 0.06)))
    assert_allclose([solution.weights.min(), solution.weights.max()], [0.01, 0.06], atol=1e-6)


def test_gross():
    solution = solve(Limits(weight=(-0.5, 0.5), gross=1.4))
    assert_allclose(np.abs(solution.weights).sum(), 1.4, atol=1e-6)
    assert binding(solution, "gross").limit == 1.4


def test_turnover_is_half_the_money_traded():
    solution = solve(Limits(turnover=0.05))
    assert_allclose(np.abs(solution.weights - HELD).sum() / 2, 0.05, atol=1e-6)
    price = binding(solution, "turnover")
    assert price.limit == pytest.approx(0.05)
    gain = solve(Limits(turnover=0.0501)).objective - solve(Limits(turnover=0.0499)).objective
    assert price.price == pytest.approx(gain / 2e-4, rel=1e-2)


def test_buying_everything_from_cash_is_half():
    with pytest.raises(InfeasibleError, match=r"turnover 0.4 -> 0.5|budget"):
        solve(Limits(turnover=0.4), previous=None)
    assert solve(Limits(turnover=0.5 + 1e-6), previous=None).status == "optimal"


def test_annual_turnover_leaves_what_is_not_used():
    limits = Limits(annual_turnover=3.0, turnover=0.05)
    for used, left in ((0.0, 0.05), (2.98, 0.02), (3.0, 0.0), (3.5, 0.0)):
        solution = solve(limits, used_turnover=used)
        assert_allclose(np.abs(solution.weights - HELD).sum() / 2, left, atol=1e-6)


@pytest.mark.parametrize("beta", [(0.5, 0.8), (1.2, 1.4)])
def test_beta(beta):
    value = MARKET.beta @ solve(Limits(beta=beta)).weights
    assert beta[0] - 1e-7 <= value <= beta[1] + 1e-7


def test_sectors_and_the_star():
    weights = solve(Limits(sectors={"tech": (0.5, 0.6), "*": (0.1, 0.3)})).weights
    totals = {label: weights[label == SECTORS].sum() for label in ("banks", "energy", "tech")}
    assert 0.5 - 1e-7 <= totals["tech"] <= 0.6 + 1e-7
    for label in ("banks", "energy"):
        assert 0.1 - 1e-7 <= totals[label] <= 0.3 + 1e-7


def test_factors():
    solution = solve(Limits(factors={"factor 2": (0.05, 0.1), "factor 3": (0.0, 0.0)}))
    exposure = MODEL.loadings.T @ solution.weights
    assert 0.05 - 1e-7 <= exposure[1] <= 0.1 + 1e-7
    assert_allclose(exposure[2], 0.0, atol=1e-7)


def test_a_factor_without_loadings_fixed_at_zero():
    model = FactorModel(np.c_[MODEL.loadings[:, :2], np.zeros(N)], MODEL.factor_covariance, MODEL.specific_variance)
    assert solve(Limits(factors={"factor 3": (0.0, 0.0)}), model=model).status == "optimal"


def test_positions_and_trades_as_shares_of_volume():
    solution = solve(Limits(adv_position=0.15, adv_trade=0.05), previous=np.minimum(HELD, 0.15 * MARKET.adv))
    start = np.minimum(HELD, 0.15 * MARKET.adv)
    assert (solution.weights <= 0.15 * MARKET.adv + 1e-7).all()
    assert (np.abs(solution.weights - start) <= 0.05 * MARKET.adv + 1e-7).all()


def test_restricted_names_are_sold():
    restricted = np.arange(N) < 4
    weights = solve(Limits(), market=replace(MARKET, restricted=restricted)).weights
    assert_allclose(weights[restricted], 0.0, atol=1e-9)


@pytest.mark.parametrize("relax", [(), ("turnover",)])
def test_no_trade_is_smaller_than_the_minimum(relax):
    restricted = np.arange(N) < (4 if relax else 0)
    limits = Limits(minimum_trade=0.02, turnover=0.01 if relax else 0.3, relax=relax)
    solution = solve(limits, market=replace(MARKET, restricted=restricted))
    trade = np.abs(solution.weights - HELD)[~restricted]
    assert (trade > 0.0199).any() or relax
    if any("were left out" in note for note in solution.notes):
        assert ((trade <= 1e-7) | (trade >= 0.02 - 1e-7)).all()
    else:
        assert "are needed to meet the limits" in solution.notes[0]
    assert solution.status == ("relaxed" if relax else "optimal")


@pytest.mark.parametrize("gap", [np.nan, np.inf, 1.0])
def test_an_unknown_gap_is_no_certificate(monkeypatch, gap):
    found = mean_variance.solve_structured
    monkeypatch.setattr(mean_variance, "solve_structured", lambda *a, **k: replace(found(*a, **k), gap=gap))
    with pytest.raises(SolverError, match="could not be certified"):
        MeanVariance(Limits(), N, K).solve(alpha=ALPHA, model=MODEL)


def test_small_trades_that_the_tracking_error_needs_are_kept():
    limits = Limits(weight=(0.0, 0.2), tracking_error=0.002, minimum_trade=0.05)
    solution = MeanVariance(limits, N, K).solve(alpha=ALPHA, model=MODEL, previous=HELD, market=MARKET)
    assert np.sqrt(252 * MODEL.variance(solution.weights - MARKET.benchmark)) <= 0.002 * (1 + 1e-7)
    assert any("are needed to meet the limits" in note for note in solution.notes)


def cone_weights(limits, market=MARKET):
    """The same problem with the tracking error as a cone, by cvxpy on the dense covariance."""
    w, aim = cp.Variable(N), Objective()
    root = np.linalg.cholesky(MODEL.dense())
    value = ALPHA @ w - aim.risk_aversion / 2 * cp.sum_squares(root.T @ w)
    value -= aim.cost_aversion * market.cost @ cp.abs(w - HELD)
    error = limits.tracking_error / np.sqrt(limits.periods_per_year)
    rules = [cp.sum(w) == 1, w >= 0, cp.norm(root.T @ (w - market.benchmark)) / error <= 1]
    cp.Problem(cp.Maximize(value * 1e3), rules).solve(
        solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10
    )
    return w.value


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("days", [252, 52])
def test_tracking_error_is_met_and_equals_the_cone(share, days):
    free = solve(Limits()).weights
    tracking_error = share * np.sqrt(days * MODEL.variance(free - MARKET.benchmark))
    limits = Limits(tracking_error=tracking_error, periods_per_year=days)
    solution = solve(limits)
    error = np.sqrt(days * MODEL.variance(solution.weights - MARKET.benchmark))
    assert error == pytest.approx(tracking_error, rel=1e-5)
    assert_allclose(solution.objective, utility(cone_weights(limits)), atol=1e-8)
    price = binding(solution, "tracking error")
    assert price.limit == pytest.approx(tracking_error)
    step = 2e-4 * tracking_error
    gain = solve(replace(limits, tracking_error=tracking_error + step)).objective
    gain -= solve(replace(limits, tracking_error=tracking_error - step)).objective
    assert price.price == pytest.approx(gain / (2 * step), rel=1e-2)


def test_a_tracking_error_that_does_not_bind_costs_nothing():
    assert_allclose(solve(Limits(tracking_error=10.0)).weights, solve(Limits()).weights)


def test_a_tracking_error_out_of_reach_names_the_least():
    limits = Limits(tracking_error=0.001, weight=(0, 0.05), periods_per_year=52)
    market = replace(MARKET, benchmark=np.eye(N)[0])
    with pytest.raises(InfeasibleError, match="no tracking error below .* a year; raise the limit of 0.001") as caught:
        solve(limits, market=market)
    (conflict,) = caught.value.conflicts
    least = minimum_active_risk(market.benchmark, 0.05)
    assert (conflict.name, conflict.limit) == ("tracking error", pytest.approx(0.001))
    assert conflict.needed == pytest.approx(np.sqrt(52) * least, rel=1e-3)


def minimum_active_risk(benchmark, most):
    w = cp.Variable(N)
    root = np.linalg.cholesky(MODEL.dense())
    rules = [cp.sum(w) == 1, w >= 0, w <= most]
    return float(cp.Problem(cp.Minimize(cp.norm(root.T @ (w - benchmark)) * 100), rules).solve("CLARABEL")) / 100


def test_all_limits_together():
    limits = Limits(
        weight=(0.0, 0.1),
        turnover=0.25,
        annual_turnover=3.0,
        beta=(0.95, 1.05),
        sectors={"*": (0.2, 0.45)},
        factors={"factor 3": (-0.2, 0.2)},
        adv_position=0.5,
        adv_trade=0.2,
    )
    weights = solve(limits, used_turnover=1.0).weights
    assert np.abs(weights - HELD).sum() / 2 <= 0.25 + 1e-7
    assert weights.max() <= 0.1 + 1e-7
    assert 0.95 - 1e-7 <= MARKET.beta @ weights <= 1.05 + 1e-7


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


@pytest.mark.parametrize("changes", [{"risk_aversion": 0.0}, {"risk_aversion": float("nan")}, {"cost_aversion": -1.0}])
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


# Problems without a solution


def test_turnover_zero_with_a_new_restricted_holding():
    restricted = np.arange(N) == 0
    with pytest.raises(InfeasibleError, match="smallest change that allows some.*Ease these, or name") as caught:
        solve(Limits(turnover=0.0), market=replace(MARKET, restricted=restricted))
    # Sold without buying another: half of it one way and a budget below one; or sold and bought: all of it.
    names = {conflict.name for conflict in caught.value.conflicts}
    assert "turnover" in names
    (turnover,) = [conflict for conflict in caught.value.conflicts if conflict.name == "turnover"]
    assert turnover.limit == 0.0
    assert turnover.needed == pytest.approx(HELD[0] if names == {"turnover"} else HELD[0] / 2)


def test_beta_range_against_long_only():
    beta = np.linspace(0.8, 1.4, N)
    with pytest.raises(InfeasibleError, match=r"beta 0.1 -> 0.8") as caught:
        solve(Limits(beta=(-0.1, 0.1)), market=replace(MARKET, beta=beta))
    (conflict,) = caught.value.conflicts
    assert (conflict.name, conflict.limit) == ("beta", 0.1)
    assert conflict.needed == pytest.approx(0.8)


def test_sector_floors_above_the_budget():
    floors = {"banks": (0.5, 1.0), "energy": (0.4, 1.0), "tech": (0.3, 1.0)}
    with pytest.raises(InfeasibleError, match="no weights satisfy all limits") as caught:
        solve(Limits(sectors=floors))
    # The floors sum to 1.2: 0.2 must give way in all, in the budget or in a floor.
    conflicts = caught.value.conflicts
    assert sum(abs(conflict.needed - conflict.limit) for conflict in conflicts) == pytest.approx(0.2)
    assert {conflict.name for conflict in conflicts} <= {"budget", "sector banks", "sector energy", "sector tech"}


def test_single_names_that_cannot_fill_the_budget():
    with pytest.raises(InfeasibleError, match="budget 1 -> 0.3") as caught:
        solve(Limits(weight=(0.0, 0.01)))
    assert caught.value.conflicts[0].needed == pytest.approx(0.3)


def test_limits_give_way_in_the_declared_order():
    restricted = np.arange(N) == 0
    market = replace(MARKET, restricted=restricted)
    base = {"turnover": 0.0, "beta": (0.9, 1.1)}
    solution = solve(Limits(**base, relax=("beta", "turnover")), market=market)
    # Easing the beta does not help, so the turnover gives way too, and only as far as needed.
    (eased,) = solution.relaxed
    assert solution.status == "relaxed"
    assert (eased.name, eased.limit) == ("turnover", 0.0)
    assert eased.needed == pytest.approx(HELD[0])
    assert_allclose(np.abs(solution.weights - HELD).sum() / 2, HELD[0], atol=1e-5)
    budget = solve(Limits(turnover=0.5 * HELD[0], relax=("budget", "turnover")), market=market)
    assert [relaxation.name for relaxation in budget.relaxed] == ["budget"]
    assert_allclose(budget.weights.sum(), 1 - HELD[0], atol=1e-5)


def test_nothing_gives_way_unasked():
    solution = solve(Limits(turnover=0.3, relax=("turnover", "beta")))
    assert (solution.status, solution.relaxed) == ("optimal", ())
    with pytest.raises(InfeasibleError):
        solve(Limits(weight=(0.0, 0.01), relax=("turnover",)))


def test_sizes_that_gave_way_are_recorded():
    restricted = np.arange(N) == 0
    limits = Limits(adv_trade=0.01, relax=("trade size",))
    solution = solve(limits, market=replace(MARKET, restricted=restricted))
    assert solution.status == "relaxed"
    assert solution.relaxed[0].name == "trade size (1 names)"


def test_another_solver_steps_in_and_says_so(monkeypatch):
    expected = solve(Limits())
    stalled = mean_variance.solve_structured
    monkeypatch.setattr(mean_variance, "solve_structured", lambda p, **kw: replace(stalled(p, **kw), converged=False))
    solution = solve(Limits())
    assert solution.solver == "clarabel"
    assert_allclose(solution.objective, expected.objective, atol=1e-9)
    with pytest.raises(SolverError, match="no solver converged on a feasible problem"):
        solve(Limits(tracking_error=0.01))


# Portfolios of their own name


def test_minimum_variance_equals_the_closed_form():
    weights = minimum_variance(FREE_BUDGET, MODEL).weights
    expected = np.linalg.solve(MODEL.dense(), np.ones(N))
    assert_allclose(weights, expected / expected.sum(), atol=1e-6)


FREE_BUDGET = Limits(budget=(1.0, 1.0), weight=(-50.0, 50.0))


@pytest.mark.parametrize("scale", [1.0, 252.0, 1e-4])
def test_minimum_variance_has_no_unit(scale):
    model = FactorModel(MODEL.loadings, scale * MODEL.factor_covariance, scale * MODEL.specific_variance)
    assert_allclose(minimum_variance(Limits(), model).weights, minimum_variance(Limits(), MODEL).weights, atol=1e-6)


def test_minimum_variance_ignores_costs():
    dear = replace(MARKET, cost=np.full(N, 0.1), impact=np.full(N, 0.1), borrow=np.full(N, 0.1))
    assert_allclose(
        minimum_variance(Limits(), MODEL, previous=HELD, market=dear).weights,
        minimum_variance(Limits(), MODEL).weights,
        atol=1e-6,
    )


def frontier_of(bounds=(0.0, 1.0), alpha=ALPHA):
    from pypfopt import EfficientFrontier

    options = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
    return EfficientFrontier(alpha * 252, MODEL.dense() * 252, bounds, solver="CLARABEL", solver_options=options)


@pytest.mark.parametrize("most", [1.0, 0.06])
def test_minimum_variance_equals_pyportfolioopt(most):
    theirs = frontier_of((0.0, most)).min_volatility()
    ours = minimum_variance(Limits(weight=(0.0, most)), MODEL).weights
    assert_allclose(ours, np.array(list(theirs.values())), atol=1e-6)


def test_minimum_variance_equals_skfolio():
    from skfolio.moments import BaseCovariance
    from skfolio.optimization import MeanRisk
    from skfolio.prior import EmpiricalPrior

    class Given(BaseCovariance):
        def fit(self, X, y=None):  # noqa: N803
            self._set_covariance(MODEL.dense())
            return self

    returns = np.random.default_rng(0).normal(0, 0.01, (40, N))
    peer = MeanRisk(
        prior_estimator=EmpiricalPrior(covariance_estimator=Given()),
        solver_params={"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12},
    ).fit(returns)
    assert_allclose(minimum_variance(Limits(), MODEL).weights, peer.weights_, atol=1e-6)


@pytest.mark.parametrize("risk_free", [0.0, 1e-4])
@pytest.mark.parametrize("most", [1.0, 0.15])
def test_maximum_sharpe_equals_pyportfolioopt(risk_free, most):
    theirs = np.array(list(frontier_of((0.0, most)).max_sharpe(risk_free_rate=risk_free * 252).values()))
    ours = maximum_sharpe(Limits(weight=(0.0, most)), alpha=ALPHA, model=MODEL, risk_free=risk_free).weights
    assert_allclose(ours, theirs, atol=1e-4)

    def ratio(weights):
        return (ALPHA @ weights - risk_free) / np.sqrt(MODEL.variance(weights))

    assert_allclose(ratio(ours), ratio(theirs), rtol=1e-6)


def test_maximum_sharpe_looks_as_far_as_the_best_portfolio():
    """Where volatilities differ a thousandfold, it is far calmer than the mean asset."""
    generator = np.random.default_rng(0)
    variance = 10 ** generator.uniform(-8, -2, 200)
    model = FactorModel(generator.normal(size=(200, 2)) * 1e-5, np.eye(2), variance)
    alpha = 0.05 * np.abs(generator.normal(size=200)) * np.sqrt(variance)
    best = tangency_weights(model.dense(), alpha)
    found = maximum_sharpe(Limits(), alpha=alpha, model=model).weights
    sharpe = alpha @ found / np.sqrt(model.variance(found))
    assert sharpe == pytest.approx(alpha @ best / np.sqrt(model.variance(best)), rel=1e-6)


def test_maximum_sharpe_needs_risk():
    with pytest.raises(InputError, match="no asset has any risk"):
        maximum_sharpe(Limits(), alpha=np.ones(2), model=FactorModel(np.zeros((2, 1)), np.eye(1), np.zeros(2)))


def test_maximum_sharpe_needs_a_gain():
    with pytest.raises(InputError, match="no portfolio within the limits has an expected return above"):
        maximum_sharpe(Limits(), alpha=-np.abs(ALPHA), model=MODEL)


def test_the_frontier_rises():
    points = efficient_frontier(
        Limits(weight=(0, 0.2)), alpha=ALPHA, model=MODEL, risk_aversions=np.geomspace(0.1, 1e4, 12)
    )
    risk = np.array([point.volatility for point in points])
    gain = np.array([point.expected_return for point in points])
    assert (np.diff(risk) <= 1e-9).all()
    assert (np.diff(gain) <= 1e-9).all()
    least = minimum_variance(Limits(weight=(0, 0.2)), MODEL)
    assert risk[-1] == pytest.approx(np.sqrt(MODEL.variance(least.weights)), rel=1e-4)
    for point in points:
        assert point.expected_return == pytest.approx(ALPHA @ point.solution.weights)


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


def test_a_sector_without_names_changes_no_weight():
    """Neither its upper limit nor leave to relax it, even where another limit has to give way."""
    banks = {"banks": (0.0, 0.3)}
    assert_allclose(
        solve(Limits(sectors=banks | {"shipping": (0.0, 0.2)})).weights, solve(Limits(sectors=banks)).weights
    )
    floors = dict.fromkeys(("banks", "energy", "tech"), (0.5, 1.0))
    eased = solve(
        Limits(sectors=floors | {"shipping": (0, 0.2)}, relax=("sector shipping", "sector banks", "sector tech"))
    )
    assert eased.relaxed
