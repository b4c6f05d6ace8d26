import numpy as np
import pytest

from quantray.analytics.metrics import drawdown
from quantray.errors import InputError
from quantray.risk.drawdown import (
    Protection,
    conditional_drawdown_at_risk,
    drawdown_at_risk,
    drawdowns,
    episodes,
    protected_exposure,
)


def of_prices(*prices):
    prices = np.array([1.0, *prices])
    return prices[1:] / prices[:-1] - 1


def test_falls_and_episodes_by_hand():
    returns = of_prices(1.1, 0.99, 1.045, 1.1, 1.2, 1.08)
    assert np.allclose(drawdowns(returns), [0, 0.1, 0.05, 0, 0, 0.1])
    first, second = episodes(returns)
    assert (first.start, first.trough, first.end, first.length, first.recovery) == (1, 1, 3, 2, 2)
    assert np.isclose(first.depth, 0.1)
    assert (second.start, second.end, second.recovery, second.length) == (5, None, None, 1)


def test_the_deepest_and_longest_are_those_of_the_performance():
    returns = np.random.default_rng(3).normal(0.0002, 0.01, 800)
    deepest, longest = drawdown(returns)
    assert np.isclose(drawdowns(returns).max(), deepest)
    assert max(episode.length for episode in episodes(returns)) == longest
    assert np.isclose(max(episode.depth for episode in episodes(returns)), deepest)


def test_a_high_that_is_long_ago_is_forgotten():
    returns = of_prices(2.0, 1.0, 1.0, 1.0, 1.0)
    assert np.allclose(drawdowns(returns, peak_days=2), [0, 0.5, 0.5, 0, 0])
    assert np.allclose(drawdowns(returns, peak_days=100), [0, 0.5, 0.5, 0.5, 0.5])


def test_drawdown_at_risk_and_its_tail():
    returns = np.random.default_rng(0).normal(0, 0.01, 2000)
    below = drawdowns(returns)
    at_risk = drawdown_at_risk(returns, level=0.9)
    assert np.isclose(at_risk, np.quantile(below, 0.9))
    assert np.isclose(conditional_drawdown_at_risk(returns, level=0.9), below[below >= at_risk].mean())
    assert conditional_drawdown_at_risk(returns) >= drawdown_at_risk(returns)
    with pytest.raises(InputError, match="50 returns say nothing of a level of 0.99"):
        drawdown_at_risk(returns[:50], level=0.99)


def test_exposure_is_cut_in_steps_and_restored_past_the_margin():
    rule = Protection(depths=(0.10, 0.20), exposures=(0.5, 0.0), margin=0.05)
    returns = of_prices(1.0, 0.89, 0.79, 0.82, 0.86, 0.93, 0.96, 1.0)
    # Each day follows the close before: 11 % and 21 % down, 18 % is within the margin, 14 % undoes the second cut.
    assert protected_exposure(returns, rule).tolist() == [1, 1, 0.5, 0, 0, 0.5, 0.5, 1]
    late = Protection(depths=(0.10, 0.20), exposures=(0.5, 0.0), margin=0.05, lag=2)
    assert protected_exposure(returns, late).tolist() == [1, 1, 1, 1, 0.5, 0, 0, 0.5]


def test_what_comes_later_changes_nothing():
    returns = np.random.default_rng(1).normal(0, 0.02, 400)
    whole = protected_exposure(returns)
    assert set(whole.tolist()) == {1.0, 0.75, 0.5, 0.25}
    changed = returns.copy()
    changed[250:] = 0.05
    assert protected_exposure(changed)[:251].tolist() == whole[:251].tolist()
    assert protected_exposure(returns[:300]).tolist() == whole[:300].tolist()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"depths": (0.1, 0.05), "exposures": (0.5, 0.2)}, "must rise within 0 and 1"),
        ({"exposures": (0.75, 0.5)}, "one for each depth"),
        ({"exposures": (0.75, 0.5, -0.1)}, "fall from below 1 to 0"),
        ({"margin": 0.05}, "margin 0.05 must be 0 or more and below the first depth"),
        ({"lag": -1}, "lag -1 not negative"),
    ],
)
def test_rules_out_of_order_are_refused(fields, said):
    with pytest.raises(InputError, match=said):
        Protection(**fields)


def test_missing_returns_are_refused():
    with pytest.raises(InputError, match="1 missing values"):
        drawdowns(np.array([0.01, np.nan]))
    with pytest.raises(InputError, match="peak_days 0"):
        drawdowns(np.array([0.01, 0.01]), peak_days=0)
