import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.data.universe import Everything, read_sectors
from quantray.errors import DataError
from quantray.regimes.indicators import (
    correlation_lens,
    five_lenses,
    liquidity_lens,
    market_lens,
    sector_lens,
    volatility_lens,
)
from quantray.regimes.lens_settings import LensSettings

NAN = np.nan
QUICK = LensSettings(trend_days=60, warmup=60, every=150)


@pytest.fixture(scope="module")
def simulated():
    market = simulate_market(24, 420, seed=6)
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


def changing(*parts, seed=0, n=40):
    """Returns (T, N) of a common factor and own parts, in stretches of (days, common, own) deviations."""
    generator = np.random.default_rng(seed)
    common = np.concatenate([np.full(days, width) for days, width, _ in parts])[:, None]
    own = np.concatenate([np.full(days, width) for days, _, width in parts])[:, None]
    return common * generator.normal(size=(len(own), 1)) + own * generator.normal(size=(len(own), n))


def test_a_crash_ends_a_bull_market():
    lens = market_lens(panel_of(0.0006 + changing((400, 0.008, 0.01), (40, 0.025, 0.02))), settings=QUICK)
    assert lens.path.named[390] == "bull"
    assert lens.path.named[-1] in ("bear", "neutral")
    assert not lens.path.known[:60].any()
    assert lens.path.known[60:].all()
    assert lens.path.probabilities[-1, 2] < 0.2


def test_by_trend_the_market_lens_is_a_rule():
    returns = np.concatenate([np.full(150, 0.001), np.full(40, -0.01), np.full(150, 0.004)])
    path = market_lens(panel_of(returns), settings=dataclasses.replace(QUICK, market_by="trend")).path
    assert path.named[[150, 190, -1]].tolist() == ["bull", "bear", "bull"]
    assert set(np.unique(path.probabilities[path.known])) == {0.0, 1.0}


def test_a_market_without_members_is_unknown():
    panel = panel_of(changing((300, 0.01, 0.01)))
    member = np.array(panel.member)
    member[:100] = False
    lens = market_lens(panel.with_member(member), settings=QUICK)
    assert not lens.path.known[:160].any()
    assert lens.path.known[160:].all()
    assert np.isnan(lens.indicators["index"][:100]).all()
    assert lens.indicators["index"][100] == 1


def test_volatility_follows_the_width_of_returns():
    lens = volatility_lens(panel_of(changing((300, 0, 0.01), (60, 0, 0.03), (100, 0, 0.007))), settings=QUICK)
    assert (lens.path.labels[305:360] > lens.path.labels[290]).all()
    assert (lens.path.labels[370:] < lens.path.labels[290]).all()
    assert lens.indicators["volatility"].shape == lens.path.labels.shape


def test_liquidity_is_stressed_by_spreads_or_by_a_lack_of_trading():
    generator = np.random.default_rng(0)
    returns = generator.normal(0, 0.01, (399, 40))
    usual = generator.lognormal(0, 0.05, 400)
    calm = liquidity_lens(panel_of(returns, 1e6 * usual, 5 * usual), settings=QUICK).path
    assert calm.shares[1] < 0.1
    wide = np.where(np.arange(400) >= 380, 2.0, 1.0)
    assert liquidity_lens(panel_of(returns, 1e6 * usual, 5 * usual * wide), settings=QUICK).path.named[-1] == "stressed"
    dry = panel_of(returns, 1e6 * usual * wide**-3)
    fields = {name: dry.field(name) for name in ("close", "volume")}
    unquoted = Panel(dry.dates, dry.assets, fields, dry.member)
    assert liquidity_lens(unquoted, settings=QUICK).path.named[-1] == "stressed"


def test_correlation_is_in_crisis_when_all_move_together_and_not_when_all_are_wild():
    together = changing((330, 0.005, 0.01), (60, 0.014, 0.015))
    apart = changing((330, 0.005, 0.01), (60, 0.0075, 0.015))
    lens = correlation_lens(panel_of(together), settings=QUICK)
    assert lens.path.named[320] == "normal"
    assert lens.path.named[-1] == "crisis"
    assert lens.path.probabilities[-1, 1] > correlation_lens(panel_of(apart), settings=QUICK).path.probabilities[-1, 1]
    assert list(lens.indicators) == ["dispersion", "pull"]


def test_sectors_far_apart_are_concentrated_and_leaders_have_names():
    generator = np.random.default_rng(0)
    width = np.where(np.arange(400) >= 340, 0.02, 0.008)[:, None]
    tilt = np.where(np.arange(400) >= 340, 0.03, 0.0)[:, None] * np.repeat([1, 1, 0, 0, -1, -1, 0, 0], 2)
    panel = panel_of(np.repeat(width * generator.normal(size=(400, 8)), 2, axis=1) + tilt)
    sectors = {f"A{i}": "uvwxyzab"[i // 2] for i in range(16)}
    lens, leaders = sector_lens(panel, sectors, settings=dataclasses.replace(QUICK, leaders=2))
    assert lens.path.named[-1] == "concentrated"
    assert lens.path.named[330] == "broad"
    assert sorted(leaders[-1].tolist()) == ["u", "v"]
    assert leaders[0].tolist() == ["", ""]
    assert lens.indicators["persistence"].shape == (401,)


def test_a_cost_makes_a_lens_call_sooner():
    panel = panel_of(changing((300, 0.008, 0.01), (40, 0.014, 0.0175), (60, 0.008, 0.01)))
    even = liquidity_lens(panel, settings=QUICK).path
    wary = liquidity_lens(panel, settings=dataclasses.replace(QUICK, liquidity_costs=(1.0, 10.0))).path
    assert_array_equal(even.probabilities, wary.probabilities)
    assert wary.shares[1] >= even.shares[1]


def test_a_fingerprint_names_all_five(simulated):
    panel, sectors = simulated
    lenses = five_lenses(panel, sectors, settings=QUICK)
    row = lenses.fingerprint(panel.dates[400])
    assert row == tuple(str(lenses.labels[name][400]) for name in lenses.labels)
    assert list(lenses.labels) == ["market", "volatility", "liquidity", "correlation", "sector"]
    assert "unknown" not in row
    assert five_lenses(panel, settings=QUICK).fingerprint(panel.dates[400]) == (*row[:4], "unknown")
    with pytest.raises(DataError, match="nothing is known"):
        lenses.fingerprint("1990-01-01")


@pytest.mark.parametrize("row", [150, 307])
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
    """Better than the commonest regime would be right, and never sure of what is wrong."""
    market = simulate_market(40, 1600, seed=104)
    sectors = dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
    lenses = five_lenses(market.panel, sectors)
    truths = {"market": (2, 0, 2, 1), "volatility": (1, 2, 0, 3)} | dict.fromkeys(
        ("liquidity", "correlation", "sector"), (0, 1, 0, 1)
    )
    for name, labels in truths.items():
        path = getattr(lenses, name).path
        truth, known = np.array(labels)[market.truth.regimes], path.known
        base = np.bincount(truth[known]) / known.sum()
        assert (path.labels == truth)[known].mean() >= base.max(), name
        said = path.probabilities[known, truth[known]]
        entropy = (base * np.log(base, out=np.zeros(len(base)), where=base > 0)).sum()
        assert np.log(np.maximum(said, 1e-6)).mean() > entropy, name


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

    def shares(lens, names, start, end):
        within = (panel.dates >= np.datetime64(start)) & (panel.dates <= np.datetime64(end))
        return np.isin(lenses.labels[lens][within], names).mean()

    for start, end in (("2008-09-22", "2009-03-31"), ("2020-03-06", "2020-04-15")):
        assert shares("volatility", ["high", "extreme"], start, end) > 0.95
        assert shares("market", ["bear", "neutral"], start, end) > 0.95
        assert shares("correlation", ["crisis"], start, end) > 0.7
        assert shares("liquidity", ["stressed"], start, end) > 0.95
    for lens, name in (("volatility", "low"), ("market", "bull"), ("liquidity", "normal"), ("correlation", "normal")):
        assert shares(lens, [name], "2017-01-01", "2017-12-31") > 0.95
    assert lenses.fingerprint("2020-03-20")[1:] == ("extreme", "stressed", "crisis", "concentrated")
