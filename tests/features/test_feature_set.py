import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.panel import Panel
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.features.catalogue import FEATURES
from quantray.features.cross_section import ranks, robust_zscores
from quantray.features.feature_set import feature_set
from quantray.features.technical import recent_close


@pytest.fixture(scope="module")
def bars():
    """A market with halts, and a universe that leaves some of its traded assets out."""
    market = simulate_market(50, 420, seed=7)
    panel = market.panel
    generator = np.random.default_rng(1)
    halted = generator.random(panel.shape) < 0.01
    halted[350:356, 3] = True
    fields = {name: np.where(halted, np.nan, values) for name, values in panel.fields.items()}
    chosen = np.arange(50) % 5 != 2
    return replace(panel, fields=fields, member=panel.member & chosen & ~halted)


@pytest.fixture(scope="module")
def sectors(bars):
    return {asset: f"sector {place % 4}" for place, asset in enumerate(bars.assets.tolist()) if place != 6}


@pytest.fixture(scope="module")
def everything(bars, sectors):
    return feature_set(bars, sectors=sectors)


def test_shapes_and_names(bars, everything):
    assert everything.names == tuple(FEATURES)
    assert everything.values.shape == (420, 50, len(FEATURES))
    assert everything.values.dtype == np.float32
    assert not everything.values.flags.writeable
    assert_array_equal(everything.present, ~np.isnan(bars.field("close")))
    assert np.isnan(everything.values[~everything.present]).all()
    assert everything.lookback == max(feature.lookback for feature in FEATURES.values()) == 257


def test_most_values_are_known_after_the_lookback(bars, everything):
    known = ~np.isnan(everything.values[300:][bars.member[300:]])
    assert known.mean() > 0.9
    assert (known.mean(axis=0) > 0.8).sum() >= len(FEATURES) - 2


def test_scores_are_on_the_members_scale(bars, everything):
    scores = np.where(bars.member[..., None], everything.values, np.nan)[300:]
    assert_allclose(np.nanmedian(scores, axis=1), 0, atol=1e-6)
    assert np.nanmax(np.abs(scores)) <= 4


@pytest.mark.parametrize(("scaling", "scale"), [("rank", ranks), ("zscore", robust_zscores)])
def test_values_are_scaled_features(bars, scaling, scale):
    ours = feature_set(bars, names=["return_21"], scaling=scaling)
    close = recent_close(bars.field("close"))
    raw = np.full(bars.shape, np.nan)
    raw[21:] = close[21:] / close[:-21] - 1
    raw[~ours.present] = np.nan
    assert_allclose(ours.values[:, :, 0], scale(raw, bars.member), rtol=1e-6)


def test_outsiders_get_values_and_move_nobody(bars, sectors, everything):
    outside = ~bars.member & everything.present
    assert (~np.isnan(everything.values[300:][outside[300:]])).mean() > 0.8
    distorted = np.where(np.arange(50) % 5 == 2, 3.0, 1.0)
    prices = {name: bars.field(name) * distorted ** np.arange(420)[:, None] ** 0.2 for name in ("close", "high", "low")}
    moved = feature_set(bars.with_fields(**prices), sectors=sectors)
    assert_array_equal(moved.values[bars.member], everything.values[bars.member])


@pytest.mark.parametrize("scaling", ["rank", "zscore"])
def test_no_look_ahead(bars, sectors, scaling):
    full = feature_set(bars, sectors=sectors, scaling=scaling)
    for row in (5, 120, 300):
        cut = feature_set(bars.until(row), sectors=sectors, scaling=scaling)
        assert_array_equal(cut.values, full.until(row).values)
        assert cut.schema == full.schema


@pytest.mark.parametrize("name", list(FEATURES))
def test_a_value_needs_its_lookback_and_no_more(bars, sectors, name):
    full = feature_set(bars, sectors=sectors, names=[name])
    for row in (300, 353, 360, 419):
        recent = bars.between(bars.dates[row - full.lookback], bars.dates[row])
        assert_array_equal(feature_set(recent, sectors=sectors, names=[name]).values[-1], full.values[row])


@pytest.mark.parametrize("scaling", ["rank", "zscore"])
@pytest.mark.parametrize("last", [1, 2, 90, 420])
def test_the_last_rows_alone_are_the_same(bars, sectors, scaling, last):
    full = feature_set(bars, sectors=sectors, scaling=scaling)
    part = feature_set(bars, sectors=sectors, scaling=scaling, last=last)
    assert_array_equal(part.values, full.values[-last:])
    assert_array_equal(part.present, full.present[-last:])
    assert_array_equal(part.dates, full.dates[-last:])
    assert (part.schema, part.lookback) == (full.schema, full.lookback)


def test_a_panel_without_dates_has_no_features(bars):
    nothing = bars.between("1990-01-01", "1990-12-31")
    assert feature_set(nothing, names=["return_1"]).values.shape == (0, 50, 1)


def test_permuting_assets_permutes(bars, sectors, everything):
    order = np.random.default_rng(0).permutation(50)
    permuted = feature_set(bars.select(bars.assets[order]), sectors=sectors)
    assert_allclose(permuted.values, everything.values[:, order], rtol=1e-4, atol=1e-5)


def test_units_of_prices_do_not_matter(bars, sectors, everything):
    """Each asset may be quoted in its own unit, as long as the money traded stays the same."""
    unit = 2.0 ** np.random.default_rng(0).integers(-4, 5, 50)
    prices = {name: bars.field(name) * unit for name in ("open", "high", "low", "close")}
    scaled = feature_set(bars.with_fields(**prices, volume=bars.field("volume") / unit), sectors=sectors)
    assert_array_equal(scaled.values, everything.values)


def test_one_currency_for_all_does_not_matter(bars, sectors, everything):
    prices = {name: bars.field(name) * 1.37 for name in ("open", "high", "low", "close")}
    scaled = feature_set(bars.with_fields(**prices), sectors=sectors)
    assert_allclose(scaled.values, everything.values, rtol=1e-3, atol=1e-4)


def test_halts_of_up_to_five_days_are_bridged(bars):
    """Asset 3 is halted on rows 350 to 355; one row more and its last close is too old to start a return from."""
    ours = feature_set(bars, names=["return_5"]).values[:, 3, 0]
    assert np.isnan(ours[350:356]).all()
    assert not np.isnan(ours[356:360]).any()
    assert np.isnan(ours[360])
    assert not np.isnan(ours[361])


def test_fields_and_sectors_decide_the_default(bars):
    closes = replace(bars, fields={"close": bars.field("close")})
    ours = feature_set(closes)
    assert all(FEATURES[name].fields == ("close",) and not FEATURES[name].needs_sectors for name in ours.names)
    assert len(ours.names) == 20
    assert len(feature_set(bars).names) == 25
    with pytest.raises(DataError, match="feature 'volume_surprise_21' needs volume; the panel has close"):
        feature_set(closes, names=["return_1", "volume_surprise_21"])
    with pytest.raises(InputError, match="feature 'sector_relative_5' compares an asset with its sector"):
        feature_set(bars, names=["sector_relative_5"])


def test_schema_tells_what_a_model_may_read(bars):
    one = feature_set(bars, names=["return_1", "return_5"])
    assert one.schema == feature_set(bars.until(100), names=["return_1", "return_5"]).schema
    others = [
        feature_set(bars, names=["return_5", "return_1"]),
        feature_set(bars, names=["return_1"]),
        feature_set(bars, names=["return_1", "return_5"], scaling="rank"),
    ]
    assert len({one.schema, *(other.schema for other in others)}) == 4


def test_slices_and_pickles(everything):
    part = everything.between(10, 19)
    assert_array_equal(part.values, everything.values[10:20])
    assert_array_equal(part.dates, everything.dates[10:20])
    assert np.shares_memory(part.values, everything.values)
    assert_array_equal(everything.until(4).values, everything.values[:5])
    again = pickle.loads(pickle.dumps(part))
    assert (again.names, again.schema, again.lookback) == (part.names, part.schema, part.lookback)
    with pytest.raises(InputError, match="rows 5 to 4 are no range"):
        everything.between(5, 4)
    with pytest.raises(InputError, match="rows 0 to -1 are no range"):
        everything.until(-1)


def test_broken_features_are_refused(everything):
    with pytest.raises(InputError, match="features are .* for 419 dates"):
        replace(everything, dates=everything.dates[1:])


def test_bad_requests_are_refused(bars):
    with pytest.raises(InputError, match="no feature 'alpha'; the catalogue has return_1"):
        feature_set(bars, names=["alpha"])
    with pytest.raises(InputError, match="none or repeat"):
        feature_set(bars, names=["return_1", "return_1"])
    with pytest.raises(InputError, match="none or repeat"):
        feature_set(bars, names=[])
    with pytest.raises(InputError, match="scaling 'log' is not one of"):
        feature_set(bars, scaling="log")
    for last in (0, 421):
        with pytest.raises(InputError, match=f"the last {last} rows of a panel of 420"):
            feature_set(bars, last=last)
    close = bars.field("close").copy()
    close[400, 4] = -1.0
    with pytest.raises(DataError, match=rf"{bars.assets[4]} has a close of -1\.0 on {bars.dates[400]}"):
        feature_set(bars.with_fields(close=close))
    volume = np.where(np.arange(50) == 8, np.inf, bars.field("volume"))
    with pytest.raises(DataError, match=f"{bars.assets[8]} has a volume of inf"):
        feature_set(bars.with_fields(volume=volume))


def test_a_panel_without_a_close_is_refused(bars):
    with pytest.raises(DataError, match="no field 'close'"):
        feature_set(Panel(bars.dates, bars.assets, {"volume": bars.field("volume")}, bars.member))


def test_no_feature_reads_a_delisting_return(bars, sectors, everything):
    """It stands on the day of the last close, when nobody knew it."""
    told = feature_set(bars.with_fields(delist_return=np.full(bars.shape, -0.9)), sectors=sectors)
    assert_array_equal(told.values, everything.values)


def test_annual_features_follow_the_calendar_and_their_ranks_do_not(bars, sectors, everything):
    """All features are on the scale of the day's members, so the length of a year cancels."""
    other = feature_set(replace(bars, periods_per_year=365), sectors=sectors)
    assert_allclose(other.values, everything.values, atol=2e-5)
