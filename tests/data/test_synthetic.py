import numpy as np
import pytest
from scipy import stats

from quantray.data.calendar import is_trading_day
from quantray.data.synthetic import REGIMES, LeadLag, simulate_intraday, simulate_market
from quantray.errors import InputError
from quantray.features.returns import simple_returns

TAILS = 12.0


@pytest.fixture(scope="module")
def long_market():
    """Ten thousand days of a few assets that all trade, so that frequencies and variances settle."""
    return simulate_market(
        12, 10_000, seed=7, n_sectors=3, n_styles=2, tail_degrees=TAILS, listing_share=0.0, delisting_share=0.0
    )


def test_the_same_seed_gives_the_same_bytes(market):
    again = simulate_market(60, 700, seed=1)
    assert again.panel.fingerprint() == market.panel.fingerprint()
    for name in ("regimes", "factor_returns", "loadings", "specific_variance", "listed", "sectors"):
        assert getattr(again.truth, name).tobytes() == getattr(market.truth, name).tobytes()


def test_another_seed_gives_another_market(market):
    other = simulate_market(60, 700, seed=2)
    assert other.panel.fingerprint() != market.panel.fingerprint()
    assert not np.array_equal(other.truth.factor_returns, market.truth.factor_returns)


def test_shapes_names_and_days(market):
    panel, truth = market.panel, market.truth
    assert panel.shape == (700, 60)
    assert list(panel.fields) == ["close", "half_spread_bps", "high", "low", "open", "volume"]
    assert (panel.assets[0], panel.assets[-1]) == ("S00", "S59")
    assert is_trading_day(panel.dates).all()
    assert str(panel.dates[-1]) == "2024-12-31"
    assert truth.factor_names.tolist()[:2] == ["market", "sector 01"]
    assert truth.factor_returns.shape == (700, 16)
    assert truth.loadings.shape == (60, 16)
    assert truth.factor_volatility.shape == (4, 16)
    assert REGIMES == ("bull", "bear", "calm", "volatile")


def test_the_truth_is_read_only(market):
    for name in ("regimes", "transition", "factor_returns", "loadings", "specific_variance", "listed", "sectors"):
        assert not getattr(market.truth, name).flags.writeable


def test_sector_loadings_say_the_sector(market):
    truth = market.truth
    sector = truth.loadings[:, 1:12]
    assert set(np.unique(sector)) == {0.0, 1.0}
    assert (sector.sum(axis=1) == 1).all()
    names = np.array([f"Sector {i + 1:02d}" for i in sector.argmax(axis=1)])
    np.testing.assert_array_equal(names, truth.sectors)


def specific_returns(market):
    """What the factors leave of each return."""
    returns = simple_returns(market.panel.field("close"))
    return returns - market.truth.factor_returns @ market.truth.loadings.T


@pytest.mark.parametrize("regime", range(4), ids=REGIMES)
def test_factors_explain_returns_up_to_the_specific_variance(long_market, regime):
    truth = long_market.truth
    rows = np.flatnonzero(truth.regimes == regime)
    rows = rows[rows > 0]
    expected = truth.specific_variance * truth.specific_multiple[regime] ** 2
    ratio = specific_returns(long_market)[rows].var(axis=0) / expected
    # The variance of a variance estimate from n Student-t draws is about (kurtosis - 1) / n.
    error = np.sqrt((3 + 6 / (TAILS - 4) - 1) / len(rows))
    assert np.abs(ratio - 1).max() < 4 * error
    assert abs(ratio.mean() - 1) < 4 * error / np.sqrt(len(ratio))


@pytest.mark.parametrize("regime", range(4), ids=REGIMES)
def test_covariance_of_a_regime_converges_to_its_truth(long_market, regime):
    truth = long_market.truth
    rows = np.flatnonzero(truth.regimes == regime)
    returns = simple_returns(long_market.panel.field("close"))[rows[rows > 0]]
    expected = truth.covariance(regime)
    volatility = np.sqrt(np.diagonal(expected))
    scale = np.outer(volatility, volatility)
    assert np.abs((np.cov(returns, rowvar=False) - expected) / scale).max() < 6 / np.sqrt(len(rows))


def test_specific_returns_are_uncorrelated_and_fat_tailed(long_market):
    residual = specific_returns(long_market)[1:]
    standard = residual / long_market.truth.specific_multiple[long_market.truth.regimes[1:]][:, None]
    correlation = np.corrcoef(standard, rowvar=False) - np.eye(12)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(standard))
    kurtosis = stats.kurtosis(standard, axis=0).mean()
    assert 0.4 < kurtosis < 1.3  # 6 / (degrees - 4) = 0.75
    fat = simulate_market(12, 3000, seed=7, tail_degrees=3.0, listing_share=0.0, delisting_share=0.0)
    assert stats.kurtosis(specific_returns(fat)[1:], axis=0).mean() > 3


def test_regimes_move_as_the_transition_matrix_says(long_market):
    path, transition = long_market.truth.regimes, long_market.truth.transition
    np.testing.assert_allclose(transition.sum(axis=1), 1, rtol=1e-12)
    counts = np.zeros((4, 4))
    np.add.at(counts, (path[:-1], path[1:]), 1)
    visits = counts.sum(axis=1, keepdims=True)
    error = np.sqrt(transition * (1 - transition) / visits)
    assert (np.abs(counts / visits - transition) < 4 * error).all()
    assert set(path) == {0, 1, 2, 3}


def test_most_time_is_bull_or_calm(long_market):
    transition = long_market.truth.transition
    values, vectors = np.linalg.eig(transition.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    np.testing.assert_allclose(stationary / stationary.sum(), [0.48, 0.07, 0.35, 0.10], atol=0.01)


def test_listings_are_one_spell_each(market):
    listed = market.truth.listed
    starts = (np.diff(listed.astype(int), axis=0, prepend=0) == 1).sum(axis=0)
    assert (starts == 1).all()
    assert listed.sum(axis=0).min() >= 700 // 4
    late, gone = ~listed[0], ~listed[-1]
    assert 0.05 < late.mean() < 0.4
    assert 0.0 < gone.mean() < 0.3
    np.testing.assert_array_equal(market.panel.member, listed)
    for values in market.panel.fields.values():
        np.testing.assert_array_equal(np.isnan(values), ~listed)


def test_listing_shares_of_none_and_all():
    none = simulate_market(20, 60, seed=3, listing_share=0.0, delisting_share=0.0)
    assert none.truth.listed.all()
    everyone = simulate_market(20, 60, seed=3, listing_share=1.0, delisting_share=1.0)
    assert not everyone.truth.listed[0].any()
    assert everyone.truth.listed.any(axis=0).all()


def test_bars_hold_together(market):
    price = {name: market.panel.field(name)[market.truth.listed] for name in ("open", "high", "low", "close")}
    assert (price["high"] >= np.maximum(price["open"], price["close"])).all()
    assert (price["low"] <= np.minimum(price["open"], price["close"])).all()
    assert (price["low"] > 0).all()
    assert (market.panel.field("volume")[market.truth.listed] >= 0).all()
    spread = market.panel.field("half_spread_bps")[market.truth.listed]
    assert ((spread >= 0.5) & (spread <= 100)).all()


def test_volume_and_spread_rise_with_volatility(long_market):
    panel, truth = long_market.panel, long_market.truth
    traded = panel.field("close") * panel.field("volume")
    calm, volatile = truth.regimes == 2, truth.regimes == 3
    for values in (traded, panel.field("half_spread_bps")):
        assert (np.median(values[volatile], axis=0) > 1.3 * np.median(values[calm], axis=0)).all()
    # Also within a regime, on days of large moves.
    size = np.abs(simple_returns(panel.field("close")))[calm][1:]
    large = size > np.median(size, axis=0)
    for values in (traded[calm][1:], panel.field("half_spread_bps")[calm][1:]):
        assert values[large].mean() > values[~large].mean()


@pytest.fixture(scope="module")
def led_market():
    """Names that lead each other; some are listed late or delisted."""
    return simulate_market(200, 1000, seed=9, lead_lag=LeadLag())


def daily_ic(scores, returns):
    """Mean correlation across assets of scores at the close of t and returns of day t + 2, and its standard error."""
    daily = []
    for score, later in zip(scores[4:-2], returns[6:], strict=True):
        known = ~np.isnan(score) & ~np.isnan(later)
        daily.append(np.corrcoef(score[known], later[known])[0, 1])
    return np.mean(daily), np.std(daily) / np.sqrt(len(daily))


def analytic_ic(truth, strength):
    """Strength times the root of the specific share of the variance across assets, over the regimes that came."""
    specific = truth.specific_variance.mean() * truth.specific_multiple**2
    factors = truth.factor_volatility**2 @ truth.loadings.var(axis=0)
    return (strength * np.sqrt(specific / (specific + factors)))[truth.regimes].mean()


@pytest.mark.parametrize(("lead_lag", "best"), [(LeadLag(), 0.188), (LeadLag(peers=3, strength=0.4, delay=4), 0.375)])
def test_the_best_information_coefficient_is_the_analytic_one(lead_lag, best):
    market = simulate_market(200, 1000, seed=9, lead_lag=lead_lag)
    returns = simple_returns(market.panel.field("close"))
    expected = np.where(market.truth.listed, market.truth.expected_returns, np.nan)
    mean, error = daily_ic(expected, returns)
    assert analytic_ic(market.truth, lead_lag.strength) == pytest.approx(best, abs=0.004)
    # Fat tails and few groups in a cross-section take a little.
    assert mean == pytest.approx(best, abs=4 * error + 0.005)


def test_own_returns_read_less_than_half_of_the_signal(led_market):
    returns = simple_returns(led_market.panel.field("close"))
    own, error = daily_ic(specific_returns(led_market), returns)
    best, _ = daily_ic(led_market.truth.expected_returns, returns)
    share = 0.25 / np.sqrt((1 + 7 * 0.25) / 8)
    assert share == pytest.approx(0.43, abs=0.005)
    assert own == pytest.approx(share * best, abs=4 * error)
    assert daily_ic(returns, returns)[0] < 0.5 * best


def test_peers_stand_in_even_groups(led_market):
    peers = led_market.truth.peers
    assert peers.shape == (200, 8)
    assert peers.dtype == np.int32
    groups = {tuple(sorted({asset, *(p for p in row if p >= 0)})) for asset, row in enumerate(peers.tolist())}
    assert sorted(len(group) for group in groups) == [8] * 7 + [9] * 16
    assert sorted(asset for group in groups for asset in group) == list(range(200))
    assert len({led_market.truth.sectors[asset] for asset in next(iter(groups))}) > 1


def test_residual_correlations_find_the_peers():
    market = simulate_market(200, 1000, seed=9, listing_share=0.0, delisting_share=0.0, lead_lag=LeadLag())
    truth = market.truth
    correlation = np.corrcoef(specific_returns(market)[1:], rowvar=False)
    row, place = np.nonzero(truth.peers >= 0)
    column = truth.peers[row, place]
    assert correlation[row, column].mean() == pytest.approx(truth.peer_correlation.mean(), abs=0.02)
    np.fill_diagonal(correlation, -1)
    nearest = np.argsort(-correlation, axis=1)[:, :7]
    found = [np.isin(nearest[i], truth.peers[i]).mean() for i in range(200)]
    assert np.mean(found) > 0.95


def test_the_covariance_of_a_regime_holds_the_groups():
    market = simulate_market(
        12, 10_000, seed=7, n_sectors=3, n_styles=2, tail_degrees=TAILS, listing_share=0.0, delisting_share=0.0,
        lead_lag=LeadLag(peers=3, group_correlation=0.5, strength=0.5),
    )  # fmt: skip
    rows = np.flatnonzero(market.truth.regimes == 2)
    returns = simple_returns(market.panel.field("close"))[rows[rows > 0]]
    expected = market.truth.covariance(2)
    deviation = np.sqrt(np.diagonal(expected))
    gap = (np.cov(returns, rowvar=False) - expected) / np.outer(deviation, deviation)
    assert np.abs(gap).max() < 6 / np.sqrt(len(rows))


def test_the_signal_is_the_mean_of_the_peers_that_trade(led_market):
    """By hand, name by name; only the planted part of two days ago must be told apart from the peers' shocks."""
    truth = led_market.truth
    width = np.sqrt(truth.specific_variance) * truth.specific_multiple[truth.regimes][:, None]
    residual = specific_returns(led_market)
    before = np.vstack([np.zeros((2, 200)), truth.expected_returns[:-2]])
    shocks = (residual - before) / width / np.sqrt(1 - 0.2**2)
    late = int(np.argmin(truth.listed[0]))
    first = int(np.argmax(truth.listed[:, late]))
    leads = truth.peers[truth.peers[late, 0]].tolist()
    asset = int(truth.peers[late, 0])
    for day in (first - 1, first, first + 1):
        values = [shocks[day, p] for p in leads if p >= 0 and not np.isnan(residual[day, p])]
        assert (late in [p for p in leads if not np.isnan(residual[day, p])]) == (day == first + 1)
        count = len(values)
        signal = np.mean(values) / np.sqrt((1 + (count - 1) * 0.25) / count)
        assert truth.expected_returns[day, asset] == pytest.approx(0.2 * signal * width[day, asset], rel=1e-8)
    assert (truth.expected_returns[~truth.listed] == 0).all()
    assert (truth.expected_returns[0] == 0).all()


def test_no_strength_no_signal(market):
    quiet = simulate_market(60, 700, seed=1, lead_lag=LeadLag(strength=0.0, group_correlation=0.0))
    assert quiet.panel.fingerprint() == market.panel.fingerprint()
    assert (quiet.truth.expected_returns == 0).all()
    grouped = simulate_market(60, 700, seed=1, lead_lag=LeadLag(strength=0.0))
    assert (grouped.truth.expected_returns == 0).all()
    own, error = daily_ic(specific_returns(grouped), simple_returns(grouped.panel.field("close")))
    assert abs(own) < 4 * error
    assert market.truth.peers.shape == (60, 0)
    assert (market.truth.expected_returns == 0).all()
    assert (market.truth.peer_correlation == 0).all()


def test_the_market_without_options_is_the_one_of_old(market):
    """Frozen with the first release, to the digits that all processors share: stored results refer to these bars."""
    close, volume = (market.panel.field(name) for name in ("close", "volume"))
    np.testing.assert_allclose(np.nansum(np.log(close)), 143820.92057171027, rtol=1e-9)
    np.testing.assert_allclose(np.nansum(close[-1]), 3773.7367384877853, rtol=1e-9)
    np.testing.assert_allclose(np.nansum(volume), 56593952445.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"peers": 0}, "lead-lag of 0 peers"),
        ({"strength": 1.0}, "strength 1: give at least one peer, and the others from 0 to below 1"),
        ({"strength": -0.1}, "strength -0.1"),
        ({"group_correlation": 1.0}, "group correlation 1 "),
        ({"delay": 1}, "a lead of 1 days is over before a decision at the close with lag 1 earns"),
    ],
    ids=str,
)
def test_leads_that_cannot_be(change, text):
    with pytest.raises(InputError, match=text):
        LeadLag(**change)


def test_small_groups_and_long_delays():
    with pytest.raises(InputError, match="8 assets are too few for 8 peers"):
        simulate_market(8, 50, seed=0, lead_lag=LeadLag())
    lone = simulate_market(3, 50, seed=0, lead_lag=LeadLag(peers=1)).truth
    assert sorted((lone.peers >= 0).sum(axis=1).tolist()) == [0, 1, 1]
    assert (lone.expected_returns[:, lone.peers[:, 0] < 0] == 0).all()
    assert (simulate_market(20, 50, seed=0, lead_lag=LeadLag(delay=80)).truth.expected_returns == 0).all()


@pytest.mark.parametrize("minutes", [5, 30, 390])
def test_intraday_bars_agree_with_the_day(market, minutes):
    intraday = simulate_intraday(market, 3, seed=4, minutes=minutes)
    daily = {name: market.panel.field(name)[-3:] for name in ("open", "high", "low", "close", "volume")}
    bars = 390 // minutes
    assert intraday.open.shape == (3, bars, 60)
    np.testing.assert_allclose(intraday.open[:, 0], daily["open"])
    np.testing.assert_allclose(intraday.close[:, -1], daily["close"])
    np.testing.assert_allclose(intraday.high.max(axis=1), daily["high"], rtol=1e-12)
    np.testing.assert_allclose(intraday.low.min(axis=1), daily["low"], rtol=1e-12)
    np.testing.assert_allclose(intraday.volume.sum(axis=1), daily["volume"])
    np.testing.assert_array_equal(intraday.open[:, 1:], intraday.close[:, :-1])
    listed = ~np.isnan(intraday.close)
    assert (intraday.high >= np.maximum(intraday.open, intraday.close))[listed].all()
    assert (intraday.low <= np.minimum(intraday.open, intraday.close))[listed].all()


def test_intraday_times_run_from_open_to_close(market):
    times = simulate_intraday(market, 2, seed=4).times
    assert times.shape == (2, 78)
    assert str(times[-1, 0]) == "2024-12-31T09:30"
    assert str(times[-1, -1]) == "2024-12-31T15:55"
    assert times[0, 0].astype("datetime64[D]") == market.panel.dates[-2]


def test_intraday_seeds(market):
    one, again, other = (simulate_intraday(market, 2, seed=seed).close for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other, equal_nan=True)


def test_intraday_volume_is_highest_at_open_and_close(market):
    volume = np.nansum(simulate_intraday(market, 20, seed=4).volume, axis=(0, 2))
    assert volume[:6].mean() > 1.5 * volume[36:42].mean()
    assert volume[-6:].mean() > 1.5 * volume[36:42].mean()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"n_assets": 0}, "a market of 0 assets, 50 days and 11 sectors is too small"),
        ({"n_days": 1}, "5 assets, 1 days"),
        ({"n_sectors": 0}, "0 sectors is too small"),
        ({"n_styles": -1}, "is too small"),
        ({"tail_degrees": 2.0}, "tail_degrees must exceed 2"),
        ({"listing_share": 1.2}, "shares lie between 0 and 1"),
        ({"delisting_share": -0.1}, "shares lie between 0 and 1"),
        ({"n_days": 20_000}, "calendar is known from 1971"),
        ({"end": "soon"}, "'soon' is not a date"),
    ],
    ids=str,
)
def test_sizes_that_cannot_be(change, text):
    with pytest.raises(InputError, match=text):
        simulate_market(**({"n_assets": 5, "n_days": 50, "seed": 0} | change))


@pytest.mark.parametrize("arguments", [{"days": 701}, {"days": 0}, {"minutes": 7}, {"minutes": 0}], ids=str)
def test_intraday_bars_that_do_not_fit(market, arguments):
    with pytest.raises(InputError, match="-minute bars do not fit"):
        simulate_intraday(market, **({"days": 2, "seed": 0} | arguments))


@pytest.mark.parametrize(("n_assets", "n_days"), [(1, 2), (1, 3), (2, 50), (1, 700)])
def test_small_markets_work(n_assets, n_days):
    market = simulate_market(n_assets, n_days, seed=0, n_sectors=1, n_styles=0)
    assert market.panel.shape == (n_days, n_assets)
    assert market.truth.listed.any(axis=0).all()
