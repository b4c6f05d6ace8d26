"""The requirement's own test of performance attribution, in this API: institutional-aum.md, section 3."""

import numpy as np
import pytest

from quantray.analytics.attribution.linking import compounded
from quantray.analytics.attribution.strategies import StrategyShares, attribute_strategies


def test_performance_attribution():
    """Attribution across strategies and regimes sums to the total return."""
    rng, periods = np.random.default_rng(5), 1000
    names = ["momentum", "mean_reversion", "arbitrage"]
    dates = np.datetime64("2017-01-02", "D") + np.arange(periods)
    weights = rng.dirichlet([4, 3, 3], periods)
    returns = rng.normal([0.0004, 0.0003, 0.0002], [0.012, 0.008, 0.004], (periods, 3))
    portfolio, benchmark = (weights * returns).sum(axis=1), rng.normal(0.0003, 0.01, periods)

    shares = StrategyShares(names=names, weights=weights, returns=returns)
    results = attribute_strategies(dates, shares, total=portfolio, benchmark=benchmark)

    strategy_sum = sum(results.contribution[name] for name in names)
    assert strategy_sum == pytest.approx(compounded(portfolio), abs=1e-10)
    for name in names:
        effects = [results.breakdown.cell(name, effect) for effect in ("selection", "interaction")]
        assert all(np.isfinite(effects))
        assert results.average_weight[name] == pytest.approx(weights[:, names.index(name)].mean())
        assert results.weight_volatility[name] > 0
