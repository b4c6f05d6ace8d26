import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.panel import Panel
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.regimes.bars import daily_bars
from quantray.regimes.lens_measures import MarketMeasures

SEEN = ("steps", "log_volatility", "log_spread", "log_impact", "log_dispersion", "pull", "log_sector_dispersion")


@pytest.fixture(scope="module")
def market():
    return simulate_market(20, 300, seed=2)


def sectors_of(market):
    return dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))


def test_measures_by_hand():
    close = np.array([[10.0, 10, 10], [11, 10, 9], [11, 10, 9]])
    dates = np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]")
    fields = {"close": close, "volume": 1e4 / close, "half_spread_bps": np.tile([1.0, 2, 6], (3, 1))}
    panel = Panel(dates, np.array(["a", "b", "c"]), fields, np.ones((3, 3), dtype=bool))
    seen = MarketMeasures.of_panel(panel, {"a": "x", "b": "x", "c": "y"})
    assert_allclose(np.exp(seen.log_volatility[1]), 0.1 / 0.6745)
    assert_allclose(np.exp(seen.log_spread), 2.0)
    assert_allclose(np.exp(seen.log_dispersion[1]), 0.1 * 1.4826)
    assert seen.pull[1] == pytest.approx(0.0)
    assert_allclose(np.exp(seen.log_sector_dispersion[1]), np.std([0.05, -0.1], ddof=1))
    assert np.isnan(seen.log_impact).all(), "what is usual takes a month"


def test_nothing_looks_ahead(market):
    whole = MarketMeasures.of_panel(market.panel, sectors_of(market))
    early = MarketMeasures.of_panel(market.panel.until(180), sectors_of(market))
    for name in SEEN:
        assert_array_equal(getattr(early, name), getattr(whole, name)[:181], err_msg=name)


def test_daily_bars_show_what_their_panel_does(market):
    panel = market.panel
    days, bars = MarketMeasures.of_panel(panel), MarketMeasures.of_bars(daily_bars(panel), "1day")
    for name in ("log_volatility", "log_dispersion", "steps", "pull"):
        assert_allclose(getattr(bars, name), getattr(days, name), err_msg=name)
    assert bars.log_spread is None
    assert bars.rows_a_day == 1


def test_what_is_missing_is_said(market):
    panel = market.panel
    bare = Panel(panel.dates, panel.assets, {"close": panel.field("close")}, panel.member)
    with pytest.raises(DataError, match="liquidity needs volumes"):
        _ = MarketMeasures.of_panel(bare).log_impact
    with pytest.raises(InputError, match="needs two or more"):
        _ = MarketMeasures.of_panel(bare).by_sector
