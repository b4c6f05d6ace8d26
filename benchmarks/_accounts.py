"""A market with a factor model and many accounts, each with holdings, limits, restrictions and gains of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from quantray.covariance.factor import FactorModel
from quantray.institution.managed_accounts import ManagedAccount
from quantray.portfolio.constraints import Limits, Market

SECTORS = 11


@dataclass(frozen=True, eq=False)
class SharedMarket:
    """What all accounts have in common."""

    alpha: np.ndarray
    model: FactorModel
    market: Market


def shared_market(n_assets: int, n_factors: int, seed: int) -> SharedMarket:
    """A month's risk of a market, weaker factors and names, with capitalisations that differ widely."""
    generator = np.random.default_rng([seed, n_assets])
    loadings = generator.normal(0, 1, (n_assets, n_factors))
    loadings[:, 0] = generator.normal(1, 0.3, n_assets)
    deviation = np.r_[0.045, np.linspace(0.02, 0.004, n_factors - 1)]
    model = FactorModel(loadings, np.diag(deviation**2), generator.uniform(0.05, 0.18, n_assets) ** 2)
    market = Market(
        cost=generator.uniform(2e-4, 1e-3, n_assets),
        beta=loadings[:, 0],
        sectors=np.array([f"sector {s + 1}" for s in range(SECTORS)])[generator.integers(0, SECTORS, n_assets)],
    )
    return SharedMarket(generator.normal(0, 4e-3, n_assets), model, market)


def some_accounts(shared: SharedMarket, count: int, seed: int) -> Iterator[ManagedAccount]:
    """Fully invested and long only; a third are taxed, half may not hold some names or a sector."""
    n_assets = shared.model.n_assets
    for place in range(count):
        generator = np.random.default_rng([seed, n_assets, place, 2])
        held = generator.choice(n_assets, min(n_assets, int(generator.integers(60, 1200))), replace=False)
        previous = np.zeros(n_assets)
        previous[held] = generator.dirichlet(np.full(len(held), 2.0))
        restricted = generator.random(n_assets) < 0.02
        if generator.random() < 0.2:
            restricted |= shared.market.sectors == f"sector {generator.integers(SECTORS) + 1}"
        gain = np.clip(generator.normal(0.15, 0.3, n_assets), -0.6, 0.9)
        yield ManagedAccount(
            name=f"account {place + 1:04}",
            previous=previous,
            limits=Limits(
                weight=(0.0, max(float(generator.choice([0.02, 0.03, 0.05])), 1.01 * float(previous.max()))),
                turnover=float(generator.choice([0.1, 0.2, 0.3])),
                beta=(0.85, 1.1),
                sectors={"*": (0.0, float(generator.choice([0.2, 0.25, 0.3])))},
                relax=("turnover",),
            ),
            restricted=restricted if generator.random() < 0.5 else None,
            tax=gain * float(generator.choice([0.15, 0.238, 0.37])) if place % 3 == 0 else None,
        )
