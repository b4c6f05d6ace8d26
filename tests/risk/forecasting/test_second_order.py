"""Normal losses of books that bend: a chi-square by hand, a brute simulation, and slopes that sum to the whole."""

import numpy as np
import pytest
from institutional_book import institutional_book
from mixed_book import changes_of_drivers, mixed_book
from numpy.testing import assert_allclose
from scipy import stats

from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.risk.forecasting.second_order import NormalMoves, normal_tail
from quantray.risk.forecasting.simulation import ScenarioLaw, driver_scenarios
from quantray.risk.positions.sensitivities import Sensitivities, sensitivities
from quantray.risk.tail import gaussian_shortfall, gaussian_var, historical_tail

ONE = FactorModel(np.ones((1, 1)), np.array([[0.5e-4]]), np.array([0.5e-4]))
"""A driver with a deviation of 1 % a day."""


def option(delta, gamma, n=1):
    own = np.arange(n)
    return Sensitivities(np.zeros(n), own, np.zeros(n, int), np.full(n, delta), np.full(n, gamma), 1)


def mixed():
    holdings, market = mixed_book()
    return sensitivities(holdings, market), statistical_factors(changes_of_drivers(60, 0.01), 2)


def test_a_hedged_short_option_loses_a_chi_square():
    seen = option(0.0, -2.0)
    for level in (0.95, 0.99):
        found = normal_tail(ONE, seen.exposure, seen, level=level)
        quantile = stats.chi2.ppf(level, 1)
        beyond = stats.chi2.sf(quantile, 3) / (1 - level)
        assert_allclose(found, [1e-4 * quantile, 1e-4 * beyond], rtol=3e-3)
    assert_allclose(NormalMoves.of(ONE, seen).parts(seen, level=0.99), [1e-4 * stats.chi2.ppf(0.99, 1)], rtol=3e-3)


def test_a_hedged_long_option_loses_nothing():
    assert normal_tail(ONE, np.zeros(1), option(0.0, 2.0), level=0.99) == (0, 0)
    assert not NormalMoves.of(ONE, option(0.0, 2.0)).parts(option(0.0, 2.0), level=0.99).any()


def test_a_linear_book_has_its_closed_form_and_little_curvature_hardly_moves_it():
    closed = normal_tail(ONE, np.array([0.7]), option(0.7, 0.0), level=0.99)
    assert_allclose(closed, [gaussian_var(np.array([0.7]), ONE), gaussian_shortfall(np.array([0.7]), ONE)])
    assert_allclose(normal_tail(ONE, np.array([0.7]), option(0.7, 1e-9), level=0.99), closed, rtol=1e-3)


def test_against_a_simulation_of_every_driver():
    book = institutional_book()
    whole = sensitivities(book.holdings, book.market), book.model
    for (seen, model), n_scenarios, apart in ((mixed(), 40_000, 0.025), (whole, 8_000, 0.05)):
        law = ScenarioLaw(n_scenarios=n_scenarios, seed=3)
        gains = np.concatenate([seen.gain(block) for block in driver_scenarios(model, law)])
        found = normal_tail(model, seen.exposure, seen, level=0.99)
        assert_allclose(found, historical_tail(gains), rtol=apart)
        assert found.es > found.var


def test_parts_sum_to_the_whole_and_are_slopes():
    seen, model = mixed()
    moves, sizes, step = NormalMoves.of(model, seen), np.array([1.0, 0.5, 1.0, 0.8, 2.0, 1.5]), 0.1
    held = seen.resized(sizes)
    var = moves.tail(held, level=0.99).var
    assert moves.parts(held, level=0.99).sum() == pytest.approx(var, rel=1e-6)
    slopes = moves.parts(held, level=0.99, of=seen)
    assert slopes @ sizes == pytest.approx(var, rel=1e-6)
    for position in range(6):
        ends = [moves.tail(seen.resized(sizes + side * step * np.eye(6)[position]), level=0.99).var for side in (1, -1)]
        assert slopes[position] == pytest.approx((ends[0] - ends[1]) / 2 / step, abs=0.05 * var)


def test_scenarios_of_a_driver_stay_when_others_are_sold():
    seen, model = mixed()
    both, one = NormalMoves.of(model, seen), NormalMoves.of(model, seen.resized(np.array([0, 0, 0, 0, 0, 1.0])))
    assert 0 < len(one.curved) < len(both.curved)
    assert_allclose(one.moves, both.moves[:, np.isin(both.curved, one.curved)])
