"""Books of shares with a factor model, volumes, groups and scenarios."""

import numpy as np

from quantray.covariance.factor import FactorModel
from quantray.risk.positions.book import Book


def factor_model(n_assets, n_factors, *, seed=0):
    """Loadings about 1 on the first factor and about 0 on the others; daily volatilities near 1 to 2 %."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0, 0.5, (n_assets, n_factors))
    loadings[:, 0] += 1
    root = generator.normal(0, 0.004, (n_factors, n_factors))
    covariance = root @ root.T + np.diag(np.full(n_factors, 2.5e-5))
    return FactorModel(loadings, covariance, generator.uniform(0.5e-4, 4e-4, n_assets))


def model_book(n_assets=40, n_factors=3, *, seed=0, gross=1.0, short=0.25, **changes):
    """A long-short book in four sectors, two strategies and three scenarios; changes replace its fields."""
    generator = np.random.default_rng([seed, 1])
    weights = generator.uniform(0.2, 1, n_assets) * np.where(generator.random(n_assets) < short, -1, 1)
    weights *= gross / np.abs(weights).sum()
    labels = np.array(["Energy", "Health", "Tech", "Utilities"])
    fields = {
        "names": np.array([f"S{i:04d}" for i in range(n_assets)]),
        "weights": weights,
        "model": factor_model(n_assets, n_factors, seed=seed),
        "groups": {
            "sector": labels[generator.integers(0, 4, n_assets)],
            "strategy": np.where(np.arange(n_assets) % 2, "value", "trend"),
        },
        "universe": {"sector": ["Real Estate"]},
        "adv": generator.uniform(0.02, 2, n_assets),
        "spread_bps": generator.uniform(2, 20, n_assets),
        "scenarios": {name: weights * size for name, size in (("crash", 0.2), ("rally", -0.1), ("dip", 0.05))},
    }
    return Book(**(fields | changes))
