import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.volatility import follow_volatility


def garch(n, seed, *, gain=0.08, persistence=0.98):
    rng = np.random.default_rng(seed)
    shocks, found, variances, variance = rng.normal(size=n), np.empty(n), np.empty(n), 1e-4
    for t, shock in enumerate(shocks.tolist()):
        variances[t], found[t] = variance, np.sqrt(variance) * shock
        variance = 1e-4 * (1 - persistence) + gain * found[t] ** 2 + (persistence - gain) * variance
    return found, variances


@pytest.fixture(scope="module")
def followed():
    returns, variances = garch(3000, 1)
    ends = np.arange(500, 3000, 50)
    return follow_volatility(returns, ends), variances, ends


def test_variances_of_a_known_law_are_found(followed):
    past, variances, ends = followed
    assert_allclose(past.weights.sum(axis=1), 1)
    expected = (past.weights * (past.slow + past.fast)).sum(axis=1)
    assert np.abs(np.log(expected / variances[ends])).mean() < 0.15
    assert_allclose((past.standardised[500 : ends[-1]] ** 2).mean(), 1, atol=0.06)


def test_a_longer_record_leaves_fewer_sets(followed):
    past, _, _ = followed
    effective = 1 / (past.weights**2).sum(axis=1)
    assert effective[-1] < effective[0] / 2


def test_fat_tails_tell_less():
    """The same returns with one crash among them leave the parameters less sure."""
    returns, _ = garch(1500, 2)
    crash = returns.copy()
    crash[700] = -0.12
    calm, fat = (1 / (follow_volatility(r, np.array([1500])).weights ** 2).sum() for r in (returns, crash))
    assert fat > calm


def test_days_ahead_have_the_variance_that_is_expected_of_them(followed):
    """With shocks of one, variance returns from where it is to where each set says, as the sets' mean does."""
    past, _, _ = followed
    one = past.on(np.array([3]))
    n_paths, n_days = 4000, 150
    rng = np.random.default_rng(0)
    paths = one.paths((np.arange(n_paths) + 0.5) / n_paths)
    pull = paths.slow_persistence, paths.fast_persistence, paths.level, paths.slow.copy(), paths.fast.copy()
    drawn = list(paths.shocks((rng.normal(size=(1, n_paths)) for _ in range(n_days)), np.ones(1)))
    for day in (0, 20, n_days - 1):
        slow = pull[2] + pull[0] ** day * (pull[3] - pull[2])
        assert_allclose((drawn[day] ** 2).mean(), (slow + pull[1] ** day * pull[4]).mean(), rtol=0.12)


def test_draws_that_are_too_wide_do_not_feed_on_themselves(followed):
    past, _, _ = followed
    rng, ratio = np.random.default_rng(0), []
    for square in (1.0, 1.44):
        paths = past.on(np.array([3])).paths((np.arange(4000) + 0.5) / 4000)
        rng = np.random.default_rng(0)
        draws = (np.sqrt(square) * rng.normal(size=(1, 4000)) for _ in range(100))
        ratio.append((list(paths.shocks(draws, np.array([square])))[-1] ** 2).mean())
    assert_allclose(ratio[1] / ratio[0], 1.44)


def test_what_follows_changes_nothing(followed):
    past, _, ends = followed
    returns, _ = garch(3000, 1)
    early = follow_volatility(returns[:1000], ends[:11])
    for name in ("weights", "slow", "fast", "level"):
        assert_allclose(getattr(past, name)[:11], getattr(early, name), rtol=1e-12)
