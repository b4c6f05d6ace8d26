"""Factor models: a covariance that is never formed, its products, and how to build one."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Names
from quantray.errors import InputError

__all__ = ["FactorModel"]


@dataclass(frozen=True, eq=False)
class FactorModel:
    """Covariance ``loadings @ factor_covariance @ loadings.T + diag(specific_variance)`` of N assets, K factors.

    Parameters
    ----------
    loadings : (N, K).
    factor_covariance : (K, K), symmetric and positive semidefinite, of returns over one period.
    specific_variance : (N,), not negative.
    factor_names : (K,); by default ``factor 1`` and so on.
    notes : what a builder decided or fell back on, for the reader.

    Raises
    ------
    InputError
        Shapes disagree, a value is missing, a specific variance is negative, or the factor covariance is not
        positive semidefinite.
    """

    loadings: Float
    factor_covariance: Float
    specific_variance: Float
    factor_names: Names | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_assets, n_factors = self.loadings.shape if self.loadings.ndim == 2 else (-1, -1)
        if self.factor_covariance.shape != (n_factors, n_factors) or self.specific_variance.shape != (n_assets,):
            raise InputError(
                f"loadings {self.loadings.shape}, factor covariance {self.factor_covariance.shape} and specific "
                f"variance {self.specific_variance.shape} do not fit; they must be (N, K), (K, K) and (N,)."
            )
        for name in ("loadings", "factor_covariance", "specific_variance"):
            if not np.isfinite(getattr(self, name)).all():
                raise InputError(f"{name} holds NaN or infinite values; leave out assets without history.")
        if (self.specific_variance < 0).any():
            raise InputError(f"{int((self.specific_variance < 0).sum())} specific variances are negative.")
        values = np.linalg.eigvalsh(self.factor_covariance) if n_factors else np.zeros(1)
        if values[0] < -1e-10 * max(values[-1], 0.0):
            raise InputError(
                f"the factor covariance has an eigenvalue of {values[0]:.2g}; repair it with estimators.nearest_psd."
            )
        if self.factor_names is None:
            object.__setattr__(self, "factor_names", np.array([f"factor {k + 1}" for k in range(n_factors)]))

    @property
    def n_assets(self) -> int:
        """N."""
        return len(self.specific_variance)

    @property
    def n_factors(self) -> int:
        """K."""
        return int(self.loadings.shape[1])

    @property
    def root(self) -> Float:
        """(N, K) matrix R with ``R @ R.T`` the covariance due to factors."""
        values, vectors = np.linalg.eigh(self.factor_covariance)
        return np.asarray(self.loadings @ (vectors * np.sqrt(np.maximum(values, 0.0))))

    @property
    def variances(self) -> Float:
        """(N,) variances of the assets."""
        factor = np.einsum("nk,nk->n", self.loadings @ self.factor_covariance, self.loadings)
        return np.asarray(factor + self.specific_variance)

    def apply(self, weights: Float) -> Float:
        """The covariance times (N,) weights, or times each column of (N, M)."""
        factor = self.loadings @ (self.factor_covariance @ (self.loadings.T @ weights))
        return np.asarray(factor + (self.specific_variance * weights.T).T)

    def variance(self, weights: Float) -> float:
        """The variance of a portfolio of (N,) weights."""
        exposure = self.loadings.T @ weights
        return float(exposure @ self.factor_covariance @ exposure + self.specific_variance @ weights**2)

    def select(self, assets: np.ndarray) -> "FactorModel":
        """The model of some assets, given as positions or a mask."""
        return FactorModel(
            self.loadings[assets],
            self.factor_covariance,
            self.specific_variance[assets],
            self.factor_names,
            self.notes,
        )

    def dense(self) -> Float:
        """The (N, N) covariance; the only place that forms it."""
        root = self.root
        out: Float = root @ root.T
        out[np.diag_indices_from(out)] += self.specific_variance
        return out
