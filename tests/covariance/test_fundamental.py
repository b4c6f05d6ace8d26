import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.exposures import STYLES, StyleWindows
from quantray.covariance.factor import fundamental_factors, fundamental_model, risk_tree
from quantray.covariance.fundamental import FundamentalSettings, extend_history, factor_history
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.features.returns import simple_returns

NAN = np.nan
SHORT = StyleWindows(beta=40, momentum=40, momentum_skip=5, volatility=20, size=40, liquidity=20, reversal=5)
QUICK = FundamentalSettings(windows=SHORT)


@pytest.fixture(scope="module")
def made():
    return simulate_market(150, 420, seed=2, n_sectors=5)


@pytest.fixture(scope="module")
def prices(made):
    return made.panel.field("close"), made.panel.field("volume")


@pytest.fixture(scope="module")
def history(made, prices):
    return factor_history(*prices, sectors=made.truth.sectors, settings=QUICK)


def test_exposures_are_neutral_for_the_market(history):
    known = ~np.isnan(history.caps)
    styles = history.exposures[known][:, -len(STYLES) :]
    assert np.abs(styles).max() < 8
    assert (history.exposures[:, 0] == 1).all()
    assert_allclose(history.exposures[:, 1:6].sum(axis=1), 1)


def test_factor_returns_equal_a_constrained_regression(made, prices):
    """The last day once more by stacking the constraint on the regression with a huge weight."""
    close, volume = prices
    complete = ~np.isnan(close[-120:]).any(axis=0)
    close, volume, sectors = close[-120:, complete], volume[-120:, complete], made.truth.sectors[complete]
    history = factor_history(close, volume, sectors=sectors, settings=QUICK)
    before = factor_history(close[:-1], volume[:-1], sectors=sectors, settings=QUICK)
    returns = close[-1] / close[-2] - 1
    share = np.zeros(before.exposures.shape[1])
    share[1:6] = before.caps @ before.exposures[:, 1:6] / before.caps.sum()
    root = before.caps**0.25
    stacked = np.vstack([before.exposures * root[:, None], 1e5 * root.max() * share])
    expected = np.linalg.lstsq(stacked, np.append(returns * root, 0.0))[0]
    assert_allclose(history.factor_returns[-1], expected, atol=1e-8)
    assert_allclose(history.specific_returns[-1], returns - before.exposures @ expected, atol=1e-7)
    assert share @ history.factor_returns[-1] == pytest.approx(0, abs=1e-12)


def test_recovers_the_true_factors():
    made = simulate_market(600, 320, seed=3, n_sectors=4, n_styles=0, listing_share=0, delisting_share=0)
    history = factor_history(
        made.panel.field("close"), made.panel.field("volume"), sectors=made.truth.sectors, settings=QUICK
    )
    true = made.truth.factor_returns[-len(history.factor_returns) :]
    market, sectors = true[:, 0], true[:, 1:5]
    assert np.corrcoef(history.factor_returns[:, 0], market + sectors.mean(axis=1))[0, 1] > 0.97
    relative = sectors - sectors.mean(axis=1, keepdims=True)
    for k in range(4):
        assert np.corrcoef(history.factor_returns[:, 1 + k], relative[:, k])[0, 1] > 0.85
    model = fundamental_model(history, replace(QUICK, volatility_regime=False))
    assert np.corrcoef(model.loadings[:, 1 + 4], made.truth.loadings[:, 0])[0, 1] > 0.5
    own = np.sqrt(made.truth.specific_variance)
    assert np.corrcoef(np.sqrt(model.specific_variance), own)[0, 1] > 0.9


@pytest.mark.slow
def test_risk_forecasts_are_unbiased_on_average():
    """Standardised next-day returns of sector portfolios have deviation one when risk is constant."""
    made = simulate_market(200, 700, seed=5, n_sectors=5, tail_degrees=30.0, listing_share=0, delisting_share=0)
    close, volume, sectors = made.panel.field("close"), made.panel.field("volume"), made.truth.sectors
    returns = simple_returns(close)
    scores = []
    for t in range(200, 695, 30):
        model = fundamental_factors(close[t - 199 : t + 1], volume[t - 199 : t + 1], sectors=sectors, settings=QUICK)
        for name in np.unique(sectors):
            weights = (sectors == name) / (sectors == name).sum() - 1 / 200
            scores.append(returns[t + 1 : t + 6] @ weights / np.sqrt(model.variance(weights)))
    assert 0.85 < np.std(np.concatenate(scores)) < 1.15


@pytest.mark.parametrize("row", [200, 333])
def test_no_look_ahead(made, prices, row):
    close, volume = prices
    sectors = made.truth.sectors
    whole = factor_history(close, volume, sectors=sectors, settings=QUICK)
    cut = factor_history(close[: row + 1], volume[: row + 1], sectors=sectors, settings=QUICK)
    behind = len(close) - (row + 1)
    assert_allclose(cut.factor_returns, whole.factor_returns[:-behind], rtol=1e-12, atol=1e-15)
    assert_allclose(cut.specific_returns, whole.specific_returns[:-behind], rtol=1e-12, atol=1e-15)
    changed = close.copy()
    changed[row + 1 :] *= 3
    again = factor_history(changed[: row + 1], volume[: row + 1], sectors=sectors, settings=QUICK)
    np.testing.assert_array_equal(again.exposures, cut.exposures)


@pytest.mark.parametrize("given_caps", [False, True])
def test_appending_days_equals_starting_over(made, prices, given_caps):
    close, volume = prices
    caps = np.random.default_rng(0).lognormal(20, 1, close.shape[1]) if given_caps else None
    options = {"sectors": made.truth.sectors, "caps": caps, "settings": QUICK}
    old = factor_history(close[:-3], volume[:-3], **options)
    moved = extend_history(old, close, volume, days=3, **options)
    fresh = factor_history(close, volume, **options)
    count = len(old.factor_returns)
    assert_allclose(moved.factor_returns, fresh.factor_returns[-count:], rtol=1e-6, atol=1e-12)
    assert_allclose(moved.specific_returns, fresh.specific_returns[-count:], rtol=1e-6, atol=1e-12)
    assert_allclose(moved.exposures, fresh.exposures, rtol=1e-6, atol=1e-9)


def test_other_factors_cannot_be_appended(prices, history):
    with pytest.raises(InputError, match="other assets or factors than the history; build the history again"):
        extend_history(history, *prices, settings=QUICK)


def test_permuting_assets_permutes_the_model(made, prices):
    close, volume = prices
    order = np.random.default_rng(0).permutation(close.shape[1])
    model = fundamental_factors(close, volume, sectors=made.truth.sectors, settings=QUICK)
    permuted = fundamental_factors(close[:, order], volume[:, order], sectors=made.truth.sectors[order], settings=QUICK)
    assert_allclose(permuted.dense(), model.dense()[np.ix_(order, order)], rtol=1e-6, atol=1e-12)


def test_units_of_prices_and_volume_do_not_matter(made, prices):
    close, volume = prices
    model = fundamental_factors(close, volume, sectors=made.truth.sectors, settings=QUICK)
    cents = fundamental_factors(100 * close, volume, sectors=made.truth.sectors, settings=QUICK)
    assert_allclose(cents.dense(), model.dense(), rtol=1e-6, atol=1e-12)


def test_tree_of_a_fundamental_model(made, prices):
    model = fundamental_factors(*prices, sectors=made.truth.sectors, settings=QUICK)
    weights = np.full(model.n_assets, 1 / model.n_assets)
    tree = risk_tree(model, weights)
    assert tree.groups == ("market", "sector", "style")
    assert tree.group_variance.sum() + tree.specific_variance == pytest.approx(weights @ model.dense() @ weights)
    assert tree.group_variance[0] > 0.8 * tree.variance


def test_factor_portfolios_have_unit_exposure_and_earn_the_factor_returns(made, prices):
    close, volume = prices
    options = {"sectors": made.truth.sectors, "settings": QUICK}
    before, after = factor_history(close[:-1], volume[:-1], **options), factor_history(close, volume, **options)
    exposure = before.portfolios @ before.exposures
    styles = slice(-len(STYLES), None)
    assert_allclose(exposure[styles], np.eye(len(exposure))[styles], atol=1e-9)
    returns = close[-1] / close[-2] - 1
    held = np.abs(before.portfolios).sum(axis=0) > 0
    if not np.isnan(returns[held]).any():
        assert_allclose(before.portfolios[:, held] @ returns[held], after.factor_returns[-1], atol=1e-4)


@pytest.mark.parametrize(
    ("sectors", "note"),
    [
        (None, "no sectors were given: market and styles only"),
        ([None] * 80 + ["A"] * 70, r"53% of the sectors are missing \(limit 50%\): market and styles only"),
        (["A"] * 100 + ["B"] * 47 + ["C"] * 3, "sectors with under 5 assets count as unlabelled: C"),
        (["A"] * 100 + [""] * 50, "50 assets without a sector form a group of their own"),
    ],
    ids=["none", "most", "small", "some"],
)
def test_what_is_decided_about_sectors_is_said(prices, sectors, note):
    model = fundamental_factors(*prices, sectors=sectors, settings=QUICK)
    assert any(re.fullmatch(note, said) for said in model.notes)
    assert "capitalisation is stood in for by the geometric mean of money traded over 40 days" in model.notes
    if "market and styles only" in note:
        assert model.factor_names.tolist() == ["market", *(f"style: {s}" for s in STYLES)]


def test_short_histories_get_the_average(prices):
    close, volume = prices[0].copy(), prices[1]
    listed = np.flatnonzero(~np.isnan(close[-60:]).any(axis=0))[0]
    close[:-4, listed] = NAN
    model = fundamental_factors(close, volume, settings=QUICK)
    assert (model.loadings[listed, 1:] == 0).sum() >= 3
    assert model.loadings[listed, 0] == 1
    assert model.specific_variance[listed] > 0
    assert any("lack history for some style" in note for note in model.notes)


def test_assets_without_any_price_have_the_markets_risk(prices):
    close, volume = prices[0].copy(), prices[1]
    close[:, 0] = NAN
    model = fundamental_factors(close, volume, settings=QUICK)
    assert_allclose(model.loadings[0], [1, *[0] * len(STYLES)])
    assert model.specific_variance[0] > 0


@settings(max_examples=8, deadline=None)
@given(kind=st.sampled_from(["flat", "identical", "gaps", "no volume"]), seed=st.integers(0, 50))
def test_degenerate_markets(kind, seed):
    generator = np.random.default_rng(seed)
    close = 20 * np.exp(np.cumsum(generator.normal(0, 0.01, (160, 40)), axis=0))
    volume = generator.lognormal(12, 0.5, (160, 40))
    if kind == "flat":
        close[:, :5] = 20.0
    elif kind == "identical":
        close[:, 1:20], volume[:, 1:20] = close[:, :1], volume[:, :1]
    elif kind == "gaps":
        close[generator.random(close.shape) < 0.1] = NAN
    else:
        volume[generator.random(volume.shape) < 0.2] = 0.0
    model = fundamental_factors(close, volume, settings=QUICK)
    assert np.isfinite(model.dense()).all()
    assert (model.specific_variance >= 0).all()


def test_too_little_data(prices):
    close, volume = prices
    with pytest.raises(DataError, match="no 14 assets have known styles on any two days in a row up to the last"):
        fundamental_factors(close[:15], volume[:15], settings=QUICK)
    with pytest.raises(DataError, match="no 14 assets have known styles"):
        fundamental_factors(close[:, :10], volume[:, :10], settings=QUICK)
    with pytest.raises(DataError, match=r"only \d+ days could be explained; give \d+ more rows at least"):
        fundamental_factors(close[:50], volume[:50], settings=QUICK)


def test_shapes_that_disagree(prices):
    close, volume = prices
    with pytest.raises(InputError, match=r"close \(420, 150\) and volume \(420, 9\) must be \(T, N\)"):
        fundamental_factors(close, volume[:, :9])
    with pytest.raises(InputError, match="2 sectors for 150 assets; give one label each"):
        fundamental_factors(close, volume, sectors=["A", "B"])
    with pytest.raises(InputError, match=r"caps are \(3,\); they must be \(420, 150\) or \(150,\)"):
        fundamental_factors(close, volume, caps=np.ones(3))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"volatility_half_life": 0.0}, "volatility_half_life 0.0 must be a positive number of days"),
        ({"newey_west_lags": -1}, "newey_west_lags -1 must be 0 or more"),
        ({"score_limit": 0.0}, "score_limit and return_limit must be positive"),
        ({"specific_shrinkage": -1.0}, "specific_shrinkage -1.0 must not be negative"),
    ],
)
def test_settings_that_cannot_be(change, text):
    with pytest.raises(InputError, match=text):
        FundamentalSettings(**change)


def test_sectors_that_are_all_too_small_are_given_up():
    market = simulate_market(30, 500, seed=2)
    close, volume = market.panel.field("close"), market.panel.field("volume")
    alive = ~np.isnan(close[-1])
    model = fundamental_factors(close[:, alive], volume[:, alive], sectors=market.truth.sectors[alive].tolist())
    assert any("fewer than two sectors are large enough" in note for note in model.notes)
    assert not any(name.startswith("sector") for name in model.factor_names.tolist())
    assert len(model.factor_names) == model.n_factors
