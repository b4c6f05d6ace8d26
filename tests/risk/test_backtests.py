"""Tests of risk forecasts: published numbers, right forecasts pass, wrong ones are found."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from quantray.errors import InputError
from quantray.risk.backtests import (
    acerbi_szekely,
    christoffersen,
    conditional_coverage,
    du_escanciano,
    duration,
    kupiec,
    traffic_light,
)


def days(count, *hits):
    made = np.zeros(count, dtype=bool)
    made[np.array(hits) - 1] = True
    return made


@pytest.mark.parametrize(
    ("hits", "n", "probability", "statistic", "p_value"),
    [(57, 1043, 0.05, 0.46147, 0.49694), (7, 30, 0.01, 32.338, 1.3e-8)],
)
def test_kupiec_as_published(hits, n, probability, statistic, p_value):
    found = kupiec(hits, n, probability)
    assert_allclose((found.statistic, found.p_value), (statistic, p_value), rtol=5e-3)


def test_kupiec_without_a_hit_by_hand():
    assert_allclose(kupiec(0, 250, 0.01).statistic, -2 * 250 * np.log(0.99))
    assert_allclose(kupiec(5, 100, 0.05).statistic, 0, atol=1e-12)


def test_christoffersen_as_published():
    hits = days(60, 18, 19, 20, 42)
    found = christoffersen(hits)
    assert_allclose((found.statistic, found.p_value), (6.5241, 0.01064), rtol=5e-4)
    assert_allclose(conditional_coverage(hits, 0.05).p_value, 0.0327, rtol=2e-3)


def test_hits_that_never_follow_one_another_still_count():
    # Of 9 steps 2 lead to a hit; none of the 2 steps after hits does, 2 of the other 7 do.
    found = christoffersen(days(10, 3, 7)).statistic
    alike = 2 * np.log(2 / 9) + 7 * np.log(7 / 9)
    assert_allclose(found, 2 * (2 * np.log(2 / 7) + 5 * np.log(5 / 7) - alike))
    assert found > 0.5


def test_durations_that_are_nearly_equal_have_a_memory():
    found = duration(days(106, *range(3, 107, 5), 55))
    assert found.p_value < 1e-3
    # By hand, of two times: their logs are all that Weibull's shape is fitted to.
    assert duration(days(31, 1, 11, 31)).statistic < duration(days(31, 1, 14, 31)).statistic


@pytest.mark.parametrize(
    ("hits", "zone", "multiplier"),
    [(0, "green", 3.0), (4, "green", 3.0), (5, "yellow", 3.4), (9, "yellow", 3.85), (10, "red", 4.0)],
)
def test_the_supervisors_table(hits, zone, multiplier):
    found = traffic_light(hits, 250, 0.01)
    assert (found.zone, found.multiplier) == (zone, multiplier)
    assert_allclose(found.probability, stats.binom.cdf(hits, 250, 0.01))
    assert traffic_light(hits, 500, 0.01).multiplier is None


def right(seed, n=1000, probability=0.05):
    draw = np.random.default_rng(seed)
    volatility = np.exp(0.3 * draw.standard_normal(n)) * 0.01
    losses = volatility * draw.standard_normal(n)
    quantile = stats.norm.isf(probability)
    return (
        losses,
        volatility * quantile,
        volatility * stats.norm.pdf(quantile) / probability,
        stats.norm.cdf(-losses / volatility),
    )


def outcomes(losses, var, shortfall, ranks, probability=0.05):
    hits = losses > var
    return {
        "kupiec": kupiec(int(hits.sum()), len(hits), probability).p_value,
        "christoffersen": christoffersen(hits).p_value,
        "both": conditional_coverage(hits, probability).p_value,
        "duration": duration(hits).p_value,
        "mean": acerbi_szekely(losses, var, shortfall, probability, n_draws=200).p_value,
        "sum": acerbi_szekely(losses, var, shortfall, probability, average=False, n_draws=200).p_value,
        "size": du_escanciano(ranks, probability).p_value,
        "memory": du_escanciano(ranks, probability, lags=5).p_value,
    }


def test_right_forecasts_are_rejected_as_often_as_the_size_says():
    found = [outcomes(*right(seed, 500)) for seed in range(100)]
    rejected = {name: np.mean([each[name] < 0.05 for each in found]) for name in found[0]}
    # 100 draws of 5 %: 4 standard errors are 9 points; likelihood ratios of few hits are somewhat off in any case.
    assert all(0 <= share <= 0.14 for share in rejected.values()), rejected
    assert np.mean(list(rejected.values())) > 0.02


def test_too_small_forecasts_are_found():
    losses, var, shortfall, ranks = right(1)
    found = outcomes(losses * 1.3, var, shortfall, stats.norm.cdf(stats.norm.ppf(ranks) * 1.3))
    assert all(found[name] < 0.01 for name in ("kupiec", "both", "sum", "size")), found


def test_losses_beyond_a_right_var_that_are_too_large_are_found():
    losses, var, shortfall, _ = right(5)
    beyond = losses > var
    worse = np.where(beyond, var + 4 * (losses - var), losses)
    assert kupiec(int((worse > var).sum()), 1000, 0.05).p_value > 0.05
    for average in (True, False):
        assert acerbi_szekely(worse, var, shortfall, 0.05, average=average).p_value < 0.01


def test_hits_in_clusters_are_found():
    draw = np.random.default_rng(3)
    calm = np.repeat(draw.random(50) < 0.8, 20)
    hits = draw.random(1000) < np.where(calm, 0.01, 0.21)
    assert kupiec(int(hits.sum()), 1000, 0.05).p_value > 0.05
    ranks = np.where(hits, 0.02, 0.5)
    assert max(christoffersen(hits).p_value, duration(hits).p_value, du_escanciano(ranks, 0.05, lags=5).p_value) < 0.01


@pytest.mark.parametrize("degrees", [np.inf, 5.0])
def test_the_critical_value_that_the_authors_give(degrees):
    """The sum's 5 % value is -0.70 for 250 days at 97.5 %, nearly whatever the distribution."""
    quantile = stats.norm.isf(0.025)
    var = np.full(250, quantile)
    shortfall = np.full(250, stats.norm.pdf(quantile) / 0.025)
    losses = np.zeros(250)
    losses[:10] = 1.70 * 250 * 0.025 * shortfall[0] / 10
    found = acerbi_szekely(losses, var, shortfall, 0.025, average=False, degrees=degrees)
    assert_allclose(found.statistic, -0.70, atol=1e-12)
    assert 0.03 < found.p_value < 0.075


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: kupiec(3, 2, 0.05), "3 hits in 2 days: give at least one day"),
        (lambda: kupiec(1, 20, 5.0), r"a hit's probability of 5.0 must lie between 0 and 1: 0.05 for a level of 95 %"),
        (lambda: christoffersen(np.zeros(1, dtype=bool)), "1 days show no succession"),
        (lambda: christoffersen(np.zeros(9)), r"hits are \(9,\) of float64; give \(T,\) booleans"),
        (lambda: duration(days(9, 2)), "1 hits span no time"),
        (lambda: duration(days(21, 1, 6, 11, 16, 21)), "5 hits come at nearly equal times"),
        (lambda: duration(np.ones(9, dtype=bool)), "9 hits come at nearly equal times"),
        (lambda: acerbi_szekely(np.array([1, np.nan]), np.ones(2), np.ones(2), 0.05), "1 losses are missing"),
        (lambda: acerbi_szekely(np.ones(2), np.ones(2), np.ones(2), 0.05, degrees=1), "degrees are 1"),
        (lambda: acerbi_szekely(np.ones(3), np.ones(2), np.ones(3), 0.05), "must be of the same days"),
        (
            lambda: acerbi_szekely(np.ones(2), np.ones(2), np.array([1, 0.5]), 0.05),
            "the shortfall of day 1, 0.5, must be",
        ),
        (lambda: acerbi_szekely(np.zeros(9), np.ones(9), np.ones(9), 0.05), "no loss exceeded its value-at-risk"),
        (lambda: du_escanciano(np.array([0.5, np.nan]), 0.05), "must be .* probabilities between 0 and 1"),
        (lambda: du_escanciano(np.full(9, 0.01), 0.05, lags=9), "9 lags take more than 9 days"),
        (lambda: du_escanciano(np.full(9, 0.5), 0.05, lags=2), "none of 9 returns is in the tail"),
    ],
)
def test_what_cannot_be_tested_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
