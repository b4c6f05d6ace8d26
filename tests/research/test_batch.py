"""The batched sweep against accounts kept by hand, one day at a time."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.features.returns import carried_forward
from quantray.research.batch import cross_sweep, moving_averages, net_returns
from quantray.strategies import rule

WINDOWS = np.array([3, 8, 20])
PAIRS = np.array(list(itertools.combinations(range(3), 2)))


@pytest.fixture(scope="module")
def panel():
    """More names than one block holds, some listed late, some delisted, one with gaps."""
    panel = simulate_market(70, 260, seed=5, listing_share=0.3, delisting_share=0.3).panel
    close = panel.field("close").copy()
    close[100:104, 0] = np.nan
    return panel.with_fields(close=close)


def account(signal, close, *, fee, lag):
    """Daily returns of one account that is all in or all out, as a broker would keep it."""
    shares, cash, before, out = 0.0, 1.0, 1.0, []
    for t, price in enumerate(close):
        wanted = bool(signal[t - lag]) if t >= lag else False
        if wanted and shares == 0:
            shares, cash = cash / (price * (1 + fee)), 0.0
        elif not wanted and shares > 0:
            cash, shares = shares * price * (1 - fee), 0.0
        nav = cash + (shares * price if shares else 0.0)
        out.append(nav / before - 1)
        before = nav
    return np.array(out)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_accounts_of_single_names_against_a_broker(panel, lag):
    close = panel.field("close")
    bank = moving_averages(close, WINDOWS)
    swept = cross_sweep(bank, PAIRS, close, costs_bps=20, lag=lag)
    price, _ = carried_forward(close)
    for c, (fast, slow) in enumerate(PAIRS):
        for n in (0, 1, 33, 69):
            signal = bank[n, fast] > bank[n, slow]
            returns = account(signal, price[:, n], fee=0.002, lag=lag)
            expected = returns.mean() / returns.std(ddof=1) * np.sqrt(252) if returns.any() else np.nan
            assert_allclose(swept.name_sharpe[c, n], expected, rtol=1e-9)
            changes = np.count_nonzero(np.diff(np.concatenate([[0], np.zeros(lag), signal[: len(signal) - lag]])))
            assert swept.name_trades[c, n] == changes


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_the_portfolio_is_that_of_equal_weights(panel, lag):
    close = panel.field("close")
    bank = moving_averages(close, WINDOWS, member_tn=panel.member)
    swept = cross_sweep(bank, PAIRS, close, costs_bps=7, lag=lag)
    for c, (fast, slow) in enumerate(PAIRS):
        weights = (bank[:, fast] > bank[:, slow]).T / close.shape[1]
        alone = net_returns(weights, close, costs_bps=7, lag=lag, drift=False)
        assert_allclose(swept.returns[c], alone.returns, atol=1e-15)
        assert_allclose(swept.turnover[c], alone.turnover, atol=1e-15)
        deviation = alone.returns.std(ddof=1)
        assert_allclose(swept.sharpe[c], alone.returns.mean() / deviation * np.sqrt(252), rtol=1e-10)


def test_net_returns_by_hand():
    """Half in A from the close of day 1 on, sold at the close of day 3: it earns days 2 and 3."""
    close = np.array([[10.0], [10.0], [11.0], [12.1], [24.2]])
    weights = np.array([[0.5], [0.5], [0.0], [0.0], [0.0]])
    earned = net_returns(weights, close, costs_bps=10, lag=1, drift=False)
    assert_allclose(earned.returns, [0, 0, 0.05 - 0.0005, 0.05, -0.0005])
    assert_allclose(earned.turnover, [0, 0, 0.25, 0, 0.25])
    assert_allclose(net_returns(-weights, close, costs_bps=0, lag=1).returns, [0, 0, -0.05, -0.05, 0])
    assert_allclose(net_returns(weights, close, costs_bps=0, lag=0).returns, [0, 0, 0.05, 0, 0])


def test_drift_is_traded_back():
    """Half in a name that doubles is two thirds of NAV: a sixth is sold."""
    close = np.array([[1.0], [2.0], [2.0], [2.0]])
    earned = net_returns(np.full((4, 1), 0.5), close, costs_bps=10, lag=0)
    assert_allclose(earned.turnover, [0, 0.25, 1 / 12, 0])
    assert_allclose(earned.returns, [0, 0.5 - 0.0005, -0.001 / 6, 0])


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_all_costs_and_returns_are_those_of_the_rules(panel, lag):
    """``strategies.rule`` books each trade's cost a day earlier."""
    weights = np.random.default_rng(3).normal(0, 0.01, panel.shape)
    ours = net_returns(weights, panel.field("close"), costs_bps=10, lag=lag)
    free = net_returns(weights, panel.field("close"), costs_bps=0, lag=lag)
    assert_allclose(free.returns, rule.net_returns(weights, panel, 0, lag=lag), atol=1e-15)
    costs = free.returns - ours.returns
    theirs = rule.net_returns(weights, panel, 0, lag=lag) - rule.net_returns(weights, panel, 10, lag=lag)
    assert_allclose(costs[1:], theirs[:-1], atol=1e-15)


def test_a_name_without_a_close_earns_on_its_next_one():
    close = np.array([[10.0], [10.0], [np.nan], [12.0], [12.0]])
    assert_allclose(net_returns(np.ones((5, 1)), close, costs_bps=0, lag=0).returns, [0, 0, 0, 0.2, 0])


def test_averages_by_hand_with_listing_gap_and_delisting():
    close = np.array([[np.nan, 1.0], [2.0, 2.0], [4.0, np.nan], [6.0, 3.0], *[[6.0, 6.0]] * 12])
    close[5:, 0] = np.nan
    bank = moving_averages(close, np.array([1, 2]))
    assert_allclose(bank[0, 1, :5], [np.nan, np.nan, 3, 5, 6])
    # The second name's line stands still in its gap, and counts the last known price afterwards.
    assert_allclose(bank[1, 1, :6], [np.nan, 1.5, 1.5, 2.5, 4.5, 6])
    # The first name's last close is in row 4; from the tenth day without one nothing may be held.
    assert_allclose(bank[0, 0, 4:14], 6)
    assert np.isnan(bank[0, :, 14:]).all()


def test_members_only(panel):
    member = np.ones(panel.shape, dtype=bool)
    member[150:200, 3] = False
    bank = moving_averages(panel.field("close"), WINDOWS, member_tn=member)
    assert np.isnan(bank[3, :, 150:200]).all()


def test_a_price_that_does_not_move_crosses_nothing():
    """Averages of 0.1 + 0.2 over different windows differ by rounding, and each crossing would cost a fee."""
    generator = np.random.default_rng(0)
    path = 100 * np.cumprod(1 + generator.normal(0, 0.02, (60, 20)), axis=0)
    close = np.vstack([path, np.tile(path[-1], (80, 1))])
    bank = moving_averages(close, WINDOWS)
    assert_array_equal(bank[:, :, 60 + 20 :], np.repeat(close.T[:, None, 60 + 20 :], 3, axis=1))
    swept = cross_sweep(bank, PAIRS, close)
    longer = cross_sweep(
        moving_averages(np.vstack([close, close[-60:]]), WINDOWS), PAIRS, np.vstack([close, close[-60:]])
    )
    assert_array_equal(swept.name_trades, longer.name_trades)


@pytest.mark.parametrize("row", [103, 180, 231])
def test_no_look_ahead(panel, row):
    close, member = panel.field("close"), panel.member
    whole = moving_averages(close, WINDOWS, member_tn=member)
    cut = moving_averages(close[: row + 1], WINDOWS, member_tn=member[: row + 1])
    assert_array_equal(cut, whole[:, :, : row + 1])
    assert_allclose(
        cross_sweep(cut, PAIRS, close[: row + 1]).returns,
        cross_sweep(whole, PAIRS, close).returns[:, : row + 1],
        atol=1e-16,
    )


def test_permuting_names_permutes_accounts(panel):
    close = panel.field("close")
    order = np.random.default_rng(2).permutation(close.shape[1])
    swept = cross_sweep(moving_averages(close, WINDOWS), PAIRS, close)
    turned = cross_sweep(moving_averages(close[:, order], WINDOWS), PAIRS, close[:, order])
    assert_allclose(turned.name_sharpe, swept.name_sharpe[:, order], rtol=1e-9)
    assert_allclose(turned.returns, swept.returns, atol=1e-15)


def test_the_scale_of_prices_does_not_matter(panel):
    close = panel.field("close")
    swept = cross_sweep(moving_averages(close, WINDOWS), PAIRS, close)
    scaled = cross_sweep(moving_averages(close * 1024, WINDOWS), PAIRS, close * 1024)
    assert_array_equal(scaled.name_trades, swept.name_trades)
    assert_allclose(scaled.sharpe, swept.sharpe)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda c: net_returns(np.zeros((3, 2)), c, costs_bps=5), "take both from one panel"),
        (lambda c: net_returns(np.full(c.shape, np.nan), c, costs_bps=5), "weight of 0"),
        (lambda c: net_returns(np.zeros(c.shape), c, costs_bps=-1), "costs_bps -1 must lie"),
        (lambda c: net_returns(np.zeros(c.shape), c, costs_bps=5, lag=300), "days are too few for a lag of 300"),
        (lambda c: net_returns(np.full(c.shape, -50.0), c, costs_bps=5), "lower the gross exposure"),
        (lambda c: moving_averages(c, np.array([0, 5])), "must be 1 to 260 days"),
        (lambda c: moving_averages(c, np.array([5]), member_tn=np.ones((2, 2), bool)), r"membership is \(2, 2\)"),
        (lambda c: cross_sweep(np.zeros((70, 3, 9)), PAIRS, c), r"it must be \(N, K, T\)"),
        (lambda c: cross_sweep(np.zeros((70, 2, 260)), PAIRS, c), "two of the bank's 2 lines"),
        (lambda c: cross_sweep(np.zeros((70, 3, 260)), PAIRS, c, lag=-1), "lag -1 not be negative"),
    ],
)
def test_wrong_input_is_refused(panel, call, text):
    with pytest.raises(InputError, match=text):
        call(panel.field("close"))


def test_a_delisting_is_earned_by_what_is_held_on_the_day_after_the_last_close():
    close = np.array([[10.0], [10.0], [11.0], [np.nan], [np.nan]])
    delist = np.where(np.arange(5)[:, None] == 2, -0.6, np.nan)
    weights = np.array([[0.5], [0.5], [0.5], [0.0], [0.0]])
    net = net_returns(weights, close, costs_bps=0, lag=0, delist_tn=delist)
    assert_allclose(net.returns, [0, 0, 0.05, -0.3, 0])
    assert_allclose(net_returns(weights, close, costs_bps=0, lag=0).returns, [0, 0, 0.05, 0, 0])


def test_a_cross_earns_delistings_as_its_weights_do(panel):
    close = panel.field("close")
    delist = np.full(close.shape, np.nan)
    delist[:-1][~np.isnan(close[:-1]) & np.isnan(close[1:])] = -0.5
    bank, pairs = moving_averages(close, np.array([5, 20])), np.array([[0, 1]])
    swept = cross_sweep(bank, pairs, close, costs_bps=3, delist_tn=delist)
    weights = (bank[:, 0] > bank[:, 1]).T / close.shape[1]
    plain = net_returns(weights, close, costs_bps=3, drift=False, delist_tn=delist)
    assert_allclose(swept.returns[0], plain.returns, atol=1e-14)
    assert swept.returns.sum() < cross_sweep(bank, pairs, close, costs_bps=3).returns.sum()
