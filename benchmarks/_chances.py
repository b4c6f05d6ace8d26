"""Simulated markets whose days follow a known law, for benchmarks of forecasts of their distribution."""

from collections.abc import Callable

import numpy as np

from quantray.arrays import Float

_BURN_IN = 500


def independent(n: int, generator: np.random.Generator) -> Float:
    """(n,) days with the fat tails of Student's t of 5, none of which tells of another."""
    return np.asarray(0.0003 + 0.01 * np.sqrt(3 / 5) * generator.standard_t(5, n))


def garch(n: int, generator: np.random.Generator) -> Float:
    """(n,) days of a GARCH(1, 1) with Student's t of 7."""
    shocks = np.sqrt(5 / 7) * generator.standard_t(7, n + _BURN_IN)
    variance, found = 1e-4, np.empty(n + _BURN_IN)
    for t, shock in enumerate(shocks.tolist()):
        found[t] = np.sqrt(variance) * shock
        variance = 0.012e-4 + 0.09 * found[t] ** 2 + 0.898 * variance
    return 0.0003 + found[_BURN_IN:]


def stochastic(n: int, generator: np.random.Generator) -> Float:
    """(n,) days whose log volatility is the sum of a slow and a fast part, the fast one moved more by losses."""
    normals = generator.normal(size=(3, n + _BURN_IN))
    slow = fast = 0.0
    found = np.empty(n + _BURN_IN)
    for t, (shock, own, other) in enumerate(normals.T.tolist()):
        found[t] = 0.009 * np.exp(slow + fast - 0.12) * shock
        slow, fast = 0.998 * slow + 0.02 * other, 0.96 * fast + 0.09 * (-0.6 * shock + 0.8 * own)
    return 0.0003 + found[_BURN_IN:]


def regimes(n: int, generator: np.random.Generator) -> Float:
    """(n,) days of rising and falling markets, of 250 and 83 days on average, which differ in drift and volatility."""
    falling, found = False, np.empty(n)
    for t, (turn, shock) in enumerate(
        zip(generator.random(n).tolist(), generator.normal(size=n).tolist(), strict=True)
    ):
        falling ^= turn < (0.012 if falling else 0.004)
        found[t] = -0.0006 + 0.019 * shock if falling else 0.0007 + 0.007 * shock
    return found


LAWS: dict[str, Callable[[int, np.random.Generator], Float]] = {
    "independent": independent,
    "GARCH": garch,
    "stochastic volatility": stochastic,
    "regimes with drifts": regimes,
}
