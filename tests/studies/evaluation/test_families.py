"""Families: what they search, and that playing many sets together is playing each alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.arrays import frozen_copy
from quantray.backtest.costs import LinearCosts
from quantray.backtest.net import net_returns, strategy_returns
from quantray.errors import InputError
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation.families import CrossFamily, RuleFamily, TradingTerms

TERMS = TradingTerms(costs=LinearCosts(8.0), lag=1)


@pytest.fixture(scope="module")
def panel(market):
    return market.panel.select(market.panel.assets[:25]).until(330)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_rule_of_the_catalogue_can_be_searched(name):
    family = frozen_copy(RuleFamily(CATALOGUE[name]))
    sets = family.space.all()
    assert len(sets) > 3
    assert family.allows(family.default)
    assert len({family.identity(s) for s in sets}) == len(sets)
    assert [key for key, _ in family.default] == [axis.name for axis in family.space.axes]
    # Fewer signals than sets: that is what a sweep saves.
    assert len({family.group(s) for s in sets}) < len(sets)


@pytest.mark.parametrize("name", ["momentum_10_50", "rsi_14"])
def test_sets_played_together_are_sets_played_alone(panel, name):
    family = RuleFamily(CATALOGUE[name])
    sets = family.space.draw(5, seed=3)
    for parameters, net in zip(sets, family.evaluate(panel, sets, TERMS), strict=True):
        rule = family.build(parameters)
        assert_array_equal(net.returns, strategy_returns(rule, panel, TERMS.costs, lag=1))


def test_what_the_options_of_a_rule_earn_is_counted(panel):
    family = RuleFamily(CATALOGUE["tail_hedge"])
    (net,) = family.evaluate(panel, [family.default], TERMS)
    (result,) = family.targets(panel, [family.default], TERMS)
    assert np.abs(result.overlay_returns).sum() > 0
    hedge = net_returns(result.weights, panel.field("close"), costs_bps=LinearCosts(8.0).bps(panel.fields), lag=1)
    assert_allclose(net.returns, hedge.returns + result.overlay_returns)


def test_the_screen_plays_what_its_targets_say(panel):
    family = CrossFamily(fast=(5, 10), slow=(10, 30))
    sets = family.space.all()
    assert len(sets) == 3
    targets = family.targets(panel, sets, TERMS)
    for net, target in zip(family.evaluate(panel, sets, TERMS), targets, strict=True):
        alone = net_returns(
            target.weights, panel.field("close"), costs_bps=LinearCosts(8.0).bps(panel.fields), lag=1, drift=False
        )
        assert_allclose(net.returns, alone.returns, atol=1e-15)
        assert_allclose(net.turnover, alone.turnover, atol=1e-15)


def test_wrong_input_is_refused(panel):
    with pytest.raises(InputError, match="must not be negative"):
        TradingTerms(costs=LinearCosts(-1))
    with pytest.raises(InputError, match="whole numbers of days"):
        CrossFamily().evaluate(panel, [(("fast", 2.5), ("slow", 10))], TERMS)
