import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.coverage import share_interval, walk_outlook
from quantray.analytics.outlook import OutlookSettings
from quantray.errors import InputError


def changing(seed, n=3000):
    """Days whose volatility moves between calm and storm."""
    rng = np.random.default_rng(seed)
    log = np.zeros(n)
    for t in range(1, n):
        log[t] = 0.98 * log[t - 1] + 0.12 * rng.normal()
    return 0.0003 + 0.009 * np.exp(log) * rng.standard_t(6, n) * np.sqrt(4 / 6)


def test_bands_hold_what_they_promise_where_volatility_moves():
    terms = OutlookSettings(horizons=(1, 5, 21), n_paths=500)
    found = [each for each in walk_outlook(changing(0), terms) if each.quantity == "return"]
    assert [each.days for each in found] == [1, 5, 21]
    for each in found:
        assert_allclose(each.covered, [0.5, 0.8, 0.95], atol=0.07)
        assert each.hit_interval is not None
        assert each.hit_rate in each.hit_interval
        assert each.base_rate >= 0.5
        assert 0.95 in each.intervals[2]


def test_filtered_days_lose_less_than_normal_ones():
    returns = changing(1)
    losses = {
        method: walk_outlook(returns, OutlookSettings(method=method, horizons=(1,), n_paths=300))[0].pinball
        for method in ("filtered", "gaussian")
    }
    assert losses["filtered"] < 0.97 * losses["gaussian"]


def test_counts_by_hand():
    """A constant return is forecast exactly, and is inside every band that has a width of nothing."""
    flat = np.full(400, 0.001)
    (found,) = [
        each
        for each in walk_outlook(flat, OutlookSettings(method="bootstrap", horizons=(10,), n_paths=100), step=20)
        if each.quantity == "return"
    ]
    assert found.n == 7
    assert found.independent == 7
    assert (found.hit_rate, found.base_rate) == (1, 1)
    assert_allclose(found.pinball, 0, atol=1e-12)
    overlapping = walk_outlook(flat, OutlookSettings(method="bootstrap", horizons=(10,), n_paths=100), step=5)[0]
    assert overlapping.independent == overlapping.n / 2


def test_wilsons_interval():
    found = share_interval(0.9, 100)
    assert_allclose([found.low, found.high], [0.8256, 0.9448], atol=5e-5)


def test_bad_input():
    with pytest.raises(InputError, match="252 returns hold no forecast from 252 days and its outcome"):
        walk_outlook(np.zeros(252))
