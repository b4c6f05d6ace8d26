"""Blocks of days, and the intervals that follow from them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.analytics.bootstrap import Interval, Resampling, block_indices, estimated_mean, interval, usual_block
from quantray.errors import InputError


def test_rows_run_on_within_blocks_and_around_the_end():
    rows = block_indices(10, 4, 300, seed=0)
    assert rows.shape == (300, 10)
    assert rows.dtype == np.int64
    assert set(rows.ravel()) == set(range(10))
    for start in (0, 4, 8):
        part = rows[:, start : start + 4]
        assert ((np.diff(part, axis=1) % 10) == 1).all()
    assert (rows[:, 1:] < rows[:, :-1]).any()


def test_every_day_is_equally_likely_in_every_place():
    counts = np.zeros((7, 7))
    rows = block_indices(7, 3, 20_000, seed=1)
    for place in range(7):
        counts[place] = np.bincount(rows[:, place], minlength=7)
    assert np.abs(counts / 20_000 - 1 / 7).max() < 5 * np.sqrt(1 / 7 * 6 / 7 / 20_000)


def test_seeds_decide():
    assert (block_indices(50, 5, 20, seed=[3, 1]) == block_indices(50, 5, 20, seed=[3, 1])).all()
    assert (block_indices(50, 5, 20, seed=[3, 1]) != block_indices(50, 5, 20, seed=[3, 2])).any()


def test_one_block_is_the_whole_series_turned():
    rows = block_indices(6, 6, 50, seed=2)
    assert (np.sort(rows, axis=1) == np.arange(6)).all()


def test_intervals_of_a_dependent_mean_cover_it():
    """Means of an autoregression with coefficient 0.5: ordinary resampling is far too sure, blocks are not."""
    generator = np.random.default_rng(4)
    covered = {1: 0, 20: 0}
    shocks = generator.normal(size=(200, 500))
    series = shocks.copy()
    for t in range(1, 500):
        series[:, t] += 0.5 * series[:, t - 1]
    for number, values in enumerate(series):
        for block in covered:
            means = values[block_indices(500, block, 400, seed=number)].mean(axis=1)
            covered[block] += 0.0 in interval(means, 0.9)
    assert covered[1] < 150  # 90 % would be 180
    assert covered[20] >= 165


def test_interval_by_hand():
    found = interval(np.arange(101.0), 0.9)
    assert_allclose([found.low, found.high], [5, 95])
    assert found == Interval(found.low, found.high, 0.9)
    assert 5.0 in found
    assert 4.9 not in found


@pytest.mark.parametrize("overlap", [1, 5])
def test_an_estimate_is_what_its_resampled_means_say(overlap):
    generator = np.random.default_rng(5)
    series = generator.normal(0.1, 1.0, 300)
    gappy = np.insert(series, [0, 7, 300], np.nan)
    resampling = Resampling(n_samples=500, level=0.8, seed=3)
    found = estimated_mean(gappy, overlap=overlap, resampling=resampling)
    means = series[block_indices(300, 10 if overlap > 1 else 7, 500, seed=3)].mean(axis=1)
    assert (found.mean, found.n_days) == (series.mean(), 300)
    assert found.error == pytest.approx(means.std(ddof=1))
    assert_allclose([found.interval.low, found.interval.high], np.quantile(means, [0.1, 0.9]))
    assert found.interval.level == 0.8
    strays = np.abs(means - series.mean()) >= abs(series.mean())
    assert found.p_value == pytest.approx((1 + strays.sum()) / 501)


@pytest.mark.parametrize(("deviations", "both_tails"), [(0.5, 0.617), (1.0, 0.317), (2.0, 0.0455)])
def test_p_values_count_both_tails_and_are_blind_to_the_sign(deviations, both_tails):
    """A mean so many standard errors from zero has the two tails of the normal distribution."""
    noise = np.random.default_rng(8).normal(size=2000)
    noise = (noise - noise.mean()) / noise.std()
    up, down = (
        estimated_mean(sign * (noise + deviations / np.sqrt(2000)), resampling=Resampling(block=1, n_samples=8000))
        for sign in (1, -1)
    )
    assert up.p_value == pytest.approx(both_tails, abs=4 * np.sqrt(both_tails * (1 - both_tails) / 8000) + 0.005)
    assert up.p_value == down.p_value
    assert_allclose([up.interval.low, up.interval.high], [-down.interval.high, -down.interval.low], atol=1e-12)


def test_resampled_rows_follow_block_overlap_and_seed():
    assert_array_equal(Resampling(n_samples=100).rows(1000), block_indices(1000, 10, 100, seed=0))
    assert_array_equal(Resampling(n_samples=100, seed=4).rows(1000, 21), block_indices(1000, 42, 100, seed=4))
    assert_array_equal(Resampling(n_samples=100, block=7).rows(1000, 21), block_indices(1000, 7, 100, seed=0))
    assert_array_equal(Resampling(n_samples=100, block=70).rows(30), block_indices(30, 30, 100, seed=0))


@pytest.mark.parametrize(
    ("n", "overlap", "block"), [(1, 1, 1), (1000, 1, 10), (1000, 21, 42), (30, 21, 30), (27, 1, 3)]
)
def test_usual_blocks(n, overlap, block):
    assert usual_block(n, overlap) == block


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: block_indices(10, 11, 5, seed=0), "5 samples in blocks of 11 of 10 days"),
        (lambda: block_indices(10, 0, 5, seed=0), "blocks of 0"),
        (lambda: block_indices(0, 1, 5, seed=0), "of 0 days"),
        (lambda: block_indices(10, 1, 0, seed=0), "0 samples"),
        (lambda: usual_block(10, 0), "overlap of 0"),
        (lambda: interval(np.array([1.0, np.nan])), "finite statistics"),
        (lambda: interval(np.empty(0)), r"samples are \(0,\)"),
        (lambda: interval(np.ones(3), 1.0), "level 1.0 must lie between 0 and 1"),
    ],
)
def test_numbers_that_cannot_be(call, text):
    with pytest.raises(InputError, match=text):
        call()
