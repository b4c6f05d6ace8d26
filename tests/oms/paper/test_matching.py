import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_market import PLACES, costly, dollars, flat_bars, order, rules

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.execution.simulate import MarketPaths, execute
from quantray.execution.venues import Venue
from quantray.oms.paper.matching import Rules, Working, matched
from quantray.oms.paper.places import Place, named_places


def working(*orders, bar=0):
    return [Working(one, one.quantity, bar) for one in orders]


def trades(orders, bars, bar=0, moved=None, **changes):
    found = matched(working(*orders), bars, bar, moved or {}, rules(**changes))
    return {trade.order: (trade.quantity, trade.price, trade.fee) for trade in found}


def test_a_market_order_pays_the_open_half_the_spread_and_the_fee():
    bars = flat_bars(impact=costly(temporary=0, permanent=0, spread_bps=10))
    found = trades([order("buy", 200), order("sell", 200, Side.SELL)], bars)
    assert found == {"buy": (200, dollars(100.05), 6000), "sell": (200, dollars(99.95), 6000)}


def test_impact_is_that_of_the_one_model():
    # A bar is 1/13 day and 5,000 shares are 0.5 % of a day's volume: 2 % * sqrt(0.005 * 13) + 2 % * 0.5 * 0.005 / 2.
    bars = flat_bars(volume=100_000, impact=costly(spread_bps=0))
    paid = 0.02 * np.sqrt(0.005 * 13) + 0.02 * 0.5 * 0.005 / 2
    ((_, price, _),) = trades([order("buy", 5000)], bars).values()
    assert price == np.ceil(dollars(100) * (1 + paid) - 1e-6)


def test_ten_orders_cost_what_one_of_their_size_costs():
    bars = flat_bars(volume=100_000, impact=costly())
    ((_, whole, _),) = trades([order("one", 5000)], bars).values()
    parts = trades([order(f"o{k}", 500) for k in range(10)], bars).values()
    assert sum(quantity for quantity, _, _ in parts) == 5000
    # But for the rounding of each price, of less than a unit a share.
    assert sum(quantity * price for quantity, price, _ in parts) == pytest.approx(5000 * whole, abs=5000)


def test_a_schedule_fares_as_in_the_simulated_market():
    impact, slices = costly(), np.array([4000.0, 0.0, 9000.0, 2000.0])
    bars = flat_bars(volume=40_000, impact=impact)
    path = MarketPaths(np.full((1, 5), 100.0), np.full((1, 4), 40_000.0), bars.days)
    known = execute(slices, path, impact.select([0]), participation=0.2)
    moved, left = 0, 0
    for bar, size in enumerate(slices):
        left += int(size)
        if not left:
            continue
        ((done, price, _),) = trades([order("o", left)], bars, bar, {"AAA": moved}).values()
        assert done == known.filled[0, bar]
        assert price == pytest.approx(dollars(known.paid[0, bar]), abs=1)
        moved, left = moved + done * dollars(100), left - done
    assert left == known.unfilled[0]


@pytest.mark.parametrize(
    ("side", "limit", "low", "high", "price"),
    [
        (Side.BUY, 99, 98, 100, 99),  # the bar goes through a resting limit
        (Side.BUY, 99, 99, 100, None),  # it touches it only
        (Side.BUY, 101, 99, 100, 100),  # the limit reaches the open
        (Side.BUY, 100, 99, 100, 100),
        (Side.SELL, 101, 99, 102, 101),
        (Side.SELL, 101, 99, 101, None),
        (Side.SELL_SHORT, 99, 99, 101, 100),
    ],
)
def test_limits(side, limit, low, high, price):
    found = trades([order("o", 100, side, limit=dollars(limit))], flat_bars([(100, high, low, 100)]))
    assert found == ({} if price is None else {"o": (100, dollars(price), 3000 if price == 100 else 0)})


def test_a_limit_keeps_what_would_cost_more_from_trading():
    bars = flat_bars(volume=100_000, impact=costly(spread_bps=0))
    ((quantity, price, _),) = trades([order("o", 9000, limit=dollars(100.2))], bars).values()
    assert 0 < quantity < 9000
    assert price <= dollars(100.2)
    ((_, more, _),) = trades([order("o", quantity + 1)], bars).values()
    assert more > dollars(100.2)


def test_a_dark_pool_trades_at_the_middle_if_somebody_is_there():
    bars = flat_bars([(100, 101, 99, 100)] * 400, impact=costly())
    always = trades([order("o", 100, venue="DARK_A")], bars)
    assert always == {"o": (100, dollars(100), 1000)}
    half = named_places([Place(Venue(name="DARK_A", kind="dark", latency_ms=0.0), 0.5)])
    hits = [bool(trades([order("o", 100, venue="DARK_A")], bars, bar, places=half)) for bar in range(400)]
    assert 160 < sum(hits) < 240
    assert trades([order("o", 100, limit=dollars(99.5), venue="DARK_A")], bars) == {"o": (100, dollars(99.5), 1000)}


def test_depth_and_participation_bound_a_bar():
    # Of 10,000 shares NYSE has 5,000, BATS 2,500 and the pool 1,000; a fifth of all is 2,500 beside others' 10,000.
    bars = flat_bars()
    assert trades([order("o", 9999)], bars)["o"][0] == 2500
    wide = {"participation": 0.9}
    assert trades([order("o", 9999)], bars, **wide)["o"][0] == 5000
    assert trades([order("o", 9999, venue="BATS")], bars, **wide)["o"][0] == 2500
    assert trades([order("o", 9999, venue="DARK_A")], bars, **wide)["o"][0] == 1000


def test_better_prices_go_first_then_earlier_bars_then_a_draw():
    bars = flat_bars()
    late, early = order("late", 2000), order("early", 2000)
    found = matched([*working(late, bar=1), *working(early, bar=0)], bars, 1, {}, rules())
    assert [trade.order for trade in found] == ["early", "late"]
    assert [trade.quantity for trade in found] == [2000, 500]
    found = trades([order("limit", 2000, limit=dollars(100)), order("market", 2000)], bars)
    assert {name: quantity for name, (quantity, _, _) in found.items()} == {"market": 2000, "limit": 500}
    several = [order(f"o{k}", 2000) for k in range(8)]
    first = {seed: next(iter(trades(several, bars, seed=seed))) for seed in range(12)}
    assert len(set(first.values())) > 2


def test_an_order_that_arrives_late_sees_less_of_its_first_bar():
    slow = named_places([Place(Venue(name="NYSE", latency_ms=900_000, liquidity=0.2))])
    bars = flat_bars()
    late = working(order("o", 9999), bar=0)
    first = matched(late, bars, 0, {}, Rules(participation=0.9, places=slow))
    assert [trade.quantity for trade in first] == [1000]
    assert first[0].seconds >= 900
    assert [trade.quantity for trade in matched(late, bars, 1, {}, Rules(participation=0.9, places=slow))] == [2000]


def test_nothing_trades_where_nothing_is_known():
    assert trades([order("o")], flat_bars(volume=0)) == {}
    assert trades([order("o")], flat_bars(volume=1)) == {}
    assert trades([order("dear", limit=1)], flat_bars()) == {}


orders_of_any_kind = st.lists(
    st.builds(
        lambda k, side, quantity, limit, venue, symbol: order(
            f"o{k}", quantity, side, limit=limit and dollars(limit), venue=venue, symbol=symbol
        ),
        st.integers(0, 10**6),
        st.sampled_from(Side),
        st.integers(1, 5000),
        st.sampled_from([None, 98, 99.5, 100, 100.1, 103]),
        st.sampled_from(sorted(PLACES)),
        st.sampled_from(["AAA", "BBB"]),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)


@given(orders_of_any_kind, st.integers(0, 5), st.randoms(use_true_random=False))
def test_laws_of_a_bar(orders, seed, shuffle):
    bars = flat_bars([(100, 102, 99, 101)], impact=costly())
    found = matched(working(*orders), bars, 0, {}, rules(seed=seed))
    by_id = {one.id: one for one in orders}
    for trade in found:
        one = by_id[trade.order]
        assert 0 < trade.quantity <= one.quantity
        assert one.limit is None or one.side.sign * (one.limit - trade.price) >= 0
        assert 0 <= trade.seconds <= bars.seconds
    for symbol in ("AAA", "BBB"):
        of = [t for t in found if by_id[t.order].symbol == symbol]
        assert sum(t.quantity for t in of) <= 2500
        for name, place in PLACES.items():
            there = sum(t.quantity for t in of if by_id[t.order].venue == name)
            assert there <= 10_000 * place.venue.liquidity
    again = list(orders)
    shuffle.shuffle(again)
    assert matched(working(*again), bars, 0, {}, rules(seed=seed)) == found


@pytest.mark.parametrize("change", [{"participation": 1.0}, {"seed": -1}, {"tick": 0}, {"places": {}}])
def test_rules_out_of_range(change):
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        rules(**change)
