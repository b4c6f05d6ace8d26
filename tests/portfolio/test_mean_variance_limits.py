"""Every limit of a mandate by itself, and all of them together."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_mandate import (
    ALPHA,
    HELD,
    MARKET,
    MODEL,
    SECTORS,
    K,
    N,
    binding,
    solve,
    utility,
)

from quantray.covariance.factor import FactorModel
from quantray.portfolio.constraints import Limits
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.solve import InfeasibleError


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
