import numpy as np
import pytest
from model_book import model_book

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.liquidity import (
    concentration_multiplier,
    funding_need,
    ladder,
    liquidation_cost,
    liquidation_days,
    liquidity_risk,
    liquidity_scores,
)
from quantray.risk.positions.book import Book


def shares(weights, **fields):
    n = len(weights)
    model = FactorModel(np.zeros((n, 0)), np.zeros((0, 0)), np.full(n, 4e-4))
    return Book(names=[f"S{i}" for i in range(n)], weights=np.array(weights), model=model, **fields)


def test_days_and_scores_by_hand():
    # 5 % and 1 % of NAV in names that trade 10 % of NAV a day, of which a tenth is ours; one that nobody trades.
    days = liquidation_days(np.array([0.05, -0.01, 0.02, 0.0]), np.array([0.1, 0.1, 0.0, np.nan]), participation=0.1)
    assert np.allclose(days, [5, 1, np.nan, 0], equal_nan=True)
    assert np.allclose(liquidity_scores(days), [0.2, 1.0, 0.0, 1.0])


def test_a_ladder_sells_evenly_and_never_what_nobody_trades():
    weights = np.array([0.6, -0.2, 0.2])
    sold = ladder(weights, np.array([4.0, 1.0, np.nan]), (1, 2, 4, 100))
    assert np.allclose(sold, [0.15 + 0.2, 0.3 + 0.2, 0.8, 0.8])
    assert ladder(np.zeros(2), np.zeros(2), (1,)).tolist() == [1.0]


def test_the_published_cost_of_the_square_root_law():
    # 540,000 of a name that trades 6 million a day at 2 %: 60 bp (REFERENCE: square root law, Y = 1).
    book = shares([0.54], adv=[6.0], spread_bps=[10.0])
    assert np.isclose(liquidation_cost(book)[0] / 0.54, (60 + 5) * 1e-4)
    assert np.isnan(liquidation_cost(shares([0.5], adv=[1.0]))[0])


def test_one_position_has_the_closed_form_of_an_even_sale():
    # Jorion: sqrt((n + 1)(2 n + 1) / (6 n)) times the risk of a day.
    book = shares([1.0])
    for n in (1, 2, 10):
        assert np.isclose(concentration_multiplier(book, np.array([n])), np.sqrt((n + 1) * (2 * n + 1) / (6 * n)))
    assert concentration_multiplier(book, np.array([np.nan])) == 1.0


def test_the_multiplier_sees_hedges_go_first():
    model = FactorModel(np.ones((2, 1)), np.array([[4e-4]]), np.full(2, 1e-6))
    hedged = Book(names=["share", "future"], weights=np.array([1.0, -1.0]), model=model)
    # The future is gone on the first day, the share is left naked for nine.
    assert concentration_multiplier(hedged, np.array([10.0, 1.0])) > 20
    assert concentration_multiplier(hedged, np.array([1.0, 1.0])) == 1


def test_the_adjusted_loss_is_the_sum_of_its_parts():
    book = shares([0.5, 0.5], adv=[1.0, np.nan], spread_bps=[10.0, np.nan])
    found = liquidity_risk(book, spread_volatility_bps=np.array([2.0, 2.0]), spread_deviations=3, horizons=(1, 5))
    assert np.isclose(found.var, 2.3263478740 * 0.02 * np.sqrt(0.5))
    assert np.isclose(found.spread_add_on, 0.5 * 16 * 0.5e-4)
    assert np.isclose(found.spread_cost, 0.5 * 5e-4)
    assert np.isclose(found.impact_cost, 0.5 * 0.02 * np.sqrt(0.5))
    assert np.isclose(found.adjusted_var, found.var + found.spread_add_on + found.impact_cost)
    assert (found.unknown, found.unquoted, found.longest) == (("S1",), ("S1",), 5.0)
    assert found.sold == (0.1, 0.5)
    assert found.multiplier > 1


def test_cash_and_sales_meet_calls():
    book = shares([0.5, 0.5, -0.2], adv=[1.0, 0.5, 1.0], spread_bps=[0.0, 0.0, 0.0], volatility=[0.0, 0.0, 0.0])
    days = liquidation_days(book.weights, book.adv)
    found = funding_need(book, days, cash=0.05, redemptions=0.3, margin=0.1, horizons=(1, 2, 3, 10))
    assert np.isclose(found.need, 0.35)
    assert np.allclose(found.by_horizon, [0.15, 0.3, 0.45, 1.0])
    assert found.days == 3
    assert funding_need(book, days, cash=1.0, redemptions=0.3).days == 0
    assert funding_need(book, days, cash=0.0, redemptions=5.0).days is None


def test_larger_books_are_less_liquid():
    small, large = liquidity_risk(model_book(gross=1.0)), liquidity_risk(model_book(gross=5.0))
    assert large.longest == pytest.approx(5 * small.longest)
    assert (large.scores <= small.scores).all()
    assert large.multiplier >= small.multiplier
    assert large.impact_cost == pytest.approx(5**1.5 * small.impact_cost)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: liquidation_days(np.ones(2), np.ones(3)), r"weights are \(2,\), adv \(3,\)"),
        (lambda: liquidation_days(np.ones(1), np.ones(1), participation=0), "participation 0"),
        (lambda: ladder(np.ones(1), np.ones(1), (0,)), r"horizons \[0\] of a ladder must be positive"),
        (lambda: liquidity_risk(model_book(model=None, volatility=np.ones(40))), r"needs Book\(model=...\)"),
        (lambda: liquidity_risk(model_book(), level=1.0), "level 1.0 must be at least 0.5"),
        (lambda: liquidation_cost(model_book(), coefficient=-1), "coefficient -1 of the square root law"),
        (lambda: funding_need(model_book(), np.ones(40), cash=0, redemptions=-1), "redemptions -1"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
