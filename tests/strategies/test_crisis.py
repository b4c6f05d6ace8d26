import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import DataError, InputError
from quantray.strategies.crisis import CrisisAlpha, TailHedge, VolatilityArbitrage
from quantray.strategies.options import OptionPricing, black_scholes
from quantray.strategies.rule import Controls


def test_volatility_arbitrage_buys_cheap_and_sells_dear(make_panel):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, (300, 2)), axis=0))
    implied = np.broadcast_to([0.2, 0.5], close.shape)
    rule = VolatilityArbitrage(controls=Controls(stop=None, max_weight=1.0))
    both = make_panel(close, implied_volatility=implied)
    signal = rule.signal(both)
    expected = np.sign(0.02 * np.sqrt(252) - implied[0])
    assert_array_equal(expected, [1, -1])
    # A long straddle is hedged by selling what rose above its strike, a short one by buying it.
    weights = rule.weights(both)[150:]
    spot, strike = close[150:], np.vstack([np.repeat(c.strike[None], 21, axis=0) for c in signal.cycles])[150:300]
    up = spot > 1.02 * strike
    assert (weights[up[:, 0], 0] < 0).all()
    assert (weights[up[:, 1], 1] > 0).all()
    assert rule.run(both).overlay_returns[150:].any()


def test_a_tail_hedge_by_hand(make_panel):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, (40, 1)), axis=0))
    panel = make_panel(close, implied_volatility=np.full(close.shape, 0.2))
    rule = TailHedge(index="A000", tenor=30, every=20, half_spread=0.01, pricing=OptionPricing(skew=0.0))
    result = rule.run(panel, lag=1)
    spot, strike = close[:22, 0], 0.9 * close[0, 0]
    put = black_scholes("put", spot, strike, (30 - np.arange(22)) / 252, 0.2).price / close[0, 0]
    assert_allclose(result.overlay_returns[2:20], np.diff(put)[1:19])
    assert_allclose(result.overlay_returns[1], -0.01 * put[1])
    # The former put is sold and the next one bought at the close after the roll.
    successor = black_scholes("put", close[21, 0], 0.9 * close[20, 0], 29 / 252, 0.2).price / close[20, 0]
    assert_allclose(result.overlay_returns[21], put[21] - put[20] - 0.01 * (put[21] + successor))
    assert_allclose(result.closing_costs[:21, 0], 0.01 * np.where(np.arange(21) < 1, 0.0, put[:21]))
    assert_allclose(result.closing_costs[21, 0], 0.01 * successor)
    assert not result.weights.any()
    assert result.notes == ("puts on A000", "options priced at the panel's implied_volatility")


def test_a_tail_hedge_pays_in_a_crash_and_costs_otherwise(make_panel):
    calm = np.random.default_rng(2).normal(0.0005, 0.008, (250, 10))
    crash = calm.copy()
    crash[220:225] -= 0.05
    for returns, low, high in ((calm, -0.05, 0.0), (crash, 0.05, 0.3)):
        hedge = TailHedge().run(make_panel(100 * np.exp(np.cumsum(returns, axis=0))))
        assert low < hedge.overlay_returns.sum() < high
        assert hedge.notes[0] == "puts on the equally weighted members"
        assert "assumption" in hedge.notes[1]


def test_a_replicated_hedge_sells_the_index_as_it_falls(make_panel):
    returns = np.full((180, 4), 0.001) * (-1.0) ** np.arange(180)[:, None]
    returns[160:] = -0.01
    panel = make_panel(100 * np.exp(np.cumsum(returns, axis=0)))
    result = TailHedge(replicate=True).run(panel)
    assert not result.overlay_returns.any()
    exposure = result.weights.sum(axis=1)
    assert (exposure <= 0).all()
    assert exposure[175] < exposure[165] < exposure[162]
    assert_allclose(result.weights, np.repeat(exposure[:, None] / 4, 4, axis=1))


def test_crisis_alpha_follows_the_named(make_panel):
    steps = np.arange(200)
    up, down = 1.002**steps, 0.998**steps
    panel = make_panel(np.column_stack([up, down, up]) * 100)
    rule = CrisisAlpha(assets=("A001", "A002"), lookback=50, controls=Controls(stop=None, max_weight=1.0))
    assert_allclose(rule.weights(panel)[60:], np.tile([0, -0.5, 0.5], (140, 1)), atol=1e-3)
    assert rule.run(panel).notes == ("defensive are the assets named (2)",)
    assert_array_equal(rule.weights(panel)[:, 0], 0)


def test_risk_is_equal_across_assets(make_panel):
    generator = np.random.default_rng(0)
    returns = 0.01 + generator.normal(0, 1, (300, 2)) * [0.01, 0.03]
    rule = CrisisAlpha(assets=("A000", "A001"), lookback=50, controls=Controls(stop=None, max_weight=1.0))
    weights = rule.weights(make_panel(100 * np.exp(np.cumsum(returns, axis=0))))[100:]
    both = (weights > 0).all(axis=1)
    assert 2 < np.median(weights[both, 0] / weights[both, 1]) < 4


def test_the_lowest_betas_are_defensive(make_panel):
    generator = np.random.default_rng(4)
    betas = np.linspace(0.1, 1.9, 20)
    returns = generator.normal(0, 0.01, (400, 1)) * betas + generator.normal(0, 0.002, (400, 20))
    rule = CrisisAlpha(share=0.1, beta=100, lookback=40)
    signal = rule.signal(make_panel(100 * np.exp(np.cumsum(returns, axis=0))))
    assert np.isnan(signal[:100]).all()
    assert_array_equal(np.unique(np.nonzero(~np.isnan(signal[100:]))[1]), [0, 1])


def test_the_lowest_betas_by_hand(make_panel):
    """At each refresh the betas of the window that ends there, against the members of each day; kept until the next."""
    generator = np.random.default_rng(6)
    moves = generator.normal(0, 0.01, (130, 1)) + generator.normal(0, 0.02, (130, 9))
    moves[:, :2] *= 0.3
    close = 100 * np.exp(np.cumsum(moves, axis=0))
    member = np.ones(close.shape, dtype=bool)
    # Two names of low beta; one joins on the day after a refresh, the other leaves on such a day.
    member[:59, 0] = member[87:, 1] = False
    panel = make_panel(close, member=member)
    signal = CrisisAlpha(share=0.3, beta=30, refresh=7, lookback=20).signal(panel)
    returns = np.vstack([np.full((1, 9), np.nan), close[1:] / close[:-1] - 1])
    market = np.array([day[there].mean() for day, there in zip(returns, member, strict=True)])

    def lowest(row):
        window, candidates = slice(row - 29, row + 1), np.flatnonzero(member[row])
        betas = [np.cov(returns[window, i], market[window])[0, 1] / market[window].var(ddof=1) for i in candidates]
        return set(candidates[np.argsort(betas)[: int(np.ceil(0.3 * len(candidates)))]])

    changed = 0
    for row in range(30, 130):
        refresh = row - (row - 30) % 7
        assert set(np.flatnonzero(~np.isnan(signal[row]))) == lowest(refresh)
        changed += lowest(refresh) != lowest(min(refresh + 1, 129))
    # A day makes a difference at many of the refreshes.
    assert changed > 20
    logs = np.log(close)
    for row, asset in np.argwhere(~np.isnan(signal)):
        moves = np.diff(logs[row - 20 : row + 1, asset])
        assert signal[row, asset] == pytest.approx(moves.sum() / np.sqrt((moves**2).mean() * 20))


def test_the_index_of_a_tail_hedge_earns_what_was_held_the_day_before(make_panel):
    """A name counts from the day after it joins to the day that it leaves; what it did before is nothing to the index.

    A001 doubles on the day that it joins and halves on the next; A002 doubles on the day on which it is gone.
    """
    close = np.full((8, 3), 100.0)
    close[:, 0] = [100, 110, 110, 110, 110, 121, 121, 121]
    close[3:, 1], close[4:, 1], close[6:, 2] = 200.0, 100.0, 200.0
    member = np.ones(close.shape, dtype=bool)
    member[:3, 1] = member[6:, 2] = False
    puts = TailHedge().signal(make_panel(close, member=member))
    growth = [1, 1 + 0.1 / 2, 1, 1, 1 - 0.5 / 3, 1 + 0.1 / 3, 1 + 1 / 3, 1]
    assert_allclose(puts.level[:, 0], np.cumprod(growth))
    assert_allclose(puts.holdings[[2, 3, 6]], [[1 / 2, 0, 1 / 2], [1 / 3, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 0]])
    named = TailHedge(index="A001").signal(make_panel(close, member=member))
    assert_allclose(named.level[:, 0], [np.nan, np.nan, np.nan, 1, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VolatilityArbitrage(threshold=-1), "threshold -1"),
        (lambda: TailHedge(moneyness=1.1), "moneyness must lie between 0 and 1"),
        (lambda: TailHedge(tenor=21), "tenor 21"),
        (lambda: CrisisAlpha(share=0), "share 0"),
        (lambda: CrisisAlpha(lookback=1), "lookback 1"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_unknown_names_are_refused(make_panel):
    panel = make_panel(np.ones((5, 2)))
    with pytest.raises(DataError, match="TLT not in the panel"):
        CrisisAlpha(assets=("A000", "TLT")).weights(panel)
    with pytest.raises(DataError, match="SPY not in the panel"):
        TailHedge(index="SPY").weights(panel)
    with pytest.raises(InputError, match="expire before the next trade, 21 . 50 days later"):
        TailHedge().run(panel, lag=50)
