"""Books of shares with a factor model and a past that follows it, for tests and benchmarks of risk."""

from dataclasses import dataclass

import numpy as np

from quantray.covariance.factor import FactorModel
from quantray.risk.limits import Limit
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market

NAV = 1e9
DAY = np.datetime64("2024-01-05")


@dataclass(frozen=True, eq=False)
class SimulatedBook:
    """A long-short book, its market and its true model."""

    holdings: Holdings
    market: Market
    model: FactorModel
    limits: tuple[Limit, ...]


def simulated_book(n_positions: int, n_factors: int = 20, n_days: int = 500, *, seed: int = 0) -> SimulatedBook:
    """A market factor, sectors and styles; gross exposure 1; ten sectors and twenty strategies."""
    generator = np.random.default_rng([seed, n_positions])
    loadings = generator.normal(0, 1, (n_positions, n_factors))
    loadings[:, 0] = generator.normal(1, 0.3, n_positions)
    deviation = np.r_[0.01, np.linspace(0.004, 0.001, n_factors - 1)]
    specific = generator.uniform(0.01, 0.03, n_positions)
    factors = generator.normal(size=(n_days, n_factors)) * deviation
    changes = factors @ loadings.T + generator.normal(size=(n_days, n_positions)) * specific
    names = np.array([f"N{i:05d}" for i in range(n_positions)])
    kinds = np.array(["market", *(f"{'sector' if k <= n_factors // 2 else 'style'}: {k}" for k in range(1, n_factors))])
    market = Market(
        DAY,
        names,
        np.exp(generator.normal(4, 0.5, n_positions)),
        DAY - np.arange(n_days)[::-1],
        changes,
        adv=generator.lognormal(18, 1, n_positions),
        spread_bps=generator.uniform(2, 20, n_positions),
        sectors=np.array([f"sector {i % 10}" for i in range(n_positions)]),
    )
    weights = generator.normal(0.3, 1, n_positions)
    weights /= np.abs(weights).sum()
    strategies = np.array([f"strategy {i % 20}" for i in range(n_positions)])
    holdings = Holdings(names, weights * NAV / market.levels, NAV, strategy=strategies)
    return SimulatedBook(holdings, market, FactorModel(loadings, np.diag(deviation**2), specific**2, kinds), LIMITS)


LIMITS = (
    Limit(name="gross", metric="gross", scope="book", soft=1.5, hard=2.0),
    Limit(name="net", metric="net", scope="book", soft=0.5, hard=1.0),
    Limit(name="single name", metric="gross", scope="every name", soft=0.03, hard=0.05),
    Limit(name="sector", metric="net", scope="every sector", soft=0.1, hard=0.2),
    Limit(name="factor", metric="net", scope="every factor", soft=0.5, hard=1.0),
    Limit(name="value-at-risk", metric="var", scope="book", soft=0.015, hard=0.02, action="reduce"),
    Limit(name="stress", metric="stress loss", scope="every scenario", soft=0.2, hard=0.3),
    Limit(name="days to sell", metric="liquidity days", scope="every name", soft=10, hard=60),
)
