"""GARCH: by hand, against the library arch, and parameters that are found again."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.risk.forecasting.volatility import Garch, exponential_weights, filtered_variances, fitted_garch


def simulated(n, model, seed):
    shocks = np.random.default_rng(seed).standard_normal(n)
    returns, variance = np.empty(n), model.omega / (1 - model.persistence)
    for day in range(n):
        returns[day] = np.sqrt(variance) * shocks[day]
        slope = model.alpha + model.leverage * (returns[day] < 0)
        variance = model.omega + slope * returns[day] ** 2 + model.beta * variance
    return returns


TRUTH = Garch(4e-6, 0.08, 0.88)
LEANING = Garch(4e-6, 0.03, 0.86, 0.12)


def test_the_filter_by_hand():
    returns = np.array([0.02, -0.01] * 15)
    found = filtered_variances(returns, TRUTH)
    assert len(found) == 31
    assert_allclose(found[0], (returns**2).mean())
    assert_allclose(found[1], 4e-6 + 0.08 * 0.02**2 + 0.88 * found[0])
    assert_allclose(found[30], 4e-6 + 0.08 * 0.01**2 + 0.88 * found[29])
    assert_allclose(
        filtered_variances(returns, LEANING)[2],
        4e-6 + 0.15 * 0.01**2 + 0.86 * (4e-6 + 0.03 * 0.02**2 + 0.86 * found[0]),
    )
    both = filtered_variances(np.stack([returns, 2 * returns]), exponential_weights(0.94))
    assert_allclose(both[1], 4 * both[0])
    assert_allclose(both[0, 1], 0.06 * 0.02**2 + 0.94 * both[0, 0])


def test_the_likelihood_is_maximised_where_arch_finds_it():
    # arch 8.0.0: arch_model(100 * returns, mean="Zero", vol="GARCH", p=1, q=1, rescale=False), backcast the mean of
    # the squares, tolerance 1e-12.
    returns = simulated(1500, TRUTH, 20)
    found = fitted_garch(returns)
    assert_allclose([1e4 * found.omega, found.alpha, found.beta], [0.041086, 0.092079, 0.873506], rtol=1e-3)
    assert_allclose(1e4 * filtered_variances(returns, found)[-1], 1.85184, rtol=1e-3)


def test_leverage_is_found_where_arch_finds_it():
    # As above with o=1; there the leverage is called gamma.
    returns = simulated(1500, LEANING, 20)
    found = fitted_garch(returns, leverage=True)
    known = [0.043079, 0.017073, 0.173227, 0.849951]
    assert_allclose([1e4 * found.omega, found.alpha, found.leverage, found.beta], known, rtol=5e-3)
    assert fitted_garch(-returns, leverage=True).leverage < 0.02
    assert fitted_garch(returns, start=found, leverage=True).leverage == pytest.approx(found.leverage, rel=1e-2)


def test_parameters_are_found_again_in_any_unit_and_from_any_start():
    returns = simulated(20_000, TRUTH, 1)
    found = fitted_garch(returns)
    assert_allclose([found.alpha, found.beta], [0.08, 0.88], atol=0.02)
    scaled = fitted_garch(1e4 * returns, start=Garch(0.0, 0.05, 0.95))
    assert_allclose([scaled.omega, scaled.alpha, scaled.beta], [1e8 * found.omega, found.alpha, found.beta], rtol=2e-3)


def test_steady_volatility_has_no_dynamics_to_find():
    returns = np.random.default_rng(2).standard_normal(5000) / 100
    found = filtered_variances(returns, fitted_garch(returns))
    assert_allclose(np.sqrt(found[1000:]), 0.01, rtol=0.1)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Garch(1e-6, 0.5, 0.6), r"alpha \+ beta \+ leverage / 2 at most 1"),
        (lambda: Garch(-1e-6, 0.1, 0.6), "no negative parameter"),
        (lambda: exponential_weights(1.0), "a decay of 1.0 must lie between 0 and 1"),
        (lambda: filtered_variances(np.ones(19), TRUTH), r"returns are \(19,\) or incomplete; volatility takes at"),
        (lambda: filtered_variances(np.ones(30), TRUTH), "do not vary, so no volatility"),
        (lambda: fitted_garch(np.ones(99)), "GARCH takes at least 100"),
        (lambda: fitted_garch(np.full(200, np.nan)), "incomplete"),
        (lambda: fitted_garch(np.full(200, 0.01)), "the returns do not vary"),
    ],
)
def test_what_has_no_volatility_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
