"""Skill of scores: by hand, against scipy, and on markets whose best coefficient is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from quantray.analytics.bootstrap import Resampling, estimated_mean
from quantray.analytics.forecasts import (
    daily_ic,
    ensemble_scores,
    forecast_skill,
    ic_decay,
    ic_difference,
    quantile_returns,
    ranking_autocorrelation,
)
from quantray.data.synthetic import LeadLag, simulate_market
from quantray.errors import InputError
from quantray.features.labels import forward_returns

QUICK = Resampling(n_samples=300)


def random_scores(n_days=40, n_assets=30, seed=0, correlation=0.3):
    """Scores and returns of a known correlation, with gaps and ties."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(n_days, n_assets))
    forward = correlation * scores + np.sqrt(1 - correlation**2) * generator.normal(size=scores.shape)
    scores = np.where(generator.random(scores.shape) < 0.3, np.round(scores, 1), scores)
    for values in (scores, forward):
        values[generator.random(values.shape) < 0.1] = np.nan
    return scores, forward, generator.random(scores.shape) < 0.9


@pytest.fixture(scope="module")
def planted():
    market = simulate_market(150, 900, seed=5, lead_lag=LeadLag())
    forward = forward_returns(market.panel.field("close"), horizon=1, lag=1)
    return market, forward


@pytest.mark.parametrize("rank", [False, True])
def test_equals_scipy_day_by_day(rank):
    scores, forward, member = random_scores()
    oracle = stats.spearmanr if rank else stats.pearsonr
    found = daily_ic(scores, forward, member, rank=rank)
    for day in range(len(scores)):
        used = member[day] & ~np.isnan(scores[day]) & ~np.isnan(forward[day])
        assert_allclose(found[day], oracle(scores[day][used], forward[day][used]).statistic, rtol=1e-10)


def test_three_names_by_hand():
    scores, forward = np.array([[1.0, 2.0, 3.0]]), np.array([[0.00, 0.03, 0.01]])
    # Deviations (-1, 0, 1) and (-4, 5, -1) / 300: 3 / sqrt(2 * 42). Ranks 1, 3, 2: one half.
    assert_allclose(daily_ic(scores, forward, fewest=3), 3 / np.sqrt(84))
    assert_allclose(daily_ic(scores, forward, fewest=3, rank=True), 0.5)
    assert np.isnan(daily_ic(scores, forward)).all()


def test_days_that_say_nothing_are_nan():
    scores, forward, member = random_scores(5, 20)
    scores[1] = 0.1
    forward[2] = np.nan
    member[3, 5:] = False
    np.testing.assert_array_equal(np.isnan(daily_ic(scores, forward, member)), [False, True, True, True, False])
    assert_allclose(daily_ic(1e-200 * scores, forward, member), daily_ic(scores, forward, member), rtol=1e-9)


def test_names_may_stand_in_any_order_and_outsiders_do_not_matter():
    scores, forward, member = random_scores()
    order = np.random.default_rng(1).permutation(scores.shape[1])
    assert_allclose(
        daily_ic(scores[:, order], forward[:, order], member[:, order], rank=True),
        daily_ic(scores, forward, member, rank=True),
        rtol=1e-12,
    )
    other = np.where(member, scores, 99.0)
    for rank in (False, True):
        assert_allclose(daily_ic(other, forward, member, rank=rank), daily_ic(scores, forward, member, rank=rank))
    assert_allclose(
        quantile_returns(other, forward, member, n_quantiles=4, resampling=QUICK).mean,
        quantile_returns(scores, forward, member, n_quantiles=4, resampling=QUICK).mean,
    )


def test_the_planted_signal_is_found(planted):
    market, forward = planted
    skill = forecast_skill(market.truth.expected_returns, forward, market.panel.member)
    assert skill.mean_ic.mean == pytest.approx(0.185, abs=0.015)
    assert skill.mean_ic.interval.low < skill.mean_ic.mean < skill.mean_ic.interval.high
    assert skill.mean_rank_ic.mean == pytest.approx(6 / np.pi * np.arcsin(0.188 / 2), abs=0.03)
    assert skill.mean_ic.p_value < 0.001
    assert skill.icir == pytest.approx(np.nanmean(skill.ic) / np.nanstd(skill.ic, ddof=1))
    # As for normal pairs; fat tails change it little.
    assert skill.hit_rate == pytest.approx(0.5 + np.arcsin(0.188) / np.pi, abs=0.015)
    assert skill.positive_days > 0.85
    assert skill.mean_ic.n_days == 900 - 2 - 1
    assert 100 < skill.mean_names < 150


def test_errors_are_those_of_independent_days():
    generator = np.random.default_rng(3)
    scores, forward = generator.normal(size=(2, 600, 50))
    skill = forecast_skill(scores, forward)
    # A correlation of 50 independent pairs has a deviation of one over the root of 49.
    assert skill.mean_ic.error == pytest.approx(1 / np.sqrt(49 * 600), rel=0.15)
    assert 0.0 in skill.mean_ic.interval
    assert skill.mean_ic.p_value > 0.05
    wide = forecast_skill(scores, forward, resampling=Resampling(level=0.99)).mean_ic.interval
    assert wide.low < skill.mean_ic.interval.low
    assert wide.high > skill.mean_ic.interval.high


def test_overlapping_returns_widen_the_interval(planted):
    market, _ = planted
    slow = np.tile(np.random.default_rng(0).normal(size=150), (900, 1))
    forward = forward_returns(market.panel.field("close"), horizon=21, lag=1)
    naive = forecast_skill(slow, forward, market.panel.member, resampling=Resampling(block=1)).mean_ic.error
    honest = forecast_skill(slow, forward, market.panel.member, horizon=21).mean_ic.error
    assert honest > 2 * naive


def test_every_mean_is_estimated_with_the_overlap_of_its_horizon():
    scores, forward, member = random_scores(n_days=120, n_assets=40)
    other = random_scores(n_days=120, n_assets=40, seed=9)[0]
    resampling = Resampling(n_samples=200, level=0.9, seed=2)

    def estimate(series, overlap):
        # Blocks of another length than without an overlap, so the two are told apart.
        found = estimated_mean(series, overlap=overlap, resampling=resampling)
        assert (overlap == 1) == (found == estimated_mean(series, resampling=resampling))
        return found

    for horizon in (1, 7):
        terms = {"horizon": horizon, "resampling": resampling}
        skill = forecast_skill(scores, forward, member, **terms)
        assert skill.mean_ic == estimate(skill.ic, horizon)
        assert skill.mean_rank_ic == estimate(skill.rank_ic, horizon)
        ic = daily_ic(other, forward, member)
        assert ic_difference(skill.ic, ic, **terms) == estimate(skill.ic - ic, horizon)
        quantiles = quantile_returns(scores, forward, member, n_quantiles=5, **terms)
        assert quantiles.mean_spread == estimate(quantiles.spread, horizon)
    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(4).normal(size=scores.shape), axis=0))
    horizons = (1, 4, 9)
    decay = ic_decay(scores, close, member, horizons=horizons, lag=2, rank=False, resampling=resampling)
    series = [daily_ic(scores, forward_returns(close, horizon=h, lag=2), member) for h in horizons]
    common = ~np.isnan(series).any(axis=0)
    assert decay.estimates == tuple(estimate(ic[common], h) for ic, h in zip(series, horizons, strict=True))


def test_a_paired_difference_is_surer_than_two_intervals(planted):
    market, forward = planted
    generator = np.random.default_rng(2)
    good = market.truth.expected_returns
    worse = good + 0.5 * np.std(good) * generator.normal(size=good.shape)
    one, other = (daily_ic(scores, forward, market.panel.member) for scores in (good, worse))
    difference = ic_difference(one, other)
    assert difference.mean == pytest.approx(np.nanmean(one - other))
    assert difference.interval.low > 0
    separate = [forecast_skill(s, forward, market.panel.member).mean_ic.error for s in (good, worse)]
    assert difference.error < 0.8 * np.hypot(*separate)
    same = ic_difference(one, one)
    assert (same.mean, same.error, same.p_value) == (0.0, 0.0, 1.0)


def test_intervals_have_seeds():
    scores, forward, member = random_scores()
    one, again = (forecast_skill(scores, forward, member).mean_ic for _ in range(2))
    other = forecast_skill(scores, forward, member, resampling=Resampling(seed=1)).mean_ic
    assert one == again
    assert one.mean == other.mean
    assert one.interval != other.interval


def test_quantiles_by_hand():
    scores = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    forward = np.array([[0.04, 0.02, 0.01, -0.01], [0.01, 0.03, 0.00, 0.02]])
    found = quantile_returns(scores, forward, n_quantiles=2, resampling=QUICK)
    assert_allclose(found.returns, [[0.0, 0.03], [0.02, 0.01]])
    assert_allclose(found.mean, [0.01, 0.02])
    assert_allclose(found.spread, [0.03, -0.01])
    assert found.mean_spread.mean == pytest.approx(0.01)
    assert found.hit_rate == 0.5
    assert found.monotonicity == pytest.approx(1.0)
    assert_allclose(found.turnover, [np.nan, 1.0])


def test_quantiles_are_even_and_ties_stay_together():
    scores = np.tile(np.arange(25.0), (2, 1))
    returns = quantile_returns(scores, scores, n_quantiles=10, resampling=QUICK)
    assert (np.diff(returns.mean) > 0).all()
    assert_allclose(
        returns.returns[0], [np.mean([v for v in range(25) if int((v + 0.5) * 10 / 25) == q]) for q in range(10)]
    )
    assert_allclose(returns.turnover, [np.nan, 0.0])
    tied = quantile_returns(
        np.where((scores > 4) & (scores < 15), 9.5, scores), scores, n_quantiles=5, resampling=QUICK
    )
    np.testing.assert_array_equal(np.isnan(tied.returns), [[False, True, False, False, False]] * 2)
    assert_allclose(tied.returns[0, 2], np.arange(5, 15).mean())


def test_a_day_without_an_outer_quantile_has_no_spread():
    scores, forward, _ = random_scores(30, 40, correlation=0.8)
    scores[3] = np.where(np.arange(40) < 30, -9.0, scores[3])
    found = quantile_returns(scores, forward, n_quantiles=10, resampling=QUICK)
    assert np.isnan(found.returns[3]).sum() > 5
    assert np.isnan(found.spread[3])
    assert found.mean_spread.n_days == 29
    assert found.monotonicity > 0.9


def test_spread_of_a_known_correlation():
    generator = np.random.default_rng(6)
    scores = generator.normal(size=(400, 200))
    forward = 0.01 * (0.2 * scores + np.sqrt(0.96) * generator.normal(size=scores.shape))
    found = quantile_returns(scores, forward, resampling=QUICK)
    # The mean of the highest tenth of a normal distribution is 1.755.
    assert found.mean_spread.mean == pytest.approx(2 * 1.755 * 0.2 * 0.01, rel=0.05)
    assert found.monotonicity == pytest.approx(1.0)
    assert found.turnover[1:].mean() == pytest.approx(0.9, abs=0.02)


def test_a_signal_of_one_day_decays_with_the_root_of_the_horizon(planted):
    market, _ = planted
    decay = ic_decay(
        market.truth.expected_returns, market.panel.field("close"), market.panel.member,
        horizons=(1, 4, 9), rank=False, resampling=QUICK,
    )  # fmt: skip
    # The return that follows adds variance and nothing that the score knows, but for the autocorrelation of groups.
    assert_allclose(decay.mean, decay.mean[0] / np.sqrt([1, 4, 9]), atol=0.015)
    assert len({estimate.n_days for estimate in decay.estimates}) == 1
    assert decay.horizons.tolist() == [1, 4, 9]
    assert abs(ic_decay(
        market.truth.expected_returns, market.panel.field("close"), market.panel.member,
        horizons=(1,), lag=2, resampling=QUICK,
    ).mean[0]) < 0.03  # fmt: skip


def test_rankings_that_stay_turn_and_vanish():
    scores = np.tile(np.arange(20.0), (4, 1))
    scores[2] = scores[2][::-1]
    assert_allclose(ranking_autocorrelation(scores), [np.nan, 1, -1, -1])
    assert_allclose(ranking_autocorrelation(scores, days=2), [np.nan, np.nan, -1, 1])
    member = np.ones_like(scores, dtype=bool)
    member[1, :15] = False
    assert_allclose(ranking_autocorrelation(scores, member), [np.nan, np.nan, np.nan, -1])


def test_an_ensemble_is_better_than_its_parts_and_blind_to_their_scale(planted):
    market, forward = planted
    member = market.panel.member
    good = market.truth.expected_returns
    noise = np.random.default_rng(7).normal(size=(4, *good.shape))
    seeds = good + 2 * np.std(good) * noise
    together = np.nanmean(daily_ic(ensemble_scores(seeds, member), forward, member))
    alone = [np.nanmean(daily_ic(scores, forward, member)) for scores in seeds]
    assert together > max(alone) + 0.02
    scaled = seeds * np.array([1.0, 10.0, 1e-3, 5.0])[:, None, None] + 3.0
    assert_allclose(ensemble_scores(scaled, member), ensemble_scores(seeds, member), atol=1e-7)


def test_ensemble_by_hand():
    scores = np.array([[[1.0, 3.0, np.nan, 9.0]], [[5.0, 1.0, 7.0, 0.0]], [[0.1, 0.1, 0.1, 0.1]]])
    member = np.array([[True, True, True, False]])
    # Fit by fit: (-1, 1), then 2 / 3, -10 / 3, 8 / 3 over their deviation, then nothing.
    second = np.array([2, -10, 8]) / 3
    second /= np.sqrt((second**2).mean())
    found = ensemble_scores(scores, member)
    assert_allclose(found[0, :2], (np.array([-1, 1]) + second[:2]) / 3)
    assert np.isnan(found[0, 2:]).all()


WIDE = np.zeros((5, 12))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: daily_ic(WIDE, np.zeros((5, 11))), r"scores are \(5, 12\), returns \(5, 11\) and members not given"),
        (lambda: daily_ic(WIDE, WIDE, np.ones((4, 12), dtype=bool)), r"members \(4, 12\); all must be \(D, N\)"),
        (lambda: daily_ic(WIDE + np.inf, WIDE), "infinite values"),
        (lambda: daily_ic(WIDE, WIDE, fewest=1), "fewest 1 must be at least 2"),
        (lambda: forecast_skill(WIDE, WIDE), "0 days have a value; at least two are needed"),
        (lambda: ic_difference(np.zeros(4), np.zeros(5)), r"coefficients are \(4,\) and \(5,\)"),
        (lambda: quantile_returns(WIDE, WIDE, n_quantiles=1), "n_quantiles 1 must be 2 or more"),
        (lambda: quantile_returns(WIDE, WIDE, n_quantiles=7), "0 days have a value"),
        (lambda: ic_decay(WIDE, WIDE + 1, horizons=()), "no horizons are given"),
        (lambda: ic_decay(WIDE, WIDE + 1, horizons=(0,)), "horizon 0 must be 1 or more"),
        (lambda: ranking_autocorrelation(WIDE, days=5), "5 days back"),
        (lambda: ensemble_scores(WIDE), r"scores are \(5, 12\); stack"),
        (lambda: Resampling(n_samples=10), "10 samples in blocks of None"),
        (lambda: Resampling(block=0), "blocks of 0"),
        (lambda: Resampling(level=95), "level 95 must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_compared(call, text):
    with pytest.raises(InputError, match=text):
        call()
