import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.risk.forecasting.ordered import OrderedReturns

RETURNS = np.array([0.02, -0.05, 0.01, -0.01, 0, 0, 0, 0, 0, 0.03])


def test_a_tail_by_hand():
    # A tenth of the days lies nine tenths of the way from the worst to the next.
    assert OrderedReturns.of(RETURNS).tail(0.9) == pytest.approx((0.014, 0.05))
    # The worst has a twentieth of the weight, the next three: a tenth lies in that one.
    weights = np.where(RETURNS == -0.05, 1.0, np.where(RETURNS == -0.01, 3.0, 2.0))
    assert OrderedReturns.of(RETURNS, weights=weights).tail(0.9) == pytest.approx((0.01, 0.02))


@pytest.mark.parametrize(("predictive", "method"), [(False, "linear"), (True, "weibull")])
def test_numpy_finds_the_same_at_every_level(predictive, method):
    returns = np.random.default_rng(0).standard_t(4, 997)
    days = OrderedReturns.of(returns, predictive=predictive)
    for level in (0.5, 0.9, 0.95, 0.99, 0.995):
        var, shortfall = days.tail(level)
        assert_allclose(var, -np.quantile(returns, 1 - level, method=method), rtol=1e-12)
        assert_allclose(shortfall, -returns[returns <= -var].mean(), rtol=1e-12)


def test_too_few_days_are_refused_level_by_level():
    days = OrderedReturns.of(np.arange(30.0))
    assert days.var(0.95) == pytest.approx(-1.45)
    with pytest.raises(InputError, match="at least 100"):
        days.tail(0.99)
