"""Rolling components against those of each window alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.covariance.rolling import RollingFactors
from quantray.errors import DataError, InputError

T, N, K = 30, 50, 4


@pytest.fixture(scope="module")
def returns():
    generator = np.random.default_rng(0)
    factors = generator.normal(0, [0.02, 0.012, 0.008, 0.005], (120, K))
    return factors @ generator.normal(0.5, 1, (K, N)) + generator.normal(0.001, 0.004, (120, N))


def test_every_day_is_the_eigendecomposition_of_its_window(returns):
    rolling = RollingFactors(N, T, K)
    rolling.add(returns[: T - 1])
    for t in range(T - 1, len(returns)):
        rolling.add(returns[t])
        model, covariance = rolling.model(), np.cov(returns[t + 1 - T : t + 1].T, bias=True)
        assert_array_equal(rolling.window, returns[t + 1 - T : t + 1])
        values, vectors = np.linalg.eigh(covariance)
        leading = vectors[:, -K:] * values[-K:] @ vectors[:, -K:].T
        assert_allclose(model.loadings @ model.loadings.T, leading, atol=1e-15)
        assert_allclose(model.variances, np.diag(covariance), rtol=0.05)
        specific = np.maximum(np.diag(covariance - leading), 0.05 * np.diag(covariance))
        assert_allclose(model.specific_variance, specific, rtol=1e-9)
    assert (model.loadings.sum(axis=0) >= 0).all()
    assert_allclose(np.sum(model.loadings**2, axis=0), values[::-1][:K], rtol=1e-12)


def test_no_bit_depends_on_the_day_on_which_it_began(returns):
    whole = RollingFactors(N, T, K)
    whole.add(returns[:T])
    for t in range(T, len(returns)):
        whole.add(returns[t])
        later = RollingFactors(N, T, K)
        later.add(returns[t + 1 - T - t % 3 : t + 1])
        for part in ("loadings", "specific_variance"):
            assert_array_equal(getattr(whole.model(), part), getattr(later.model(), part))


def test_one_factor_by_hand():
    """Two assets that move together and apart in turn: one factor is the common move, the rest is their own."""
    rolling = RollingFactors(2, 4, 1, specific_floor=0.0)
    rolling.add(np.array([[3.0, 3.0], [-3.0, -3.0], [1.0, -1.0], [-1.0, 1.0]]) + 7.0)
    model = rolling.model()
    # Variance 18/4 along the first and 2/4 along the second, shared alike.
    assert_allclose(model.loadings, np.full((2, 1), np.sqrt(4.5)))
    assert_allclose(model.specific_variance, [0.5, 0.5])


def test_assets_that_do_not_move_have_no_risk():
    rolling = RollingFactors(3, 5, 2)
    rolling.add(np.zeros((5, 3)))
    assert_array_equal(rolling.model().variances, np.zeros(3))


@pytest.mark.parametrize(
    ("arguments", "floor", "text"),
    [
        ((0, 5, 2), 0.05, "0 assets"),
        ((3, 5, 5), 0.05, "fewer factors than days"),
        ((3, 5, 0), 0.05, "0 factors"),
        ((3, 5, 2), 1.0, "a floor of 1.0"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, floor, text):
    with pytest.raises(InputError, match=text):
        RollingFactors(*arguments, specific_floor=floor)


def test_incomplete_days_are_refused_and_not_taken_in(returns):
    rolling = RollingFactors(N, T, K)
    rolling.add(returns[:T])
    before = rolling.model().loadings
    holed = returns[T : T + 2].copy()
    holed[1, 3] = np.nan
    for wrong in (holed, returns[T, :-1], np.zeros((1, 1, N))):
        with pytest.raises(InputError, match="must be finite and of 50 assets"):
            rolling.add(wrong)
    assert_array_equal(rolling.model().loadings, before)
    short = RollingFactors(N, T, K)
    short.add(returns[:20])
    with pytest.raises(DataError, match="20 days were taken in; add 10 more"):
        short.model()
