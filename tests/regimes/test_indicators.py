import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.data.universe import Everything, read_sectors
from quantray.errors import DataError, InputError
from quantray.regimes.indicators import (
    LensSettings,
    banded,
    correlation_lens,
    five_lenses,
    liquidity_lens,
    market_lens,
    sector_lens,
    volatility_lens,
)

NAN = np.nan
QUICK = LensSettings(
    trend_days=60, volatility_days=10, correlation_days=21, sector_days=42, memory=300, liquidity_memory=300, warmup=60
)


@pytest.fixture(scope="module")
def simulated():
    market = simulate_market(40, 700, seed=6)
    return market.panel, dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))


def panel_of(returns, volume=1e6, spread=5.0):
    """Assets that all earn the same (T,) returns, or (T, N) ones, after a first day."""
    returns = np.asarray(returns)
    returns = np.tile(returns[:, None], (1, 4)) if returns.ndim == 1 else returns
    close = 100 * np.vstack([np.ones(returns.shape[1]), np.cumprod(1 + returns, axis=0)])
    dates = np.arange("2010-01-01", "2030-01-01", dtype="datetime64[D]")[: len(close)]
    wide = np.broadcast_to(np.asarray(volume, dtype=float).reshape(-1, 1), close.shape)
    half = np.broadcast_to(np.asarray(spread, dtype=float).reshape(-1, 1), close.shape)
    fields = {"close": close, "volume": wide / close, "half_spread_bps": half}
    return Panel(dates, np.array([f"A{i}" for i in range(close.shape[1])]), fields, np.ones(close.shape, dtype=bool))


def test_hysteresis_passes_a_cut_by_the_margin_both_ways():
    values = np.array([NAN, 0.52, 0.45, 0.56, NAN, 0.48, 0.44, 0.95, 0.1])
    assert_array_equal(banded(values, (0.5, 0.8), 0.05), [-1, 1, 1, 1, 1, 1, 0, 2, 0])


def test_a_rise_a_crash_and_a_recovery_are_bull_bear_and_bull():
    returns = np.concatenate([np.full(150, 0.001), np.full(40, -0.01), np.full(150, 0.004)])
    named = market_lens(panel_of(returns), settings=QUICK).path.named
    assert named[150] == "bull"
    assert named[190] == "bear"
    assert named[-1] == "bull"
    assert (named[:59] == "unknown").all()
    assert "neutral" in named[151:190], "a bull market ends before a bear market begins"
    shallow = np.concatenate([np.full(150, 0.001), np.full(6, -0.01)])
    assert market_lens(panel_of(shallow), settings=QUICK).path.named[-1] == "neutral"


def test_a_market_without_members_is_unknown_rather_than_neutral():
    panel = panel_of(np.full(300, 0.001))
    member = np.array(panel.member)
    member[:100] = False
    lens = market_lens(panel.with_member(member), settings=QUICK)
    assert not lens.path.known[:159].any()
    assert lens.path.named[159] == "neutral", "the average has not risen for a month yet"
    assert lens.path.named[-1] == "bull"
    assert np.isnan(lens.indicators["index"][:100]).all()
    assert lens.indicators["index"][100] == 1


def test_volatility_bands_follow_the_width_of_returns():
    generator = np.random.default_rng(0)
    width = np.concatenate([np.full(200, 0.01), np.full(60, 0.04), np.full(100, 0.005)])
    lens = volatility_lens(panel_of(generator.normal(0, width)), settings=QUICK)
    assert (lens.path.named[215:230] == "extreme").all()
    assert (lens.path.named[-80:] == "low").all()
    assert lens.indicators["volatility"].shape == lens.path.labels.shape


def test_liquidity_is_stressed_by_spreads_or_by_a_lack_of_trading():
    generator = np.random.default_rng(0)
    returns = generator.normal(0, 0.01, (399, 40))
    usual = generator.lognormal(0, 0.05, 400)
    calm = liquidity_lens(panel_of(returns, 1e6 * usual, 5 * usual), settings=QUICK).path
    assert calm.shares[1] < 0.1
    wide = np.where(np.arange(400) >= 380, 5.0, 1.0)
    assert liquidity_lens(panel_of(returns, 1e6 * usual, 5 * usual * wide), settings=QUICK).path.named[-1] == "stressed"
    dry = np.where(np.arange(400) >= 350, 0.3, 1.0)
    assert liquidity_lens(panel_of(returns, 1e6 * usual * dry, 5 * usual), settings=QUICK).path.named[-1] == "stressed"


def test_correlation_is_in_crisis_when_all_move_together():
    generator = np.random.default_rng(0)
    own, common = generator.normal(0, 0.01, (400, 12)), generator.normal(0, 0.01, (400, 1))
    together = (np.arange(400) >= 330)[:, None]
    returns = np.where(together, 0.2 * own + common, own + 0.4 * common)
    lens = correlation_lens(panel_of(returns), settings=QUICK)
    assert lens.path.named[-1] == "crisis"
    assert lens.path.named[300] == "normal"
    assert lens.indicators["correlation"][-1] > 0.8


def test_sectors_far_apart_are_concentrated_and_leaders_have_names():
    generator = np.random.default_rng(0)
    drift = np.where(np.arange(400) >= 340, 0.01, 0.0)[:, None] * np.array([1, 1, 0, 0, -1, -1])
    panel = panel_of(generator.normal(0, 0.005, (400, 6)) + drift)
    sectors = {f"A{i}": "xyz"[i // 2] for i in range(6)}
    lens, leaders = sector_lens(panel, sectors, settings=dataclasses.replace(QUICK, leaders=2))
    assert lens.path.named[-1] == "concentrated"
    assert lens.path.named[330] == "broad"
    assert leaders[-1].tolist() == ["x", "y"]
    assert leaders[0].tolist() == ["", ""]
    assert lens.indicators["persistence"].shape == (401,)


def test_a_fingerprint_names_all_five(simulated):
    panel, sectors = simulated
    lenses = five_lenses(panel, sectors, settings=QUICK)
    row = lenses.fingerprint(panel.dates[600])
    assert row == tuple(str(lenses.labels[name][600]) for name in lenses.labels)
    assert list(lenses.labels) == ["market", "volatility", "liquidity", "correlation", "sector"]
    assert "unknown" not in row
    assert five_lenses(panel, settings=QUICK).fingerprint(panel.dates[600]) == (*row[:4], "unknown")
    with pytest.raises(DataError, match="nothing is known"):
        lenses.fingerprint("1990-01-01")


@pytest.mark.parametrize("row", [150, 400, 611])
def test_no_lens_looks_ahead(simulated, row):
    panel, sectors = simulated
    whole = five_lenses(panel, sectors, settings=QUICK)
    early = five_lenses(panel.until(row), sectors, settings=QUICK)
    for name in whole.labels:
        assert_array_equal(early.labels[name], whole.labels[name][: row + 1], err_msg=name)
        for key, values in getattr(whole, name).indicators.items():
            assert_array_equal(getattr(early, name).indicators[key], values[: row + 1], err_msg=key)
    assert_array_equal(early.leaders, whole.leaders[: row + 1])


def test_the_order_of_assets_does_not_matter(simulated):
    panel, sectors = simulated
    mixed = panel.select(panel.assets[::-1])
    one, other = five_lenses(panel, sectors, settings=QUICK), five_lenses(mixed, sectors, settings=QUICK)
    for name in one.labels:
        assert (one.labels[name] == other.labels[name]).mean() > 0.995


def test_lenses_see_the_regimes_that_made_the_market():
    """Volatility rises from calm and bull to bear and volatile; correlation with it."""
    market = simulate_market(60, 1800, seed=2)
    wild = np.isin(market.truth.regimes, [1, 3])
    volatility = volatility_lens(market.panel).path
    seen = volatility.known
    assert (wild[seen] == (volatility.labels[seen] >= 2)).mean() > 0.8


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"volatility_cuts": (0.5, 0.4, 0.9)}, "must increase strictly"),
        ({"margin": 0.1}, "no day would ever pass"),
        ({"volatility_cuts": (0.02, 0.5, 0.9)}, "no day would ever fall below"),
        ({"margin": np.nan}, "margin nan"),
        ({"trend_band": -0.01}, "trend_band -0.01"),
        ({"bear_drawdown": 1.0}, "bear_drawdown 1.0"),
        ({"relief": 3}, "relief 3"),
        ({"stress": np.inf}, "both be finite"),
        ({"warmup": 2000}, "warmup 2000"),
        ({"trend_days": 0}, "trend_days 0"),
        ({"correlation_days": 2}, "correlation_days 2"),
        ({"sector_cut": 1.0}, "sector_cut 1"),
    ],
)
def test_settings_are_checked(changes, text):
    with pytest.raises(InputError, match=text):
        LensSettings(**changes)


@pytest.mark.real
@pytest.mark.slow
def test_2008_and_march_2020_are_what_they_were(real_data, tmp_path):
    bars = pd.read_parquet(real_data / "sp500_1999_2021.parquet")
    # Every third name: that many say of the market what all do.
    some = bars[bars["symbol"].isin(sorted(bars["symbol"].unique())[::3])]
    some.to_parquet(tmp_path / "bars.parquet", index=False)
    store = MarketStore(tmp_path / "market")
    store.import_bars(tmp_path / "bars.parquet")
    panel = store.load(Everything(), "2000-01-01", "2021-12-31")
    lenses = five_lenses(panel, read_sectors(real_data / "sp500_sectors.csv"))

    def shares(lens, name, start, end):
        within = (panel.dates >= np.datetime64(start)) & (panel.dates <= np.datetime64(end))
        return (lenses.labels[lens][within] == name).mean()

    for start, end in (("2008-09-22", "2009-03-31"), ("2020-03-06", "2020-04-15")):
        assert shares("volatility", "extreme", start, end) > 0.95
        assert shares("market", "bear", start, end) > 0.9
        assert shares("correlation", "crisis", start, end) > 0.95
        assert shares("liquidity", "stressed", start, end) > 0.85
    for lens, name in (("volatility", "low"), ("market", "bull"), ("liquidity", "normal"), ("correlation", "normal")):
        assert shares(lens, name, "2017-01-01", "2017-12-31") > 0.95
    assert lenses.fingerprint("2020-03-20") == ("bear", "extreme", "stressed", "crisis", "concentrated")
