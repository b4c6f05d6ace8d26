import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.costs import LinearCosts
from quantray.backtest.net import strategy_returns
from quantray.errors import InputError
from quantray.strategies.market_neutral import DeltaNeutralOptions, FactorNeutral, StatArb, _s_scores
from quantray.strategies.rule import Controls


@pytest.fixture(scope="module")
def reverting(make_panel):
    """Forty assets on two factors, whose own prices return to their mean within some ten days."""
    generator = np.random.default_rng(5)
    n_days, n_assets = 420, 40
    factors = generator.normal(0, 0.01, (n_days, 2)) @ generator.normal(1, 0.5, (2, n_assets))
    own = np.zeros((n_days, n_assets))
    for t in range(1, n_days):
        own[t] = 0.9 * own[t - 1] + generator.normal(0, 0.01, n_assets)
    return make_panel(50 * np.exp(np.cumsum(factors, axis=0) + own))


def test_s_scores_by_least_squares():
    generator = np.random.default_rng(0)
    residuals = generator.normal(size=(60, 8)) - 0.3 * np.roll(generator.normal(size=(60, 8)), 1, axis=0)
    residuals -= residuals.mean(axis=0)
    means, widths = [], []
    for column in np.cumsum(residuals, axis=0).T:
        slope, constant = np.polyfit(column[:-1], column[1:], 1)
        noise = column[1:] - constant - slope * column[:-1]
        known = 0 < slope < np.exp(-1.0 / 252)
        means.append(constant / (1 - slope) if known else np.nan)
        widths.append(np.sqrt(noise @ noise / 57 / (1 - slope**2)))
    assert_allclose(_s_scores(residuals, 1.0), -(np.array(means) - np.nanmean(means)) / widths, rtol=1e-9)


def test_a_residual_sum_that_does_not_revert_has_no_score():
    steady = np.concatenate([np.full(30, 0.01), np.full(30, -0.01)])[:, None]
    assert np.isnan(_s_scores(steady, 8.4)).all()


def test_stat_arb_trades_reversion_without_factors(reverting):
    rule = StatArb(factors=2, history=200, refresh=20)
    signal = rule.signal(reverting)
    weights = rule.run(reverting, signal=signal).weights
    active = np.abs(weights).sum(axis=1) > 0
    assert active[210:].mean() > 0.95
    for t in np.flatnonzero(active):
        loadings = signal.loadings.at(t)
        assert_allclose(weights[t] @ loadings / np.abs(loadings).sum(axis=0), 0, atol=1e-14)
    assert_allclose(weights.sum(axis=1), 0, atol=1e-14)
    returns = strategy_returns(rule, reverting, LinearCosts(0.0))[200:]
    assert returns.mean() / returns.std() * np.sqrt(252) > 2


def test_scores_are_of_the_days_of_the_window(reverting, make_panel):
    """The last of them, the first included, and none before; the factors are older by months."""
    rule = StatArb(factors=2, history=200, refresh=400, window=60)
    score = rule.signal(reverting).score[300]
    for first, same in ((240, True), (241, False)):
        close = reverting.field("close").copy()
        # Another price on a day moves the return of that day; the level before it changes nothing.
        close[:first, 3] *= 2
        assert np.array_equal(rule.signal(make_panel(close)).score[300], score, equal_nan=True) == same


def test_stat_arb_is_short_what_rose(reverting):
    rule = StatArb(factors=2, history=200, controls=Controls(stop=None, max_weight=1.0))
    score, weights = rule.signal(reverting).score, rule.weights(reverting)
    extreme = np.abs(np.nan_to_num(score)) > 2
    assert extreme.any()
    assert (np.sign(weights[extreme]) == -np.sign(score[extreme])).mean() > 0.98


def test_too_few_assets_make_no_portfolio(reverting):
    few = reverting.select(reverting.assets[:10])
    assert not StatArb(factors=6, history=200).weights(few).any()
    assert not FactorNeutral(factors=6, lookback=100, history=200).weights(few).any()


def test_factor_neutral_has_no_net_exposure(market):
    rule = FactorNeutral(factors=5, lookback=126, history=126)
    weights, loadings = rule.weights(market.panel), rule.signal(market.panel).loadings
    active = np.flatnonzero(np.abs(weights).sum(axis=1))
    assert len(active) > 500
    for t in active:
        valid = np.nan_to_num(loadings.at(t))
        assert_allclose(weights[t] @ valid / np.abs(valid).sum(axis=0), 0, atol=1e-13)
    assert_allclose(weights.sum(axis=1), 0, atol=1e-13)


def test_factor_neutral_follows_what_the_factors_leave(market):
    truth = market.truth.loadings
    rule = FactorNeutral(lookback=126, exposures=truth, controls=Controls(stop=None, max_weight=1.0))
    weights, score = rule.weights(market.panel), rule.signal(market.panel).score
    assert_allclose(weights[300:] @ truth, 0, atol=1e-12)
    assert_allclose(np.abs(weights[300:]).sum(axis=1), 1)
    assert ((weights[300:] * np.nan_to_num(score[300:])).sum(axis=1) > 0).all()


def test_momentum_by_hand(make_panel):
    close = np.full((30, 3), 100.0)
    close[10:] = [110, 100, 90]
    close[25:] = [50, 100, 200]
    score = FactorNeutral(lookback=20, skip=10).signal(make_panel(close)).score
    momentum = np.log([1.1, 1.0, 0.9])
    # The last ten days do not count.
    assert_allclose(score[28], (momentum - momentum.mean()) / momentum.std())


def test_delta_neutral_options_sell_dear_ones_only(make_panel):
    generator = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, (200, 20)), axis=0))
    rich = make_panel(close, implied_volatility=np.full(close.shape, 0.3))
    rule = DeltaNeutralOptions()
    result = rule.run(rich)
    assert result.overlay_returns[22:].sum() > 0
    assert result.notes == ("options priced at the panel's implied_volatility",)
    cheap = make_panel(close, implied_volatility=np.full(close.shape, 0.05))
    assert not rule.run(cheap).overlay_returns.any()
    assert not rule.weights(cheap).any()
    modelled = rule.run(make_panel(close))
    assert "21- and 126-day realised volatility plus 2.0%, which is an assumption" in modelled.notes[0]


def test_the_hedge_takes_the_market_out(make_panel):
    generator = np.random.default_rng(3)
    market = generator.normal(0, 0.01, (500, 1))
    close = 100 * np.exp(np.cumsum(market + generator.normal(0, 0.005, (500, 10)), axis=0))
    panel = make_panel(close, implied_volatility=np.full(close.shape, 0.25))
    rule = DeltaNeutralOptions(controls=Controls(stop=None))
    options = rule.run(panel, lag=0)
    hedged = strategy_returns(rule, panel, LinearCosts(0.0), lag=0)
    assert hedged[30:].std() < 0.5 * options.overlay_returns[30:].std()
    assert abs(np.corrcoef(hedged[30:], market[30:, 0])[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StatArb(window=15), "window 15"),
        (lambda: StatArb(history=30), "history 30"),
        (lambda: StatArb(entry=0.6), "entry 0.6"),
        (lambda: StatArb(speed=0), "speed 0"),
        (lambda: FactorNeutral(refresh=0), "refresh 0"),
        (lambda: FactorNeutral(skip=300), "skip 300 must be shorter than lookback 252"),
        (lambda: FactorNeutral(threshold=4), "threshold 4"),
        (lambda: DeltaNeutralOptions(threshold=0), "threshold 0"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_exposures_must_fit(market):
    with pytest.raises(InputError, match="for the panel's 60 assets"):
        FactorNeutral(exposures=np.ones((3, 2))).weights(market.panel)
    ones, twos = FactorNeutral(exposures=np.ones((60, 1))), FactorNeutral(exposures=2 * np.ones((60, 1)))
    assert_array_equal(ones.signal(market.panel).loadings.rows, [0])
    assert len({ones.signal_key, twos.signal_key, FactorNeutral().signal_key}) == 3


def test_speed_is_of_a_year_of_the_panel():
    residuals = np.random.default_rng(0).normal(size=(60, 8))
    assert_array_equal(_s_scores(residuals, 7.3, 365), _s_scores(residuals, 5.04, 252))
