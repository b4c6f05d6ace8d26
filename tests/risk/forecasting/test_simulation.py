"""Monte Carlo: it converges to the closed forms at its rate, splits sum, and scenarios of all drivers agree."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.forecasting.simulation import Empirical, ScenarioLaw, driver_scenarios, simulate
from quantray.risk.tail import component_shortfall, component_var, gaussian_shortfall, gaussian_var, incremental_var

DRAW = np.random.default_rng(0)
N, K = 12, 3
ROOT = DRAW.standard_normal((K, K)) / 100
MODEL = FactorModel(DRAW.standard_normal((N, K)), ROOT @ ROOT.T, DRAW.uniform(1, 9, N) * 1e-4)
WEIGHTS = DRAW.standard_normal(N) / N
VOLATILITY = np.sqrt(MODEL.variance(WEIGHTS))
LAWS = {
    "normal": ScenarioLaw(seed=1),
    "student": ScenarioLaw(degrees=4, seed=1),
    "copula": ScenarioLaw(degrees=4, marginals=[Empirical(DRAW.standard_t(3, 500) / 100)] * K, seed=1),
}


def test_it_converges_to_the_closed_forms_at_the_root_of_the_scenarios():
    sizes, errors = np.array([400, 1600, 6400, 25_600]), []
    truth = np.array([gaussian_var(WEIGHTS, MODEL, level=0.95), gaussian_shortfall(WEIGHTS, MODEL, level=0.95)])
    for size in sizes:
        books = [simulate(WEIGHTS, MODEL, ScenarioLaw(n_scenarios=size, seed=(2, seed))) for seed in range(40)]
        found = np.array([(book.var(0.95), book.shortfall(0.95)) for book in books])
        errors.append(np.sqrt(((found / truth - 1) ** 2).mean(axis=0)))
    slopes = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert_allclose(slopes, -0.5, atol=0.1)
    assert max(errors[-1]) < 0.01


def test_students_t_against_scipy():
    book = simulate(WEIGHTS, MODEL, ScenarioLaw(n_scenarios=200_000, degrees=5))
    law = stats.t(5, scale=VOLATILITY * np.sqrt(3 / 5))
    assert_allclose(book.var(0.99), law.ppf(0.99), rtol=0.02)
    assert_allclose(book.shortfall(0.95), law.expect(lb=law.ppf(0.95)) / 0.05, rtol=0.02)
    assert_allclose(book.losses.std(), VOLATILITY, rtol=0.02)


def test_a_copula_of_normal_marginals_and_no_heavy_tail_is_normal():
    marginals = [stats.norm(0, np.sqrt(variance)) for variance in np.diagonal(MODEL.factor_covariance)]
    found = simulate(WEIGHTS, MODEL, ScenarioLaw(n_scenarios=200_000, marginals=marginals))
    assert_allclose(found.var(0.99), gaussian_var(WEIGHTS, MODEL), rtol=0.02)
    assert_allclose(np.cov(found.factors.T), MODEL.factor_covariance, atol=3e-6)


def test_a_copula_keeps_its_marginals_and_its_extremes_come_together():
    past = np.random.default_rng(4).standard_normal(999) ** 3 / 100
    law = ScenarioLaw(n_scenarios=50_000, degrees=3, marginals=[Empirical(past)] * K)
    factors = simulate(WEIGHTS, MODEL, law).factors
    for level in (0.01, 0.3, 0.9, 0.999):
        assert_allclose(np.quantile(factors, level, axis=0), np.quantile(past, level), rtol=0.25, atol=2e-4)
    assert factors.min() >= past.min()
    apart = FactorModel(MODEL.loadings[:, :2], np.eye(2), MODEL.specific_variance)
    for degrees, low, high in ((3.0, 0.1, 0.3), (np.inf, 0.0, 0.03)):
        law = ScenarioLaw(n_scenarios=50_000, degrees=degrees, marginals=[Empirical(past)] * 2)
        one, other = (simulate(WEIGHTS, apart, law).factors < np.quantile(past, 0.01)).T
        assert low <= other[one].mean() <= high


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_splits_sum_to_the_whole_and_shortfall_exceeds_var(law):
    book = simulate(WEIGHTS, MODEL, law)
    for level in (0.95, 0.99):
        split = book.component_shortfall(level)
        assert_allclose(split.parts.sum(), book.shortfall(level))
        assert_allclose(split.total, book.shortfall(level))
        assert_allclose(book.component_var(level).parts.sum(), book.var(level))
        assert book.shortfall(level) > book.var(level)


def test_splits_of_normal_scenarios_are_the_closed_ones():
    book = simulate(WEIGHTS, MODEL, ScenarioLaw(n_scenarios=200_000))
    exact = component_var(WEIGHTS, MODEL, level=0.95)
    size = np.abs(exact.parts).max()
    assert_allclose(book.component_var(0.95).parts, exact.parts, atol=0.03 * size)
    beyond = exact.parts * gaussian_shortfall(WEIGHTS, MODEL, level=0.95) / exact.total
    assert_allclose(book.component_shortfall(0.95).parts, beyond, atol=0.03 * size)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_scenarios_of_all_drivers_have_the_same_law_whatever_the_block(law):
    blocks = list(driver_scenarios(MODEL, law, block=3000))
    assert [len(block) for block in blocks] == [3000, 3000, 3000, 1000]
    scenarios = np.concatenate(blocks)
    assert_array_equal(scenarios, np.concatenate(list(driver_scenarios(MODEL, law, block=777))))
    book = simulate(WEIGHTS, MODEL, law)
    losses = -scenarios @ WEIGHTS
    assert_allclose(np.quantile(losses, [0.05, 0.5, 0.95]), np.quantile(book.losses, [0.05, 0.5, 0.95]), atol=1e-3)
    full, fast = component_shortfall(WEIGHTS, scenarios, level=0.95), book.component_shortfall(0.95)
    assert_allclose(full.total, fast.total, rtol=0.07)
    assert_allclose(full.parts, fast.parts, atol=0.15 * np.abs(fast.parts).max())


def test_what_trades_add_is_the_difference_of_two_runs_of_the_same_scenarios():
    trades = np.where(np.arange(N) == 3, 0.05, 0.0)
    law = ScenarioLaw(n_scenarios=50_000)
    added = simulate(WEIGHTS + trades, MODEL, law).var() - simulate(WEIGHTS, MODEL, law).var()
    assert_allclose(added, incremental_var(WEIGHTS, trades, MODEL), rtol=0.1)
    again = simulate(WEIGHTS, MODEL, law)
    assert_array_equal(again.losses, simulate(WEIGHTS, MODEL, law).losses)
    assert not np.array_equal(again.losses, simulate(WEIGHTS, MODEL, ScenarioLaw(n_scenarios=50_000, seed=1)).losses)


def test_a_book_without_specific_risk_and_names_of_laws():
    bare = FactorModel(MODEL.loadings, MODEL.factor_covariance, np.zeros(N))
    split = simulate(WEIGHTS, bare).component_shortfall()
    assert_allclose(split.parts.sum(), split.total)
    assert LAWS["student"].name == "Student's t with 4 degrees of freedom"
    assert LAWS["copula"].name == "copula of the Student's t with 4 degrees of freedom"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ScenarioLaw(n_scenarios=0), "0 scenarios with inf degrees"),
        (lambda: ScenarioLaw(degrees=2), "more than 2"),
        (lambda: Empirical(np.zeros(1)), "1 returns are no distribution"),
        (lambda: simulate(np.ones(3), MODEL), r"weights are \(3,\); 12 assets"),
        (lambda: simulate(WEIGHTS, MODEL, ScenarioLaw(marginals=[])), "0 marginals for 3 factors"),
        (lambda: next(driver_scenarios(MODEL, block=0)), "blocks of 0 scenarios"),
        (lambda: simulate(np.zeros(N), MODEL).component_var(), "the book loses nothing at this level"),
        (lambda: simulate(WEIGHTS, MODEL, ScenarioLaw(n_scenarios=50)).var(), "50 returns say nothing of a level"),
        (
            lambda: simulate(
                np.ones(1),
                FactorModel(np.ones((1, 1)), np.zeros((1, 1)), np.ones(1)),
                ScenarioLaw(marginals=[stats.norm()]),
            ),
            "1 factors do not vary",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
