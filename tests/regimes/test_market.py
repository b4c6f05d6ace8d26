import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.panel import Panel
from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.regimes.market import (
    average_correlation,
    day_dispersion,
    day_volatility,
    illiquidity,
    index_returns,
    member_returns,
    realised_volatility,
    sector_returns,
)

NAN = np.nan


@pytest.fixture(scope="module")
def panel():
    return simulate_market(25, 400, seed=3).panel


def small(close, member=None, **fields):
    close = np.array(close, dtype=float)
    dates = np.arange("2024-01-01", "2024-12-01", dtype="datetime64[D]")[: len(close)]
    names = np.array([f"A{i}" for i in range(close.shape[1])])
    known = ~np.isnan(close) if member is None else np.array(member)
    return Panel(dates, names, {"close": close, **{k: np.array(v, dtype=float) for k, v in fields.items()}}, known)


def test_the_index_holds_yesterdays_members():
    panel = small([[10, 10], [11, 20], [11, 10]], member=[[True, False], [True, True], [True, False]])
    assert_allclose(index_returns(panel), [NAN, 0.1, -0.25])
    assert_allclose(member_returns(panel), [[NAN, NAN], [0.1, NAN], [0, -0.5]])


def test_traded_weights_are_known_the_day_before():
    panel = small([[10, 10], [11, 10], [11, 11]], volume=[[3, 1], [0, 400], [9, 9]])
    # Weights of day 1 from 30 and 10; of day 2 from the means (30 + 0) / 2 and (10 + 4000) / 2.
    assert_allclose(index_returns(panel, weighting="traded"), [NAN, 0.1 * 0.75, 0.1 * 2005 / 2020])
    with pytest.raises(InputError, match="not one of equal, traded"):
        index_returns(panel, weighting="cap")


def test_realised_volatility_is_a_yearly_root_mean_square():
    returns = np.array([NAN, 0.01, -0.01, 0.02, NAN, 0.0])
    assert_allclose(realised_volatility(returns, 2), [NAN, NAN, *np.sqrt(252 * np.array([1e-4, 2.5e-4])), NAN, NAN])


def test_average_correlation_is_that_of_all_pairs():
    generator = np.random.default_rng(0)
    returns = generator.normal(size=(120, 1)) * 0.01 + generator.normal(size=(120, 12)) * generator.uniform(
        0.005, 0.03, 12
    )
    found = average_correlation(returns, 60)
    for t in (59, 80, 119):
        window = returns[t - 59 : t + 1]
        weights = np.outer(window.std(axis=0), window.std(axis=0))
        np.fill_diagonal(weights, 0)
        assert found[t] == pytest.approx((weights * np.corrcoef(window, rowvar=False)).sum() / weights.sum(), abs=1e-9)
    assert np.isnan(found[:47]).all()


def test_average_correlation_of_one_asset_is_unknown():
    assert np.isnan(average_correlation(np.random.default_rng(0).normal(size=(50, 1)), 10)).all()
    with pytest.raises(InputError, match="3 rows or more"):
        average_correlation(np.zeros((5, 2)), 2)


def test_ranges_and_dispersion_find_the_width_of_the_day():
    returns = np.random.default_rng(0).normal(0.01, 0.02, (3, 20_001))
    assert_allclose(day_dispersion(returns), 0.02, rtol=0.03)
    panel = small([[10, 10], [10, 10]], high=[[NAN, NAN], [11, 11]], low=[[NAN, NAN], [10, 10]])
    assert_allclose(day_volatility(panel), [NAN, np.log(1.1) / np.sqrt(4 * np.log(2))])
    assert_allclose(day_volatility(small([[10, 10, 10], [10.1, 10, 9.8]])), [NAN, 1.4826 * 0.01])


def test_price_impact():
    panel = small([[10, 10, 10], [11, 9, 10]], volume=[[1, 1, 1], [1e5, 1e6, 0]])
    # 10 % over 1.1 million and over 9 million; the third did not trade.
    assert_allclose(illiquidity(panel), [NAN, np.mean([10 / 1.1, 10 / 9])])


def test_sectors_are_means_of_their_members():
    panel = small([[10, 10, 10], [11, 12, 9], [11, 12, NAN]])
    found = sector_returns(member_returns(panel), panel.assets, {"A0": "x", "A1": "x", "A2": "a"})
    assert found.names.tolist() == ["a", "x"]
    assert_allclose(found.returns, [[NAN, NAN], [-0.1, 0.15], [NAN, 0]])
    with pytest.raises(InputError, match="needs two or more"):
        sector_returns(member_returns(panel), panel.assets, {"A0": "x"})


MEASURES = [
    index_returns,
    lambda p: index_returns(p, weighting="traded"),
    day_volatility,
    lambda p: day_dispersion(member_returns(p)),
    lambda p: average_correlation(member_returns(p), 42),
    illiquidity,
    lambda p: realised_volatility(index_returns(p), 21),
]


@pytest.mark.parametrize("measure", MEASURES)
def test_no_measure_looks_ahead_or_depends_on_the_order_of_assets(measure, panel):
    whole = measure(panel)
    assert_array_equal(measure(panel.until(250)), whole[:251])
    mixed = panel.select(np.random.default_rng(0).permutation(panel.assets))
    assert_allclose(measure(mixed), whole, rtol=1e-9, atol=1e-12)
    without = panel.with_fields(half_spread_bps=panel.field("half_spread_bps") * NAN)
    assert measure(without).shape == whole.shape
