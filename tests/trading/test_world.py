"""A manager's world: strategies netted over his own accounts, bars in order, and one that raises hurts no other."""

import numpy as np
import pytest

from quantray.errors import DataError, InputError
from quantray.institution.books import StrategySettings
from quantray.oms.messages import MONEY
from quantray.trading.messages import Holding, News
from quantray.trading.world import World, WorldSettings


class Fixed:
    """A rule that always wants the same."""

    def __init__(self, *weights):
        self.row = np.array(weights)

    def weights(self, panel):
        return np.tile(self.row, (len(panel.dates), 1))


class Raises:
    def weights(self, panel):
        raise ZeroDivisionError("of nothing")


class Unfinished:
    def weights(self, panel):
        return np.full((len(panel.dates), len(panel.assets)), np.nan)


def news(bar, *prices, cash=0, **shares):
    close = tuple(int(price * MONEY) for price in prices)
    held = {"a1": Holding(cash=cash * MONEY, shares=shares)}
    return News(bar=bar, open=close, high=close, low=close, close=close, volume=(1000,) * len(close), accounts=held)


def world(*rules, invested=1.0, band_bps=0.0, **more):
    settings = WorldSettings(
        pm="ann",
        symbols=("AAA", "BBB"),
        accounts=("a1",),
        strategies={
            f"s{number}": StrategySettings(pm="ann", rule="rsi_14", weight=weight, **more)
            for number, (_, weight) in enumerate(rules)
        },
        invested=invested,
        band_bps=band_bps,
    )
    made = World(settings)
    made._rules[:] = [rule for rule, _ in rules]
    return made


def wanted(decided):
    return {(wish.symbol, wish.side): dict(wish.demands) for wish in decided.wishes}


def test_strategies_are_netted_before_anything_is_traded():
    # 0.75 of (1, 0) and 0.25 of (-1, 1): half in AAA, a quarter in BBB.
    made = world((Fixed(1.0, 0.0), 3.0), (Fixed(-1.0, 1.0), 1.0))
    assert wanted(made.decide(news(0, 10, 20, cash=1000))) == {("AAA", "buy"): {"a1": 50}, ("BBB", "buy"): {"a1": 12}}
    # What is there already is not bought again, and what is too much is sold, before purchases.
    decided = made.decide(news(1, 10, 20, cash=100, AAA=70, BBB=10))
    assert [(wish.symbol, wish.side) for wish in decided.wishes] == [("AAA", "sell"), ("BBB", "buy")]
    # 100 + 700 + 200 are worth 1,000: AAA is to be 50 shares, BBB 12.
    assert wanted(decided) == {("AAA", "sell"): {"a1": 20}, ("BBB", "buy"): {"a1": 2}}


def test_accounts_are_long_only_and_never_more_than_invested():
    assert wanted(world((Fixed(-1.0, 0.5), 1.0)).decide(news(0, 10, 20, cash=1000))) == {("BBB", "buy"): {"a1": 25}}
    both = world((Fixed(1.0, 1.0), 1.0), invested=0.8)
    assert wanted(both.decide(news(0, 10, 20, cash=1000))) == {("AAA", "buy"): {"a1": 40}, ("BBB", "buy"): {"a1": 20}}


def test_small_differences_are_left():
    made = world((Fixed(1.0, 0.0), 1.0), band_bps=200.0)
    assert wanted(made.decide(news(0, 10, 20, cash=10, AAA=99))) == {}
    assert wanted(made.decide(news(1, 10, 20, cash=20, AAA=98))) == {("AAA", "buy"): {"a1": 2}}


def test_a_strategy_that_raises_keeps_what_it_wanted_and_the_others_go_on():
    made = world((Fixed(1.0, 0.0), 1.0), (Fixed(0.0, 1.0), 1.0))
    made.decide(news(0, 10, 20, cash=1000))
    made._rules[0] = Raises()
    made._rules[1] = Fixed(0.0, 0.0)
    decided = made.decide(news(1, 10, 20, cash=1000))
    assert decided.failed == {"s0": "ZeroDivisionError: of nothing"}
    assert wanted(decided) == {("AAA", "buy"): {"a1": 50}}
    made._rules[0] = Unfinished()
    assert "are not all numbers" in made.decide(news(2, 10, 20, cash=1000)).failed["s0"]


def test_a_manager_brings_a_strategy_of_his_own():
    own = StrategySettings(pm="ann", rule="own_strategies:dip", parameters={"days": 1, "gross": 0.5})
    settings = WorldSettings(pm="ann", symbols=("AAA", "BBB"), accounts=("a1",), strategies={"dip": own})
    made = World(settings)
    made.take(news(0, 10.0, 20.0))
    made.decide(news(1, 9.0, 21.0, cash=1000))
    assert made.wanted.tolist() == [[0.5, 0.0]]
    with pytest.raises(InputError, match="'own_strategies:nobody' cannot be imported"):
        StrategySettings(pm="ann", rule="own_strategies:nobody").build()


def test_what_strategies_earn_on_paper():
    """From the close at which they decided: 500 of money each, 50 shares up 1 and 25 down 2, and so on."""
    made = world((Fixed(1.0, 0.0), 1.0), (Fixed(0.0, 1.0), 1.0))
    assert made.decide(news(0, 10, 20, cash=1000)).earned == {"s0": 0.0, "s1": 0.0}
    assert made.decide(news(1, 11, 18, cash=1000)).earned == pytest.approx({"s0": 50.0, "s1": -50.0})
    made.take(news(2, 12, 18, cash=1000))
    kept = 500 / 11
    assert made.decide(news(3, 12, 20, cash=1000)).earned == pytest.approx({"s0": 50 + kept, "s1": -50 + 2 * 500 / 18})


def test_an_account_that_owes_money_sells_no_more_than_it_has():
    made = world((Fixed(1.0, 0.0), 1.0))
    assert wanted(made.decide(news(0, 10, 20, cash=-2000, AAA=50))) == {("AAA", "sell"): {"a1": 50}}


def test_strategies_take_turns():
    made = world((Fixed(1.0, 0.0), 1.0), (Fixed(0.0, 1.0), 1.0), every_bars=2)
    assert wanted(made.decide(news(0, 10, 20, cash=1000))) == {("AAA", "buy"): {"a1": 50}}
    assert set(wanted(made.decide(news(1, 10, 20, cash=1000)))) == {("AAA", "buy"), ("BBB", "buy")}


def test_nothing_of_later_bars_is_seen():
    """What a strategy is given ends with the bar that was told last, and is no longer than the window."""
    seen = []

    class Looks:
        def weights(self, panel):
            seen.append(panel.field("close")[:, 0].tolist())
            return np.zeros((len(panel.dates), 2))

    made = world((Looks(), 1.0))
    made.settings = made.settings.model_copy(update={"window": 3})
    for bar in range(5):
        made.decide(news(bar, 10 + bar, 20))
    assert seen == [[10], [10, 11], [10, 11, 12], [11, 12, 13], [12, 13, 14]]


@pytest.mark.parametrize(
    ("bar", "why"), [(4, "came twice"), (2, "came late"), (6, "came too early; the next one is 5")]
)
def test_bars_come_in_order_and_once(bar, why):
    made = world((Fixed(1.0, 0.0), 1.0))
    made.take(news(4, 10, 20))
    with pytest.raises(DataError, match=why):
        made.decide(news(bar, 10, 20))
    assert len(made.news["close"]) == 1
    with pytest.raises(DataError, match="is not of the 2 symbols of ann"):
        made.take(news(5, 10))
