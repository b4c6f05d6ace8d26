"""Intervals of Sharpe ratios against every resampled series laid out, and against the truth."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.bootstrap import Resampling
from quantray.analytics.metrics import performance
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.errors import InputError


def test_intervals_cover_the_truth():
    generator = np.random.default_rng(9)
    truth = 0.05 * math.sqrt(252)
    covered = [
        truth in sharpe_interval(generator.normal(0.0005, 0.01, 500), resampling=Resampling(n_samples=300)).interval
        for _ in range(100)
    ]
    assert 0.87 <= np.mean(covered) <= 1.0


@pytest.mark.parametrize("block", [None, 1, 7, 30, 400])
def test_intervals_by_laying_out_every_series(block):
    returns = np.random.default_rng(12).normal(0, 0.01, (250, 2))
    resampling = Resampling(n_samples=120, block=block, seed=4)
    drawn = returns[resampling.rows(250)]
    ratios = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1) * math.sqrt(252)
    found = sharpe_interval(returns[:, 0], resampling=resampling).interval
    assert_allclose([found.low, found.high], np.quantile(ratios[:, 0], [0.025, 0.975]))
    assert_allclose(
        sharpe_difference(returns[:, 0], returns[:, 1], resampling=resampling).error,
        (ratios[:, 0] - ratios[:, 1]).std(ddof=1),
        atol=1e-12,
    )


def test_a_paired_difference_is_surer_than_two_intervals():
    generator = np.random.default_rng(10)
    base = generator.normal(0.0004, 0.01, 1500)
    better = base + generator.normal(0.0003, 0.002, 1500)
    difference = sharpe_difference(better, base)
    assert_allclose(difference.mean, performance(better).sharpe - performance(base).sharpe)
    assert difference.interval.low > 0
    assert difference.error < 0.5 * sharpe_interval(base).error
    assert sharpe_difference(base, better).mean == pytest.approx(-difference.mean)


def test_without_a_difference_there_is_none():
    base = np.random.default_rng(11).normal(0, 0.01, 300)
    same = sharpe_difference(base, base)
    assert (same.mean, same.interval.low, same.interval.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert sharpe_difference(base, np.zeros(300)).mean == pytest.approx(performance(base).sharpe)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="needs the same days"):
        sharpe_difference(np.zeros(5), np.zeros(6))
    with pytest.raises(InputError, match="one series"):
        sharpe_interval(np.zeros((5, 2)))
    with pytest.raises(InputError, match="do not vary"):
        sharpe_interval(np.zeros(9))
