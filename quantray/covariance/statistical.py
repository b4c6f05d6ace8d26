"""Principal components of standardised returns, how many of them to keep, and what they leave unexplained."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.arrays import Float
from quantray.covariance.gaps import Missing, centred_returns
from quantray.covariance.spectrum import Leading, Spectrum
from quantray.errors import InputError

__all__ = ["Components", "StatisticalSettings", "information_criterion", "principal_components"]


@dataclass(frozen=True, kw_only=True)
class StatisticalSettings:
    """How principal components become a factor model."""

    missing: Missing = "available"
    """Rule for gaps; see ``gaps``."""
    half_life: float | None = None
    """Days after which an observation's weight has halved; by default all days count alike."""
    most_factors: int = 30
    """Upper limit where the number of factors is not given."""
    specific_floor: float = 0.05
    """Least specific variance, as a share of the asset's variance."""
    solver: Literal["auto", "exact", "randomised"] = "auto"
    """``auto`` is exact up to 1,500 days or assets, whichever is fewer, and randomised beyond."""
    seed: int = 0
    """Of the randomised solver."""

    def __post_init__(self) -> None:
        if self.half_life is not None and not 0 < self.half_life < np.inf:
            raise InputError(f"half_life {self.half_life} must be a positive number of days, or None.")
        if self.most_factors < 1:
            raise InputError(f"most_factors {self.most_factors} must be 1 or more.")
        if not 0 <= self.specific_floor < 1:
            raise InputError(f"specific_floor {self.specific_floor} must lie in [0, 1).")
        if self.solver not in ("auto", "exact", "randomised"):
            raise InputError(f"solver {self.solver!r} is not one of auto, exact, randomised.")


@dataclass(frozen=True, eq=False)
class Components:
    """Factors of unit variance, and the rest."""

    loadings: Float
    """(N, K) return per standard deviation of each factor."""
    specific_variance: Float
    """(N,)."""
    notes: tuple[str, ...]


def principal_components(returns: Float, n_factors: int | None, settings: StatisticalSettings) -> Components:
    """Decompose the correlation matrix, so that volatile assets do not own the factors.

    Eigenvalues are freed of the share that noise adds to them (S-POET), and the variance so taken from the factors
    goes to the assets' own. Specific variances are drawn to their mean as far as they could differ by chance
    (empirical Bayes), then floored. Each asset's total variance thus stays near its sample variance.

    Source: Wang and Fan (2017), *Asymptotics of empirical eigenstructure for high dimensional spiked covariance*,
    Annals of Statistics 45.
    """
    unit, deviation, n_days = _standardised(returns, settings)
    rank = min(unit.shape)
    if n_factors is not None and not 1 <= n_factors <= rank:
        raise InputError(f"n_factors {n_factors} must lie between 1 and {rank} for {unit.shape} days and assets.")
    most = min(settings.most_factors, rank) if n_factors is None else n_factors
    # Of all eigenvalues: the correlation has ones on its diagonal, and zeros where nothing moves.
    total, notes = float(np.count_nonzero(deviation)), []
    components = _components(unit, most, settings)
    if n_factors is None:
        criterion = information_criterion(components.values, total, unit.shape[1], n_days)
        n_factors = int(np.argmin(criterion)) + 1
        limit = f", the limit of most_factors {most}" if n_factors == most < rank else ""
        notes.append(f"{n_factors} factors by the criterion ICp2 of Bai and Ng{limit}")
    leading = components.leading(n_factors)
    values, vectors = _without_noise(leading.values, total, unit.shape[1], n_days), leading.vectors
    # Signs are arbitrary; a positive sum makes them reproducible and the first factor a market.
    vectors = vectors * np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)
    loadings = deviation[:, None] * vectors * np.sqrt(values)
    specific = np.maximum(deviation**2 - np.einsum("nk,nk->n", loadings, loadings), 0.0)
    weight = _chance(specific, n_days)
    floor = settings.specific_floor * deviation**2
    shrunk = np.where(deviation > 0, (1 - weight) * specific + weight * specific.mean(), 0.0)
    notes.append(
        f"specific variances shrunk by {weight:.0%} to their mean, {int((shrunk < floor).sum())} raised to the floor"
    )
    return Components(loadings, np.maximum(shrunk, floor), tuple(notes))


def information_criterion(eigenvalues: Float, total: float, n_assets: int, n_days: float) -> Float:
    """(K,) the criterion ICp2 for 1 to K factors; the smallest marks the number to keep.

    It is consistent where specific returns differ in variance and are weakly dependent. The Marchenko-Pastur edge,
    the other common rule, presumes equal and independent noise, and on stocks it counts small industries as factors.

    Parameters
    ----------
    eigenvalues : (K,) of the correlation matrix, largest first.
    total : the sum of all its eigenvalues.

    Source: Bai and Ng (2002), *Determining the number of factors in approximate factor models*, Econometrica 70.
    """
    left = np.maximum(1 - np.cumsum(eigenvalues) / max(total, np.finfo(float).tiny), 1e-10)
    penalty = (n_assets + n_days) / (n_assets * n_days) * np.log(min(n_assets, n_days))
    return np.asarray(np.log(left) + penalty * np.arange(1, len(eigenvalues) + 1))


def _standardised(returns: Float, settings: StatisticalSettings) -> tuple[Float, Float, float]:
    """(T, N) rows whose Gram matrix is the correlation, the (N,) deviations, and the days that count."""
    weights, n_days = None, float(len(returns))
    if settings.half_life is not None:
        weights = 0.5 ** (np.arange(len(returns) - 1, -1, -1) / settings.half_life)
        weights /= weights.sum()
    centred = centred_returns(returns, settings.missing, weights)
    if weights is not None:
        n_days = 1 / float(weights @ weights)
    unit = centred.filled
    size = np.sqrt(np.einsum("tn,tn->n", unit, unit))
    # In place: new memory would cost as much as the arithmetic. What has no size is zero and stays so.
    unit /= np.where(size > 0, size, 1.0)
    deviation = size if weights is not None else size / np.sqrt(len(unit) - 1)
    return unit, deviation, n_days * centred.days / len(returns)


class _Exact:
    """The largest eigenvalues of ``unit.T @ unit`` and their (N, K) eigenvectors, from the smaller of its two forms."""

    def __init__(self, unit: Float, most: int) -> None:
        self._unit, self._most, self._wide = unit, most, len(unit) < unit.shape[1]
        self._spectrum = Spectrum(unit @ unit.T if self._wide else unit.T @ unit)

    @property
    def values(self) -> Float:
        """(most,), the largest first."""
        return np.maximum(self._spectrum.values(self._most), 0.0)

    def leading(self, count: int) -> Leading:
        """Some of them with their vectors."""
        found = self._spectrum.leading(count)
        values = np.maximum(found.values, 0.0)
        if not self._wide:
            return Leading(values, found.vectors)
        size = np.sqrt(np.where(values > 1e-14 * max(values[0], 1e-300), values, np.inf))
        return Leading(values, self._unit.T @ found.vectors / size)


class _Randomised:
    """The same, by random projections, which are good where the largest eigenvalues are few of many."""

    def __init__(self, unit: Float, most: int, seed: int) -> None:
        # Half of the time that quantray would take to start.
        from sklearn.utils.extmath import randomized_svd  # noqa: PLC0415

        _, singular, rows = randomized_svd(unit, most, n_iter=6, random_state=seed)
        self.values, self._vectors = np.asarray(singular**2), np.asarray(rows.T)

    def leading(self, count: int) -> Leading:
        """Some of them with their vectors."""
        return Leading(self.values[:count], self._vectors[:, :count])


def _components(unit: Float, most: int, settings: StatisticalSettings) -> _Exact | _Randomised:
    few = min(unit.shape)
    if settings.solver == "randomised" or (settings.solver == "auto" and few > 1500 and 5 * most < few):
        return _Randomised(unit, most, settings.seed)
    return _Exact(unit, most)


def _without_noise(values: Float, total: float, n_assets: int, n_days: float) -> Float:
    n_factors = len(values)
    degrees = n_assets - n_factors - n_assets * n_factors / n_days
    noise = max(total - float(values.sum()), 0.0) / degrees if degrees > 0 else 0.0
    return np.maximum(values - noise * n_assets / n_days, 0.0)


def _chance(variances: Float, n_days: float) -> float:
    """The share of the spread between variances that their estimation explains: ``2 s**4 / T`` each."""
    spread = float(variances.var())
    expected = 2 * float((variances**2).mean()) / n_days
    return min(expected / spread, 1.0) if spread > expected else 1.0 if expected > 0 else 0.0
