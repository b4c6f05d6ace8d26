"""Hierarchical risk parity from returns: the numbers of ``hrp`` without its matrix."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_limits

from quantray.covariance.estimators import sample_covariance
from quantray.errors import DataError, InputError
from quantray.features.returns import simple_returns
from quantray.portfolio import hrp_large, spanning
from quantray.portfolio.hrp import hrp_order, hrp_weights
from quantray.portfolio.hrp_large import hrp_large_order, hrp_large_weights
from quantray.research.executor import Serial

DISTANCES = ("paper", "correlation")


def random_returns(n_assets, n_days=250, seed=0):
    """Returns of five factors and noise, every asset with a volatility of its own."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(n_days, 5)) @ generator.normal(0.3, 0.4, (5, n_assets))
    return (common + generator.normal(size=(n_days, n_assets))) * generator.uniform(0.005, 0.03, n_assets)


@pytest.fixture
def small_blocks(monkeypatch):
    for module in (hrp_large, spanning):
        monkeypatch.setattr(module, "BLOCK", 64)


@pytest.mark.parametrize("distance", DISTANCES)
def test_weights_of_the_paper(distance):
    """The numerical example of Lopez de Prado (2016), from its observations."""
    generator = np.random.RandomState(12345)
    x = generator.normal(0, 1, (10_000, 5))
    returns = np.hstack([x, x[:, [2, 0, 4, 1, 1]] + generator.normal(0, 0.25, (10_000, 5))])
    weights = hrp_large_weights(returns, distance=distance)
    assert_allclose(weights, hrp_weights(np.cov(returns, rowvar=False), distance=distance), rtol=1e-10)
    if distance == "paper":
        assert_allclose(100 * weights, [7.00, 7.59, 10.84, 19.03, 9.72, 10.19, 6.62, 9.10, 7.12, 12.79], atol=0.0051)
        assert (hrp_large_order(returns) + 1).tolist() == [9, 2, 10, 1, 7, 3, 6, 4, 5, 8]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("n_assets", "n_days"), [(2, 30), (3, 250), (7, 5), (60, 250), (150, 40), (400, 250)])
def test_equals_hrp_on_the_sample_covariance(n_assets, n_days, distance):
    returns = random_returns(n_assets, n_days, seed=n_assets)
    covariance = sample_covariance(returns).matrix
    np.testing.assert_array_equal(hrp_large_order(returns, distance=distance), hrp_order(covariance, distance=distance))
    assert_allclose(
        hrp_large_weights(returns, distance=distance), hrp_weights(covariance, distance=distance), rtol=1e-9
    )


class Backwards(Serial):
    """Workers that take the last item first, and hand results back in the items' order."""

    def map(self, fn, items, *, shared):
        return reversed(list(super().map(fn, list(items)[::-1], shared=shared)))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("distance", DISTANCES)
def test_workers_change_no_byte(distance):
    returns = random_returns(300)
    with threadpool_limits(limits=1):
        expected = hrp_large_weights(returns, distance=distance)
    for workers in (Serial(), Backwards()):
        np.testing.assert_array_equal(hrp_large_weights(returns, distance=distance, workers=workers), expected)


@pytest.mark.ray
@pytest.mark.parametrize("distance", DISTANCES)
def test_ray_changes_no_byte(distance, ray_cluster):
    from quantray.distributed.executor import OnRay

    returns = random_returns(1100, 60)
    expected = hrp_large_weights(returns, distance=distance, workers=Serial())
    np.testing.assert_array_equal(hrp_large_weights(returns, distance=distance, workers=OnRay()), expected)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("distance", DISTANCES)
def test_gaps_count_as_in_the_sample_covariance(distance):
    returns = random_returns(130, 200)
    returns[np.random.default_rng(1).random(returns.shape) < 0.1] = np.nan
    returns[:100, 7] = np.nan
    expected = hrp_weights(sample_covariance(returns, missing="available").matrix, distance=distance)
    assert_allclose(hrp_large_weights(returns, distance=distance), expected, rtol=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_market_with_listings(market, distance):
    returns = simple_returns(market.panel.field("close"))[300:600]
    returns = returns[:, (~np.isnan(returns)).mean(axis=0) > 0.6]
    expected = hrp_weights(sample_covariance(returns).matrix, distance=distance)
    assert_allclose(hrp_large_weights(returns, distance=distance), expected, rtol=1e-9)


def test_exact_distances_make_up_for_a_coarse_projection():
    """The projection alone would order assets otherwise: only proposing edges, it does no harm."""
    returns = random_returns(300, 250, seed=4)
    expected = hrp_weights(sample_covariance(returns).matrix)
    assert_allclose(hrp_large_weights(returns, directions=40), expected, rtol=1e-9)
    few = hrp_large_weights(returns, neighbours=1, directions=3)
    assert (few > 0).all()
    assert few.sum() == pytest.approx(1)
    assert np.abs(few - expected).sum() > 0.01


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("distance", DISTANCES)
def test_no_matrix_of_assets_by_assets(distance):
    returns = random_returns(1000, 40)
    tracemalloc.start()
    weights = hrp_large_weights(returns, distance=distance)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * 8 * 1000**2
    assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("distance", DISTANCES)
def test_scale_does_not_matter_and_the_input_is_not_changed(distance):
    returns = random_returns(50)
    returns.flags.writeable = False
    before = returns.copy()
    expected = hrp_large_weights(returns, distance=distance)
    assert_allclose(hrp_large_weights(1e-4 * returns, distance=distance), expected, rtol=1e-9)
    np.testing.assert_array_equal(returns, before)


@pytest.mark.parametrize("distance", DISTANCES)
def test_one_asset_two_assets_and_copies(distance):
    returns = random_returns(9, seed=5)
    assert hrp_large_weights(returns[:, :1], distance=distance).tolist() == [1.0]
    variance = returns[:, :2].var(axis=0)
    assert_allclose(hrp_large_weights(returns[:, :2], distance=distance), variance[::-1] / variance.sum(), rtol=1e-10)
    assert_allclose(hrp_large_weights(returns[:, [3] * 8], distance=distance), 1 / 8, rtol=1e-9)
    twice = hrp_large_order(returns[:, [*range(9), 4]], distance=distance).tolist()
    assert abs(twice.index(4) - twice.index(9)) == 1


@pytest.mark.parametrize("distance", DISTANCES)
def test_two_perfect_hedges_share_the_budget(distance):
    shock = np.random.default_rng(0).normal(size=50)
    assert_allclose(hrp_large_weights(np.column_stack([shock, -shock]), distance=distance), 0.5)


@pytest.mark.parametrize("function", [hrp_large_weights, hrp_large_order])
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"returns": np.zeros(5)}, InputError, r"returns are \(5,\); they must be \(T, N\)"),
        ({"returns": np.zeros((5, 0))}, InputError, r"returns are \(5, 0\); give at least one asset"),
        ({"returns": np.full((5, 2), np.inf)}, InputError, "infinite values"),
        ({"returns": np.ones((5, 2))}, InputError, "2 assets have no positive variance; drop them"),
        ({"returns": np.ones((5, 1))}, InputError, "1 assets have no positive variance; drop them"),
        ({"returns": np.full((5, 2), np.nan)}, DataError, "asset 0 has 0 returns in 5 days"),
        ({"distance": "euclid"}, InputError, "distance 'euclid' is unknown; see hrp_large_weights"),
        ({"neighbours": 0}, InputError, "0 neighbours and 256 directions; give at least one of each"),
        ({"directions": 0}, InputError, "0 directions"),
    ],
)
def test_what_has_no_weights(function, change, error, text):
    with pytest.raises(error, match=text):
        function(**({"returns": random_returns(4)} | change))


@pytest.mark.real
@pytest.mark.parametrize("distance", DISTANCES)
def test_real_prices(real_data, distance):
    bars = pd.read_parquet(real_data / "us_equities_2010_2017.parquet", columns=["date", "symbol", "close"])
    bars = bars[pd.to_datetime(bars["date"]) >= "2016-06-01"]
    close = bars.pivot_table(index="date", columns="symbol", values="close", aggfunc="last").astype(float)
    returns = simple_returns(close.to_numpy())[1:]
    returns = returns[:, ((~np.isnan(returns)).mean(axis=0) > 0.95) & (np.nanstd(returns, axis=0) > 0.005)][:, :1200]
    expected = hrp_weights(sample_covariance(returns).matrix, distance=distance)
    assert np.abs(hrp_large_weights(returns, distance=distance) - expected).sum() < 1e-9


def test_noise_without_structure_needs_more_directions():
    """The hard case, with half as many directions as days: close, and exact once all directions are there."""
    returns = np.random.default_rng(0).normal(size=(200, 500))
    expected = hrp_weights(sample_covariance(returns).matrix)
    half, whole = (hrp_large_weights(returns, directions=directions) for directions in (100, 200))
    assert np.abs(half - expected).sum() < 0.2
    assert_allclose(whole, expected, rtol=1e-9)
