"""Volatility by many models: the mean that Bayes' rule gives, and the true model found among them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from quantray.errors import InputError
from quantray.risk.forecasting.averaged_volatility import MODELS, averaged_variances, model_weights
from quantray.risk.forecasting.volatility import Garch, filtered_variances


def simulated(n, model, seed):
    shocks, returns = np.random.default_rng(seed).standard_t(5, n) * np.sqrt(3 / 5), np.empty(n)
    variance = 1e-4
    for day in range(n):
        returns[day] = np.sqrt(variance) * shocks[day]
        variance = model.omega + model.beta * variance
        variance += (model.alpha + model.leverage * (returns[day] < 0)) * returns[day] ** 2
    return returns


def test_the_mean_by_bayes_rule():
    returns = np.random.default_rng(0).standard_t(5, 60) / 100
    mean_square, found = (returns**2).mean(), []
    for decay, persistence, leaning in MODELS:
        reaction = persistence - decay
        garch = Garch(mean_square * (1 - persistence), reaction * (1 - leaning), decay - 1e-12, 2 * reaction * leaning)
        found.append(filtered_variances(returns, garch))
    told = [stats.t.logpdf(returns[20:], 5, scale=np.sqrt(each[20:-1] * 3 / 5)).sum() for each in found]
    weights = np.exp(told - np.max(told))
    weights /= weights.sum()
    assert_allclose(model_weights(returns), weights, rtol=1e-6)
    assert_allclose(averaged_variances(returns), weights @ np.array(found), rtol=1e-8)


@pytest.mark.parametrize(("leverage", "leaning"), [(0.0, 0.0), (0.18, 1.0)])
def test_the_true_model_gets_most_of_the_weight(leverage, leaning):
    truth = Garch(0.01e-4, 0.09 - leverage / 2, 0.90, leverage)
    weights = model_weights(simulated(4000, truth, 1))
    best = MODELS[int(weights.argmax())]
    assert best.leaning == leaning
    assert best.decay in (0.90, 0.85)
    assert weights @ [model.leaning for model in MODELS] == pytest.approx(leaning, abs=0.3)


def test_many_series_at_once_and_in_any_unit():
    returns = np.random.default_rng(2).normal(0, 0.01, (3, 70, 120))
    found = averaged_variances(returns)
    assert found.shape == (3, 70, 121)
    assert_allclose(found[1, 30], averaged_variances(returns[1, 30]))
    assert_allclose(averaged_variances(100 * returns[0, 0]), 1e4 * found[0, 0])
    assert_allclose(model_weights(returns).sum(axis=-1), 1)


def test_after_a_jump_volatility_is_up_and_still_days_do_not_bring_it_to_nothing():
    returns = np.random.default_rng(3).normal(0, 0.01, 500)
    assert averaged_variances(np.append(returns, -0.05))[-1] > 1.3 * averaged_variances(returns)[-1]
    still = np.concatenate([returns, np.full(400, 1e-9)])
    assert averaged_variances(still)[-1] >= 0.01 * (still**2).mean() * (1 - 1e-12)


def test_what_has_no_volatility_is_refused():
    for returns in (np.zeros(30), np.ones(19), np.full(30, np.nan)):
        with pytest.raises(InputError, match="volatility"):
            averaged_variances(returns)
