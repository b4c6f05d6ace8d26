"""Selection statistics against the papers' own numbers, brute force, and strategies whose skill is known."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from quantray.analytics.metrics import performance
from quantray.analytics.selection import (
    SharpeEstimate,
    backtest_overfitting,
    deflated_sharpe,
    expected_maximum_sharpe,
    independent_trials,
    minimum_track_record,
    probabilistic_sharpe,
)
from quantray.errors import InputError

# Bailey and Lopez de Prado (2012), section 5: two years of a hedge fund's monthly returns.
FUND = SharpeEstimate(0.458 * math.sqrt(12), 24, skewness=-2.448, kurtosis=10.164, periods_per_year=12)
# Bailey and Lopez de Prado (2014), numerical example: five years of daily returns, best of 100 trials.
BEST = SharpeEstimate(2.5, 1250, skewness=-3.0, kurtosis=10.0, periods_per_year=250)


def noise(seed, n_days=1000, n_trials=100):
    return np.random.default_rng(seed).normal(0, 0.01, (n_days, n_trials))


def test_probabilistic_sharpe_of_the_paper():
    assert probabilistic_sharpe(FUND) == pytest.approx(0.913, abs=5e-4)
    as_normal = SharpeEstimate(FUND.ratio, 24, periods_per_year=12)
    assert probabilistic_sharpe(as_normal) == pytest.approx(0.982, abs=5e-4)


def test_deflated_sharpe_of_the_paper():
    deflated = deflated_sharpe(BEST, n_trials=100, variance=0.5)
    assert deflated.hurdle / math.sqrt(250) == pytest.approx(0.1132, abs=5e-5)
    assert deflated.probability == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(BEST, n_trials=46, variance=0.5).probability == pytest.approx(0.9505, abs=5e-5)
    as_normal = SharpeEstimate(2.5, 1250, periods_per_year=250)
    assert deflated_sharpe(as_normal, n_trials=88, variance=0.5).probability == pytest.approx(0.9505, abs=1e-3)


def test_the_error_is_that_of_the_metrics():
    returns = np.random.default_rng(1).standard_t(5, 700) * 0.01 + 0.0008
    estimate, measured = SharpeEstimate.of(returns), performance(returns)
    assert_allclose(estimate.ratio, measured.sharpe)
    assert_allclose(estimate.error, measured.sharpe_error)
    assert_allclose(estimate.skewness, stats.skew(returns))
    assert_allclose(estimate.kurtosis, stats.kurtosis(returns, fisher=False))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_after_the_minimum_track_record_the_hurdle_is_passed(level):
    days = minimum_track_record(BEST, hurdle=1.0, level=level)
    assert days != int(days)
    short, long = (
        probabilistic_sharpe(SharpeEstimate(2.5, n, BEST.skewness, BEST.kurtosis, 250), hurdle=1.0)
        for n in (math.floor(days), math.ceil(days))
    )
    assert short < level <= long
    assert minimum_track_record(BEST, hurdle=2.5) == math.inf


def test_the_expected_maximum_is_that_of_normal_numbers():
    draws = np.random.default_rng(0).normal(0, 0.7, (20_000, 50)).max(axis=1)
    assert_allclose(expected_maximum_sharpe(50, 0.49), draws.mean(), rtol=0.02)
    assert expected_maximum_sharpe(1, 2.0) == 0.0
    assert expected_maximum_sharpe(1.2, 2.0) == 0.0


def test_deflation_refuses_the_best_of_many_without_skill():
    accepted = 0
    for seed in range(100):
        returns = noise(seed)
        ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1) * math.sqrt(252)
        best = SharpeEstimate.of(returns[:, ratios.argmax()])
        # Taken alone the best of a hundred looks certain.
        assert probabilistic_sharpe(best) > 0.9
        accepted += deflated_sharpe(best, n_trials=100, variance=ratios.var(ddof=1)).probability >= 0.95
    assert accepted <= 5


@pytest.mark.parametrize("correlation", [0.5, 0.9])
def test_deflation_refuses_the_best_of_many_that_are_much_alike(correlation):
    accepted = 0
    for seed in range(200):
        own, common = noise(seed, 400, 40), noise(1000 + seed, 400, 1)
        returns = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
        ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1) * math.sqrt(252)
        best = SharpeEstimate.of(returns[:, ratios.argmax()])
        accepted += deflated_sharpe(best, n_trials=40, variance=ratios.var(ddof=1)).probability >= 0.95
    assert accepted <= 10


def test_deflation_accepts_skill():
    returns = noise(7, n_days=1500)
    returns[:, 3] += 0.0025
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1) * math.sqrt(252)
    assert ratios.argmax() == 3
    deflated = deflated_sharpe(SharpeEstimate.of(returns[:, 3]), n_trials=100, variance=ratios.var(ddof=1))
    assert deflated.probability > 0.99


def test_independent_trials():
    generator = np.random.default_rng(2)
    common = generator.normal(size=(5000, 1))
    mixed = math.sqrt(0.5) * common + math.sqrt(0.5) * generator.normal(size=(5000, 40))
    pairs = np.corrcoef(mixed.T)[np.triu_indices(40, 1)].mean()
    assert_allclose(independent_trials(mixed), pairs + (1 - pairs) * 40)
    assert_allclose(independent_trials(common @ np.ones((1, 9))), 1.0)
    still = np.hstack([mixed, np.zeros((5000, 3))])
    assert_allclose(independent_trials(still), independent_trials(mixed))
    assert independent_trials(np.zeros((5, 4))) == 1.0


def test_overfitting_by_brute_force():
    returns = noise(4, n_days=61, n_trials=5)
    found = backtest_overfitting(returns, n_blocks=6)
    blocks = np.split(returns, np.linspace(0, 61, 7).round().astype(int)[1:-1])
    logits, outside = [], []
    for take in itertools.combinations(range(6), 3):
        halves = [np.vstack([blocks[b] for b in range(6) if (b in take) == inside]) for inside in (True, False)]
        here, there = (h.mean(axis=0) / h.std(axis=0, ddof=1) * math.sqrt(252) for h in halves)
        share = stats.rankdata(there)[here.argmax()] / 6
        logits.append(math.log(share / (1 - share)))
        outside.append(there[here.argmax()])
    assert_allclose(found.logits, logits)
    assert_allclose(found.chosen_outside, outside)
    assert found.probability == np.mean(np.array(logits) <= 0)
    assert found.probability_of_loss == np.mean(np.array(outside) < 0)


def test_overfitting_of_noise_is_a_coin_toss():
    """An odd number of trials, so that the median itself does not tip the balance."""
    shares = [backtest_overfitting(noise(seed, 640, 51), n_blocks=10).probability for seed in range(60)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.07)


def test_sixteen_blocks_and_a_trial_with_skill():
    returns = noise(5, n_days=1600, n_trials=30)
    returns[:, 11] += 0.002
    found = backtest_overfitting(returns)
    assert len(found.logits) == 12_870
    assert found.probability < 0.01
    assert found.probability_of_loss < 0.01
    assert abs(found.median_degradation) < 1.0


def test_large_tables_are_taken_in_pieces(monkeypatch):
    returns = noise(6, n_days=100, n_trials=7)
    whole = backtest_overfitting(returns, n_blocks=8)
    monkeypatch.setattr("quantray.analytics.selection._ROWS_AT_ONCE", 50)
    assert_allclose(backtest_overfitting(returns, n_blocks=8).logits, whole.logits)


def test_trials_that_hold_nothing_have_a_ratio_of_zero():
    returns = noise(8, n_days=320, n_trials=3)
    returns[:, 0] = 0.0
    returns[:, 1] = -np.abs(returns[:, 1])
    returns[:, 2] = -np.abs(returns[:, 2])
    found = backtest_overfitting(returns, n_blocks=4)
    assert_allclose(found.chosen_inside, 0.0)
    assert found.probability == 0.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: SharpeEstimate(1.0, 1), "give two days or more"),
        (lambda: SharpeEstimate(1.0, 50, skewness=-3, kurtosis=3), "no distribution has kurtosis 3 with skewness -3"),
        (lambda: SharpeEstimate.of(np.zeros(9)), "do not vary"),
        (lambda: SharpeEstimate.of(np.array([0.1, np.nan])), "1 missing values"),
        (lambda: minimum_track_record(BEST, level=1.0), "level 1.0 must lie"),
        (lambda: expected_maximum_sharpe(0, 1.0), "0 trials"),
        (lambda: independent_trials(np.zeros(4)), r"they must be \(T, C\)"),
        (lambda: backtest_overfitting(np.zeros((100, 1))), "give the returns of all"),
        (lambda: backtest_overfitting(np.zeros((100, 3)), n_blocks=5), "5 blocks of 100 days"),
        (lambda: backtest_overfitting(np.zeros((20, 3))), "16 blocks of 20 days"),
        (lambda: backtest_overfitting(np.full((100, 3), np.nan)), "300 missing values"),
    ],
)
def test_wrong_input_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
