import numpy as np
import pytest

from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.oms.messages import MONEY
from quantray.oms.paper.replay import bars_of_day


@pytest.fixture(scope="module")
def panel():
    return simulate_market(4, 60, seed=3, listing_share=0.0, delisting_share=0.0).panel


def test_a_day_is_hit_at_its_ends(panel):
    bars = bars_of_day(panel, panel.dates[-1], minutes=30, seed=5)
    assert (len(bars), bars.symbols, bars.seconds) == (13, tuple(panel.assets.tolist()), 1800.0)
    assert str(bars.times[0]) == "2024-12-31T14:30:00"
    day = {name: panel.field(name)[-1] for name in ("open", "high", "low", "close", "volume")}
    np.testing.assert_allclose(bars.open[0], MONEY * day["open"], atol=0.5)
    np.testing.assert_allclose(bars.close[-1], MONEY * day["close"], atol=0.5)
    np.testing.assert_allclose(bars.high.max(axis=0), MONEY * day["high"], atol=0.5)
    np.testing.assert_allclose(bars.low.min(axis=0), MONEY * day["low"], atol=0.5)
    np.testing.assert_allclose(bars.volume.sum(axis=0), day["volume"], atol=13)
    np.testing.assert_array_equal(bars.open[1:], bars.close[:-1])


def test_a_name_has_its_own_day_whatever_others_there_are(panel):
    both = bars_of_day(panel, panel.dates[-1], minutes=30, seed=5)
    one = bars_of_day(panel.select(panel.assets[2:3]), panel.dates[-1], minutes=30, seed=5)
    np.testing.assert_array_equal(one.close[:, 0], both.close[:, 2])
    np.testing.assert_array_equal(one.volume[:, 0], both.volume[:, 2])
    other = bars_of_day(panel, panel.dates[-1], minutes=30, seed=6)
    assert (other.close != both.close).any()


def test_liquidity_is_of_the_day_before(panel, changed_later):
    later = changed_later(panel, panel.dates[-1])
    before, after = (bars_of_day(p, panel.dates[-1], minutes=30).impact for p in (panel, later))
    np.testing.assert_array_equal(before.adv, after.adv)
    np.testing.assert_array_equal(before.temporary, after.temporary)


def test_days_that_cannot_be_replayed(panel):
    with pytest.raises(DataError, match="is the first day"):
        bars_of_day(panel, panel.dates[0])
    with pytest.raises(DataError, match="known liquidity"):
        bars_of_day(panel, panel.dates[3])
    with pytest.raises(DataError, match="is not a date"):
        bars_of_day(panel, "2031-01-01")
    with pytest.raises(InputError, match="do not divide a session of 390"):
        bars_of_day(panel, panel.dates[-1], minutes=7)
