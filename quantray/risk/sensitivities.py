"""How positions follow the drivers of a market: value, delta, gamma and vega, and full revaluation under shocks."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Int

__all__ = ["Sensitivities"]


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """N positions against M drivers, as fractions of NAV, in E entries of a sparse matrix.

    A position moves by ``delta * change + gamma / 2 * change ** 2`` of each of its drivers, in the units of the
    driver's changes. A position in a foreign currency has an entry for the currency as well.
    """

    value: Float
    """(N,) worth of the positions; unfunded ones are worth nothing."""
    rows: Int
    """(E,) positions."""
    columns: Int
    """(E,) drivers."""
    delta: Float
    """(E,)."""
    gamma: Float
    """(E,)."""
    n_drivers: int
    """M."""

    @property
    def exposure(self) -> Float:
        """(M,) delta of the whole book: what takes the place of weights in a covariance of drivers."""
        return np.asarray(np.bincount(self.columns, self.delta, self.n_drivers), dtype=np.float64)

    @property
    def curvature(self) -> Float:
        """(M,) gamma of the whole book."""
        return np.asarray(np.bincount(self.columns, self.gamma, self.n_drivers), dtype=np.float64)

    def by_position(self, per_driver: Float) -> Float:
        """(N,) sums over drivers of delta times what (M,) a unit of each driver is worth, such as a marginal VaR."""
        return np.asarray(
            np.bincount(self.rows, self.delta * per_driver[self.columns], len(self.value)), dtype=np.float64
        )
