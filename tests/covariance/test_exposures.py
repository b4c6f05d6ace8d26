import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.covariance.exposures import StyleWindows, market_returns, raw_styles, standardised, traded_size
from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.features.returns import simple_returns

NAN = np.nan


SHORT = StyleWindows(beta=40, momentum=40, momentum_skip=5, volatility=20, size=40, liquidity=20, reversal=5)


@pytest.fixture(scope="module")
def made():
    return simulate_market(150, 420, seed=2, n_sectors=5)


@pytest.fixture(scope="module")
def prices(made):
    return made.panel.field("close"), made.panel.field("volume")


def test_traded_size_by_hand():
    traded = np.array([[1.0, 4.0], [100.0, NAN], [10.0, 9.0], [10.0, 0.0]])
    # Half of the window must be known; a day without trade is not a day of zero.
    assert_allclose(traded_size(traded, 2), [[1, 4], [10, 4], [np.sqrt(1000), 9], [10, 9]])


def test_market_returns_by_hand():
    returns = np.array([[NAN, NAN], [0.1, 0.2], [0.1, NAN], [NAN, NAN]])
    caps = np.array([[1.0, 3.0], [2.0, 2.0], [1.0, 1.0], [1.0, 1.0]])
    assert_allclose(market_returns(returns, caps), [0, 0.175, 0.1, 0])


def test_styles_equal_their_definitions(prices):
    close, volume = prices
    returns, traded = simple_returns(close), close * volume
    caps = traded_size(traded, SHORT.size)
    raw = raw_styles(returns, traded, caps, SHORT)
    market = market_returns(returns, caps)
    t = 300
    asset = int(np.flatnonzero(~np.isnan(close[: t + 1]).any(axis=0))[3])
    r, m = returns[t - 39 : t + 1, asset], market[t - 39 : t + 1]
    beta = np.cov(r, m, ddof=0)[0, 1] / m.var()
    own = r[-20:].var() - beta**2 * m[-20:].var()
    expected = [
        beta,
        np.log(close[t - 5, asset] / close[t - 40, asset]),
        0.5 * np.log(max(own, 0.1 * r[-20:].var())),
        np.log(traded[t - 39 : t + 1, asset]).mean(),
        np.log(traded[t - 19 : t + 1, asset].mean()) - np.log(traded[t - 39 : t + 1, asset]).mean(),
        np.log(close[t, asset] / close[t - 5, asset]),
    ]
    assert_allclose(raw[t, :, asset], expected, rtol=1e-8)


def test_standardised_by_hand():
    raw = np.array([[1.0, 2.0, 3.0, 4.0, 1000.0, NAN]])
    members = np.array([True] * 5 + [False])
    scores = standardised(raw, members, np.array([1.0, 1, 1, 1, 4, NAN]), 3.0)
    # Median 3, scale 1.4826 x 1; the outlier counts as 3 deviations; then cap-weighted mean zero, deviation one.
    cut = np.array([-2 / 1.4826, -1 / 1.4826, 0, 1 / 1.4826, 3])
    cut -= cut @ [1, 1, 1, 1, 4] / 8
    assert_allclose(scores[0], [*(cut / cut.std()), 0.0])


def test_windows_that_cannot_be():
    with pytest.raises(InputError, match="style window beta 1 must be 2 days or more"):
        StyleWindows(beta=1)
    with pytest.raises(InputError, match="momentum_skip 252 must be shorter than momentum 252"):
        StyleWindows(momentum_skip=252)
