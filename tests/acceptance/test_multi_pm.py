"""The requirement's own tests of an institution with several portfolio managers."""

from decimal import Decimal

import numpy as np

from quantray.institution.capital import CapitalSettings, decide_capital


def test_capital_allocation():
    """Of two managers whose volatilities are 15 and 10 % a year the calmer one gets more."""
    noise = np.random.default_rng(0).standard_normal((252, 2))
    returns = noise / noise.std(axis=0, ddof=1) * np.array([0.15, 0.10]) / np.sqrt(252)
    for method in ("risk_parity", "inverse_volatility"):
        decision = decide_capital(
            returns,
            ("PM_A", "PM_B"),
            Decimal(100_000_000),
            CapitalSettings(method=method, drawdown=None),
            day="2024-01-31",
            trigger="asked for",
        )
        assert decision.capital["PM_B"] > decision.capital["PM_A"]
        # With correlations next to none both are 1/vol: 60 and 40 %.
        assert abs(float(decision.capital["PM_B"]) / 1e8 - 0.6) < 0.01
