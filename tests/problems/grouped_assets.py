"""Assets that go in groups, and covariances of them."""

import numpy as np

LINKAGES = ("single", "complete", "average", "ward")


def random_returns(n_assets, n_days=300, seed=0):
    """Returns of a market, of groups of assets and of noise."""
    generator = np.random.default_rng(seed)
    groups = generator.normal(size=(n_days, 5))[:, generator.integers(0, 5, n_assets)]
    market = generator.normal(size=(n_days, 1))
    noise = generator.normal(size=(n_days, n_assets))
    return (0.5 * market + groups + noise) * generator.uniform(0.005, 0.03, n_assets)


def random_covariance(n_assets, n_days=300, seed=0):
    return np.atleast_2d(np.cov(random_returns(n_assets, n_days, seed), rowvar=False))


def two_groups(inside=0.8, across=0.1):
    """Two assets that go together, and three others; every volatility its own."""
    group = np.array([0, 1, 0, 1, 1])
    correlation = np.where(group[:, None] == group, inside, across)
    np.fill_diagonal(correlation, 1.0)
    deviation = np.array([0.1, 0.2, 0.15, 0.25, 0.3])
    return correlation * np.outer(deviation, deviation), group
