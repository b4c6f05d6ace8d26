import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.execution.impact import linear_impact, square_root_impact
from quantray.execution.simulate import DarkPool, MarketPaths, execute, simulated_market

# Almgren and Chriss (2000): price 50, 5 million shares a day, a spread of 1/8, volatility 0.95 a day.
PRICE, ADV, VOLATILITY = 50.0, 5e6, 0.95 / 50
PAPER = linear_impact(ADV, VOLATILITY, 1e4 * 0.125 / PRICE)
# Their optimal slices of a million shares over five days at a risk aversion of 1e-6, and in equal parts.
OPTIMAL = np.array([458_044.4, 252_101.3, 141_956.7, 85_755.7, 62_141.8])
EQUAL = np.full(5, 2e5)


def market(n_paths, n_intervals=5, volatility=VOLATILITY, seed=3, **more):
    return simulated_market(
        PRICE, volatility, n_intervals=n_intervals, interval_days=1.0, n_paths=n_paths, seed=seed, **more
    )


@pytest.mark.parametrize(
    ("slices", "expected", "variance"),
    [(EQUAL, 662_500, 1.083e12), (OPTIMAL, 911_226.99, 3.641286e11), (np.r_[1e6, np.zeros(4)], 2_562_500, 0.0)],
)
def test_costs_are_those_of_the_paper(slices, expected, variance):
    """Mean and variance of 10,000 paths within what so many paths can tell.

    In the paper a slice pays nothing of what itself moves the price by for good; here it pays half.
    """
    costs = execute(slices, market(10_000), PAPER).cost
    expected += 2.5e-7 * (slices**2).sum() / 2
    error = np.sqrt(variance / len(costs))
    assert costs.mean() == pytest.approx(expected, abs=4 * error + 1)
    # The variance of a normal sample of n has a relative error of sqrt(2 / n).
    assert costs.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / len(costs)), abs=1)


def test_without_risk_the_cost_is_the_models():
    impact = square_root_impact(ADV, VOLATILITY, 10.0)
    still = market(1, volatility=0.0)
    costs = execute(EQUAL, still, impact).cost[0]
    each = impact.cost(np.array([2e5]), days=1.0).item() * PRICE
    assert costs == pytest.approx(5 * each)


def test_a_sale_mirrors_a_purchase():
    flat = market(50)
    turned = MarketPaths(2 * PRICE - flat.prices, flat.volumes, 1.0)
    assert_allclose(execute(-OPTIMAL, turned, PAPER).cost, execute(OPTIMAL, flat, PAPER).cost)


def test_a_cap_carries_on_what_it_leaves_and_says_what_never_filled():
    others = np.array([900.0, 900.0, 900.0, 900.0, 900.0])
    done = execute(np.array([300.0, 0, 0, 0, 0]), market(3, volumes=others), PAPER, participation=0.1)
    # A tenth of all is a ninth of what others trade.
    assert_allclose(done.filled, np.tile([100, 100, 100, 0, 0], (3, 1)))
    assert_allclose(done.unfilled, 0)
    more = execute(np.array([800.0, 0, 0, 0, 0]), market(3, volumes=others), PAPER, participation=0.1)
    assert_allclose(more.unfilled, 300)
    assert_allclose(more.filled.sum(axis=1) + more.unfilled, 800)


def test_what_is_missed_counts_at_the_last_price():
    nothing = execute(np.array([100.0, 0, 0, 0, 0]), market(200, volumes=np.zeros(5)), PAPER, participation=0.1)
    assert_allclose(nothing.cost, 100 * (nothing.last - PRICE))
    assert np.isnan(nothing.paid).all()


def test_the_dark_pool_fills_at_the_middle_and_moves_nothing():
    still = market(4000, volatility=0.0, volumes=np.full(5, 1e6))
    all_dark = execute(EQUAL, still, PAPER, dark=DarkPool(chance=1.0, share=1.0))
    assert_allclose(all_dark.cost, 0, atol=1e-6)
    assert_allclose(all_dark.dark, all_dark.filled)
    some = execute(EQUAL, still, PAPER, dark=DarkPool(chance=0.5, share=1.0), seed=1)
    assert some.dark.sum() / some.filled.sum() == pytest.approx(0.5, abs=0.02)
    assert 0 < some.cost.mean() < execute(EQUAL, still, PAPER).cost.mean()


def test_impact_that_decays_costs_less_than_what_stays():
    still = market(1, volatility=0.0)
    stays = execute(EQUAL, still, PAPER)
    fades = execute(EQUAL, still, PAPER, decay=lambda days: np.exp(-days))
    gone = execute(EQUAL, still, PAPER, decay=np.zeros_like)
    assert gone.cost[0] < fades.cost[0] < stays.cost[0]
    assert gone.last[0] == pytest.approx(PRICE)
    # A tenth of a day's volume moves the price by a spread for good.
    assert stays.last[0] - PRICE == pytest.approx(0.125 * 1e6 / (0.1 * ADV))


def test_a_seed_makes_the_same_market_and_the_same_fills():
    pool, volumes = DarkPool(chance=0.5, share=0.5), np.full(5, 1e6)
    first, again = (execute(EQUAL, market(20, volumes=volumes), PAPER, dark=pool, seed=7) for _ in range(2))
    assert_allclose(first.cost, again.cost)


@pytest.mark.parametrize(
    ("slices", "changed", "said"),
    [
        (np.array([1.0, -1.0, 0, 0, 0]), {}, "give one of a sign for each"),
        (np.ones(4), {}, r"slices are \(4,\) for 5 intervals"),
        (np.zeros(5), {}, "a schedule of no shares"),
        (EQUAL, {"participation": 1.0}, "a participation of 1.0, cannot be worked"),
    ],
)
def test_what_cannot_be_worked_is_refused(slices, changed, said):
    with pytest.raises(InputError, match=said):
        execute(slices, market(2), PAPER, **changed)


def test_markets_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="ends below zero"):
        market(1000, volatility=1.0)
    with pytest.raises(InputError, match="a chance of 2"):
        DarkPool(chance=2, share=0.5)
    with pytest.raises(InputError, match=r"give \(S, B \+ 1\), \(S, B\)"):
        MarketPaths(np.ones((2, 3)), np.ones((2, 3)), 1.0)
    with pytest.raises(InputError, match="the impact must be that of one name"):
        execute(EQUAL, market(2), linear_impact(np.full(2, ADV), np.full(2, 0.02), np.full(2, 10.0)))


def test_what_is_found_in_the_dark_counts_towards_the_cap():
    """A tenth of all is a ninth of what others trade, wherever it is traded."""
    others = np.full(5, 900.0)
    pool = DarkPool(chance=1.0, share=0.5)
    done = execute(np.full(5, 400.0), market(3, volumes=others), PAPER, participation=0.1, dark=pool)
    assert_allclose(done.filled, 100)
    assert_allclose(done.dark, 100)
