"""Factor models: a covariance that is never formed, its products, how to build one, and where its risk comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quantray.arrays import TRADING_DAYS, Float, Names, finite_square, frozen
from quantray.covariance.factor_risk import factor_risk, specific_risk, without_noise
from quantray.covariance.fundamental import FactorHistory, FundamentalSettings, factor_history
from quantray.covariance.statistical import StatisticalSettings, principal_components
from quantray.errors import DataError, InputError

__all__ = ["FactorModel", "RiskTree", "fundamental_factors", "fundamental_model", "risk_tree", "statistical_factors"]

_LEAST_DAYS = 40
"""Explained days below which a covariance of some twenty factors means nothing."""


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
        Shapes disagree, a value is missing, a specific variance is negative, or the factor covariance is not symmetric
        and positive semidefinite.
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
        if n_factors:
            finite_square(self.factor_covariance, "the factor covariance")
        values = np.linalg.eigvalsh(self.factor_covariance) if n_factors else np.zeros(1)
        if values[0] < -1e-10 * max(values[-1], 0.0):
            raise InputError(
                f"the factor covariance has an eigenvalue of {values[0]:.2g}; repair it with estimators.nearest_psd."
            )
        if self.factor_names is not None and len(self.factor_names) != n_factors:
            raise InputError(f"{len(self.factor_names)} factor names for {n_factors} factors; give each factor one.")
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

    @cached_property
    def root(self) -> Float:
        """(N, K) matrix R with ``R @ R.T`` the covariance due to factors."""
        values, vectors = np.linalg.eigh(self.factor_covariance)
        return frozen(self.loadings @ (vectors * np.sqrt(np.maximum(values, 0.0))))

    @cached_property
    def variances(self) -> Float:
        """(N,) variances of the assets."""
        factor = np.einsum("nk,nk->n", self.loadings @ self.factor_covariance, self.loadings)
        return frozen(factor + self.specific_variance)

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


def statistical_factors(
    returns: Float, n_factors: int | None = None, *, settings: StatisticalSettings | None = None
) -> FactorModel:
    """A factor model from principal components of the standardised returns.

    Parameters
    ----------
    returns : (T, N) simple returns, oldest first; NaN where missing.
    n_factors : how many; by default as the criterion ICp2 of Bai and Ng says, at least one.
    settings : weights of days, the rule for gaps, floor of specific variances, solver and its seed.

    Returns
    -------
    FactorModel
        Factors ``statistical: 1`` and so on, uncorrelated and of unit variance; the notes say what was decided.

    Raises
    ------
    InputError
        The returns are no (T, N) array or infinite, or ``n_factors`` exceeds their days or assets.
    DataError
        An asset has fewer than two returns.

    Source: see ``statistical.principal_components`` and ``statistical.information_criterion``.
    """
    parts = principal_components(returns, n_factors, settings or StatisticalSettings())
    count = parts.loadings.shape[1]
    names = np.array([f"statistical: {k + 1}" for k in range(count)])
    return FactorModel(parts.loadings, np.eye(count), parts.specific_variance, names, parts.notes)


def fundamental_factors(
    close: Float,
    volume: Float,
    *,
    sectors: Sequence[str | None] | Names | None = None,
    caps: Float | None = None,
    settings: FundamentalSettings | None = None,
) -> FactorModel:
    """A factor model from market, sector and style exposures known at the close of the last row.

    Parameters
    ----------
    close, volume, sectors, caps : see ``fundamental.factor_history``.

    Returns
    -------
    FactorModel
        Of the next day's returns. Factors are ``market``, ``sector: ...`` and ``style: ...``. The notes say what stood
        in for missing capitalisations, why sectors were given up, and how far the regime moved the risk.

    Raises
    ------
    InputError
        Shapes disagree or a setting is out of range.
    DataError
        Too few days or assets have known styles.

    Source: Menchero, Orr and Wang (2011), *The Barra US Equity Model (USE4)*, methodology notes.
    """
    history = factor_history(close, volume, sectors=sectors, caps=caps, settings=settings)
    return fundamental_model(history, settings)


def fundamental_model(history: FactorHistory, settings: FundamentalSettings | None = None) -> FactorModel:
    """The factor model of a history, for instance of one that ``fundamental.extend_history`` moved on by a day.

    Raises
    ------
    DataError
        Too few days were explained.
    """
    settings = settings or FundamentalSettings()
    n_days = len(history.factor_returns)
    if n_days < _LEAST_DAYS:
        raise DataError(f"only {n_days} days could be explained; give {_LEAST_DAYS - n_days} more rows at least.")
    covariance, factor_notes = factor_risk(history, settings)
    specific, specific_notes = specific_risk(history, settings)
    covariance = without_noise(covariance, history.portfolios, specific)
    notes = (f"{n_days} days explained", *history.notes, *factor_notes, *specific_notes)
    return FactorModel(history.exposures, covariance, specific, history.factor_names, notes)


@dataclass(frozen=True, eq=False)
class RiskTree:
    """The risk of a portfolio: total = factors, by group and each, + specific; and by asset.

    All but ``marginal`` are parts of the variance over one period, which sum to what they are parts of. A part's share
    of the variance is its share of the volatility too.
    """

    variance: float
    groups: tuple[str, ...]
    """G names such as market, sector and style."""
    group_variance: Float
    """(G,), of sum ``factor_variance``; a part that hedges others is negative."""
    factor_names: Names
    """(K,)."""
    exposures: Float
    """(K,) of the portfolio."""
    by_factor: Float
    """(K,), of sum ``factor_variance``."""
    specific_variance: float
    marginal: Float
    """(N,) change of the volatility per unit of weight."""
    by_asset: Float
    """(N,), of sum ``variance``."""

    @property
    def factor_variance(self) -> float:
        """What the factors explain."""
        return self.variance - self.specific_variance

    @property
    def volatility(self) -> float:
        """Over one period."""
        return float(np.sqrt(self.variance))

    def text(self, periods_per_year: int = TRADING_DAYS) -> str:
        """The tree in lines, annualised; the risks below a node sum to its own."""
        scale = self.volatility * np.sqrt(periods_per_year) / self.variance if self.variance > 0 else 0.0
        share = 1 / self.variance if self.variance > 0 else 0.0
        lines = [
            f"Total risk: {self.variance * scale:.1%}",
            f"├─ Factor risk: {self.factor_variance * scale:.1%} ({self.factor_variance * share:.0%})",
        ]
        for i, (name, value) in enumerate(zip(self.groups, self.group_variance, strict=True)):
            branch = "└─" if i == len(self.groups) - 1 else "├─"
            lines.append(f"│  {branch} {name.capitalize()}: {value * scale:.1%} ({value * share:.0%})")
        specific = self.specific_variance
        return "\n".join([*lines, f"└─ Specific risk: {specific * scale:.1%} ({specific * share:.0%})"])


def risk_tree(model: FactorModel, weights: Float, groups: Sequence[str] | None = None) -> RiskTree:
    """Split the variance of a portfolio among factors, groups of factors, specific risk, and assets.

    A factor's part is its exposure times the covariance of the factor with the portfolio, so covariances between
    factors are shared evenly between the two.

    Parameters
    ----------
    weights : (N,) fractions of NAV, or their difference from a benchmark for active risk.
    groups : (K,) group of each factor; by default what stands before the colon of its name.

    Raises
    ------
    InputError
        The weights do not fit the model or are not finite, or there is not one group per factor.

    Source: Litterman (1996), *Hot spots and hedges*, Journal of Portfolio Management 23.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (model.n_assets,) or not np.isfinite(weights).all():
        raise InputError(f"weights {weights.shape} must be finite, one for each of the {model.n_assets} assets.")
    names = np.asarray(model.factor_names, dtype=np.str_)
    labels = [name.split(":")[0].strip() for name in names.tolist()] if groups is None else [str(g) for g in groups]
    if len(labels) != model.n_factors:
        raise InputError(f"{len(labels)} groups for {model.n_factors} factors; give each factor one.")
    exposures = model.loadings.T @ weights
    by_factor = exposures * (model.factor_covariance @ exposures)
    with_portfolio = model.apply(weights)
    by_asset = weights * with_portfolio
    specific = float(model.specific_variance @ weights**2)
    variance = float(by_factor.sum()) + specific
    unique = tuple(dict.fromkeys(labels))
    by_group = np.array([by_factor[[label == group for label in labels]].sum() for group in unique])
    marginal = with_portfolio / np.sqrt(variance) if variance > 0 else np.zeros_like(weights)
    return RiskTree(variance, unique, by_group, names, exposures, by_factor, specific, marginal, by_asset)
