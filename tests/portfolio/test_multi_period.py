import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.constraints import MARKET_NEUTRAL, Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.multi_period import decayed, multi_period
from quantray.portfolio.solve import InfeasibleError

N, K = 30, 3


def a_day(seed=0):
    """Alpha, a model, holdings and a market of one period."""
    generator = np.random.default_rng(seed)
    model = FactorModel(
        generator.normal(1, 0.3, (N, K)),
        np.diag(generator.uniform(0.5, 1, K)) * 1e-3,
        generator.uniform(1, 3, N) * 1e-3,
    )
    market = Market(
        cost=generator.uniform(1, 10, N) * 1e-4,
        impact=generator.uniform(0.5, 2, N) * 1e-2,
        beta=generator.uniform(0.5, 1.5, N),
        adv=generator.uniform(0.1, 1, N),
        borrow=np.full(N, 1e-4),
        sectors=np.array(["a", "b", "c"] * 10),
    )
    return generator.normal(size=N) * 5e-3, model, generator.dirichlet(np.ones(N)), market


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(weight=(0.0, 0.1), turnover=0.2, sectors={"*": (0.2, 0.5)}),
        Limits(budget=(0.0, 0.0), weight=(-0.1, 0.1), gross=1.5, beta=(-0.1, 0.1), adv_trade=0.3, adv_position=0.4),
    ],
)
def test_one_period_equals_mean_variance(limits):
    alpha, model, held, market = a_day()
    held = held if limits.budget == (1.0, 1.0) else held - held.mean()
    aim = Objective(risk_aversion=5.0, cost_aversion=2.0)
    plan = multi_period(limits, alpha=alpha[None], model=model, previous=held, market=market, objective=aim)
    alone = MeanVariance(limits, N, K, objective=aim).solve(alpha=alpha, model=model, previous=held, market=market)
    assert_allclose(plan.objective, alone.objective, atol=1e-8)
    assert_allclose(plan.weights[0], alone.weights, atol=1e-4)
    assert {limit.name.removesuffix(" in period 1") for limit in plan.binding} == {
        limit.name for limit in alone.binding
    }


def test_without_costs_every_period_is_its_own_problem():
    alpha, model, held, _ = a_day()
    path = decayed(alpha, periods=3, step_days=5, half_life_days=5) / 5
    plan = multi_period(Limits(weight=(0.0, 0.2)), alpha=path, model=model, previous=held)
    for h in range(3):
        alone = MeanVariance(Limits(weight=(0.0, 0.2)), N, K).solve(alpha=path[h], model=model)
        assert_allclose(plan.weights[h], alone.weights, atol=1e-5)


def test_models_limits_and_markets_may_differ_by_period():
    alpha, model, held, market = a_day()
    calm = FactorModel(model.loadings, model.factor_covariance / 4, model.specific_variance / 4)
    limits = [Limits(weight=(0.0, 0.1)), Limits(weight=(0.0, 0.3))]
    plan = multi_period(
        limits, alpha=np.array([alpha, alpha]), model=[model, calm], previous=held, market=[market, Market()]
    )
    assert plan.weights[0].max() <= 0.1 + 1e-8
    assert plan.weights[1].max() > 0.1


def test_a_schedule_ends_at_its_terminal():
    alpha, model, held, market = a_day()
    plan = multi_period(
        Limits(budget=(0.0, 1.0), adv_trade=0.2),
        alpha=np.zeros((6, N)),
        model=model,
        previous=held,
        market=market,
        terminal=np.zeros(N),
        quadratic=np.full(N, 1e-2),
    )
    assert_allclose(plan.weights[-1], 0.0, atol=1e-9)
    assert_allclose(plan.trades.sum(axis=0), -held, atol=1e-9)
    assert (np.abs(plan.trades) <= 0.2 * market.adv + 1e-8).all()
    assert plan.residuals.worst <= 1e-7


def test_holding_costs_weigh_on_both_sides():
    # One asset of variance one with alpha 1, or -1: held 1 - 0.25 of it.
    model = FactorModel(np.zeros((2, 0)), np.zeros((0, 0)), np.ones(2))
    limits = Limits(budget=(-9.0, 9.0), weight=(-9.0, 9.0))
    plan = multi_period(
        limits,
        alpha=np.array([[1.0, -1.0]]),
        model=model,
        objective=Objective(risk_aversion=1.0),
        holding=np.full(2, 0.25),
    )
    assert_allclose(plan.weights, [[0.75, -0.75]], atol=1e-6)


def test_decay_gathers_what_is_left():
    path = decayed(np.ones(1), periods=3, step_days=5, half_life_days=5)
    assert_allclose(path[1:] / path[:-1], 0.5)
    whole = decayed(np.ones(1), periods=200, step_days=5, half_life_days=5).sum()
    assert_allclose(whole, 5 / np.log(2), rtol=1e-9)
    assert_allclose(decayed(np.ones(1), periods=2, step_days=5, half_life_days=np.inf), 5.0)
    with pytest.raises(InputError, match="half_life_days 0"):
        decayed(np.ones(1), periods=2, step_days=5, half_life_days=0)


def test_the_faster_alpha_fades_the_less_is_traded():
    alpha, model, held, market = a_day()
    traded = []
    for half_life in (2, 8, 64):
        path = decayed(alpha, periods=6, step_days=1, half_life_days=half_life)
        plan = multi_period(Limits(), alpha=path, model=model, previous=held, market=market)
        traded.append(np.abs(plan.trades[0]).sum())
    assert traded[0] < traded[1] < traded[2]


# What has no solution


def test_an_end_out_of_reach_names_asset_and_caps():
    _, model, held, market = a_day()
    with pytest.raises(InfeasibleError, match=r"must be between 0 and 0 in period 2, which caps on trades") as caught:
        multi_period(
            Limits(budget=(0.0, 1.0), adv_trade=1e-3),
            alpha=np.zeros((2, N)),
            model=model,
            previous=held,
            market=market,
            terminal=np.zeros(N),
        )
    assert caught.value.conflicts[0].name == "trade size in period 2"


@pytest.mark.parametrize(
    ("limits", "terminal", "name", "needed"),
    [
        (Limits(weight=(0.0, 0.01)), None, "budget in period 1", 0.3),
        (Limits(turnover=0.1, weight=(0.0, 1 / 30)), None, "turnover in period 1", None),
        (Limits(), np.zeros(N), "budget in period 3", 0.0),
        (Limits(budget=(0.5, 0.5), gross=0.4), None, "budget in period 1", 0.4),
    ],
)
def test_what_cannot_be_met_is_named(limits, terminal, name, needed):
    _, model, held, market = a_day()
    with pytest.raises(InfeasibleError, match=name) as caught:
        multi_period(limits, alpha=np.zeros((3, N)), model=model, previous=held, market=market, terminal=terminal)
    found = {conflict.name: conflict.needed for conflict in caught.value.conflicts}
    if needed is not None:
        assert found[name] == pytest.approx(needed, abs=1e-6)


def test_caps_that_exclude_the_budget_are_named_as_multiples():
    _, model, _, market = a_day()
    budgets = [Limits(adv_trade=0.01), Limits(adv_trade=0.01)]
    with pytest.raises(InfeasibleError, match="trade size in multiples of every cap|budget") as caught:
        multi_period(budgets, alpha=np.zeros((2, N)), model=model, market=market)
    assert caught.value.conflicts


def test_limits_give_way_in_order():
    _, model, held, market = a_day()
    limits = Limits(turnover=0.1, weight=(0.0, 1 / 30), relax=("turnover",))
    plan = multi_period(limits, alpha=np.zeros((3, N)), model=model, previous=held, market=market)
    assert [change.name for change in plan.relaxed] == ["turnover in period 1"]
    assert_allclose(plan.weights, 1 / 30, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": np.zeros(N)}, r"alpha is \(30,\) or holds NaN; it must be \(H, N\)"),
        ({"alpha": np.full((2, N), np.nan)}, "alpha is .* or holds NaN"),
        ({"previous": np.zeros(3)}, r"previous is \(3,\)"),
        ({"terminal": np.full(N, np.nan)}, "terminal is"),
        ({"quadratic": -np.ones(N)}, "quadratic is"),
        ({"limits": [Limits()]}, "1 limits for 2 periods"),
        ({"limits": Limits(tracking_error=0.1)}, "tracking_error 0.1 is a limit of one period alone"),
        ({"limits": MARKET_NEUTRAL}, "annual_turnover 3 is a limit of one period alone"),
        ({"limits": Limits(adv_trade=0.1), "market": Market()}, r"needs Market\(adv=...\)"),
        ({"limits": [Limits(), Limits(beta=(0.0, 1.0))]}, "name different rows"),
    ],
)
def test_bad_input_is_refused(change, message):
    _, model, held, market = a_day()
    given = {"limits": Limits(), "alpha": np.zeros((2, N)), "model": model, "previous": held, "market": market} | change
    with pytest.raises(InputError, match=message):
        multi_period(given.pop("limits"), **given)


def test_models_of_other_assets_are_refused():
    _, model, _, _ = a_day()
    with pytest.raises(InputError, match="all need 5 assets"):
        multi_period(Limits(), alpha=np.zeros((2, 5)), model=model)
