"""Crossing lines against accounts kept by hand, one day at a time."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.crosses import cross_sweep, moving_averages
from quantray.backtest.net import net_returns
from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.features.returns import carried_forward

WINDOWS = np.array([3, 8, 20])
PAIRS = np.array(list(itertools.combinations(range(3), 2)))


@pytest.fixture(scope="module")
def panel():
    """More names than one block holds, some listed late, some delisted, one with gaps."""
    panel = simulate_market(70, 260, seed=5, listing_share=0.3, delisting_share=0.3).panel
    close = panel.field("close").copy()
    close[100:104, 0] = np.nan
    return panel.with_fields(close=close)


def account(signal, close, *, fees, lag):
    """Daily returns of one account that is all in or all out, as a broker would keep it, with the fee of each day."""
    shares, cash, before, out = 0.0, 1.0, 1.0, []
    for t, (price, fee) in enumerate(zip(close, fees, strict=True)):
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
            returns = account(signal, price[:, n], fees=np.full(260, 0.002), lag=lag)
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


def test_long_histories_and_many_pairs_are_those_of_each_pair_alone():
    """More days and pairs than are played at a time: what is held from one part to the next must go on."""
    close = simulate_market(35, 1500, seed=3, listing_share=0.2, delisting_share=0.2).panel.field("close")
    windows = np.arange(2, 17) ** 2
    pairs = np.array(list(itertools.combinations(range(len(windows)), 2)))
    bank, (price, _) = moving_averages(close, windows), carried_forward(close)
    swept = cross_sweep(bank, pairs, close, costs_bps=20, lag=2)
    for c in (0, 1, 52, 104):
        above = bank[:, pairs[c, 0]] > bank[:, pairs[c, 1]]
        alone = net_returns(above.T / 35, close, costs_bps=20, lag=2, drift=False)
        assert_allclose(swept.returns[c], alone.returns, atol=1e-15)
        assert_allclose(swept.turnover[c], alone.turnover, atol=1e-15)
        changes = np.diff(np.pad(above[:, :-2], ((0, 0), (3, 0))).astype(int), axis=1)
        assert_array_equal(swept.name_trades[c], np.count_nonzero(changes, axis=1))
        returns = account(above[34], price[:, 34], fees=np.full(1500, 0.002), lag=2)
        assert_allclose(swept.name_sharpe[c, 34], returns.mean() / returns.std(ddof=1) * np.sqrt(252), rtol=1e-9)


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
        (lambda c: moving_averages(c, np.array([0, 5])), "must be 1 to 260 days"),
        (lambda c: moving_averages(c, np.array([5]), member_tn=np.ones((2, 2), bool)), r"membership is \(2, 2\)"),
        (lambda c: cross_sweep(np.zeros((70, 3, 9)), PAIRS, c), r"it must be \(N, K, T\)"),
        (lambda c: cross_sweep(np.zeros((70, 2, 260)), PAIRS, c), "two of the bank's 2 lines"),
        (lambda c: cross_sweep(np.zeros((70, 3, 260)), PAIRS, c, lag=-1), "lag -1 not be negative"),
        (lambda c: cross_sweep(np.zeros((70, 3, 260)), PAIRS, c, costs_bps=np.zeros(3)), r"costs_bps are \(3,\)"),
    ],
)
def test_wrong_input_is_refused(panel, call, text):
    with pytest.raises(InputError, match=text):
        call(panel.field("close"))


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


@pytest.mark.parametrize("lag", [0, 2])
def test_every_trade_pays_the_spread_of_its_day_and_name(panel, lag):
    close = panel.field("close")
    spreads = np.random.default_rng(4).uniform(0, 40, close.shape)
    bank, (price, _) = moving_averages(close, WINDOWS), carried_forward(close)
    swept = cross_sweep(bank, PAIRS, close, costs_bps=spreads, lag=lag)
    for c, (fast, slow) in enumerate(PAIRS):
        weights = (bank[:, fast] > bank[:, slow]).T / close.shape[1]
        alone = net_returns(weights, close, costs_bps=spreads, lag=lag, drift=False)
        for name in ("returns", "turnover", "costs"):
            assert_allclose(getattr(swept, name)[c], getattr(alone, name), atol=1e-15)
        signal = bank[1, fast] > bank[1, slow]
        returns = account(signal, price[:, 1], fees=spreads[:, 1] * 1e-4, lag=lag)
        assert_allclose(swept.name_sharpe[c, 1], returns.mean() / returns.std(ddof=1) * np.sqrt(252), rtol=1e-9)
    # One number is the same number everywhere.
    flat, same = (cross_sweep(bank, PAIRS, close, costs_bps=x, lag=lag) for x in (7.0, np.full(close.shape, 7.0)))
    assert_allclose(flat.returns, same.returns, atol=1e-15)
    assert_allclose(flat.name_sharpe, same.name_sharpe, rtol=1e-12)
