"""Monte Carlo from a factor model: losses of a linear book, what splits them, and scenarios of all drivers.

The specific returns of a linear book come in as one draw a scenario, of their sum; what each position has of it on
average is known exactly. So no scenario of every asset is formed, unless ``driver_scenarios`` is asked for them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import special

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.contributions import vector
from quantray.risk.forecasting.history import complete_returns
from quantray.risk.tail import RiskSplit, expected_shortfall, historical_var

__all__ = ["Empirical", "Marginal", "ScenarioLaw", "Simulated", "driver_scenarios", "simulate"]


_KNOTS = 8192


class Marginal(Protocol):
    """The distribution of one factor's return; those of ``scipy.stats`` with their parameters are some."""

    def ppf(self, q: Float) -> Float:
        """Quantiles at probabilities."""


class Empirical:
    """The distribution of past returns, between which it interpolates and beyond which it does not go.

    Parameters
    ----------
    returns : (T,), at least two; take off their mean where none is expected.

    Raises
    ------
    InputError
        Fewer than two, or a missing return.
    """

    def __init__(self, returns: Float) -> None:
        self._sorted = np.sort(complete_returns(returns))
        if len(self._sorted) < 2:
            raise InputError(f"{len(self._sorted)} returns are no distribution; give at least two.")

    def ppf(self, q: Float) -> Float:
        """See ``Marginal``."""
        n = len(self._sorted)
        return np.asarray(np.interp(q, (np.arange(n) + 0.5) / n, self._sorted))


@dataclass(frozen=True, kw_only=True, eq=False)
class ScenarioLaw:
    """How returns are drawn.

    Raises
    ------
    InputError
        No scenario, or two degrees of freedom or fewer, with which no variance is.
    """

    n_scenarios: int = 10_000
    degrees: float = np.inf
    """Of freedom: normal returns by default, or Student's t with the model's covariance, in which extremes coincide."""
    marginals: Sequence[Marginal] | None = None
    """(K,) of the factors, which a t copula of these degrees and the model's correlations then joins; specific returns
    stay Student's t of the model's variances within the same copula."""
    seed: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        if self.n_scenarios < 1 or not self.degrees > 2:
            raise InputError(
                f"{self.n_scenarios} scenarios with {self.degrees} degrees of freedom; use at least 1, and more than 2."
            )

    @property
    def name(self) -> str:
        """For tables."""
        family = "normal" if np.isinf(self.degrees) else f"Student's t with {self.degrees:g} degrees of freedom"
        return family if self.marginals is None else f"copula of the {family}"


@dataclass(frozen=True, eq=False)
class Simulated:
    """A linear book in S scenarios, equally likely."""

    weights: Float
    model: FactorModel
    factors: Float
    """(S, K) returns."""
    specific: Float
    """(S,) specific return of the whole book."""

    @cached_property
    def losses(self) -> Float:
        """(S,) fractions of NAV, positive where money is lost."""
        return np.asarray(-(self.factors @ (self.model.loadings.T @ self.weights) + self.specific))

    def var(self, level: float = 0.99) -> float:
        """As ``tail.historical_var`` of the scenarios; raises as that does."""
        return historical_var(-self.losses, level=level)

    def shortfall(self, level: float = 0.99) -> float:
        """As ``tail.expected_shortfall`` of the scenarios; raises as that does."""
        return expected_shortfall(-self.losses, level=level)

    def component_shortfall(self, level: float = 0.99) -> RiskSplit:
        """Split ``shortfall`` among positions: what each loses on average beyond the value-at-risk."""
        parts = self._mean_losses(self.losses >= self.var(level))
        return RiskSplit(float(parts.sum()), parts)

    def component_var(self, level: float = 0.99) -> RiskSplit:
        """Split ``var`` among positions: what each loses on average in scenarios that lose about as much.

        These are as many as half of those beyond, on either side; the parts are brought to sum to the value-at-risk.

        Raises
        ------
        InputError
            As ``var``, or nothing can be lost.

        Source: Hallerbach (2003), *Decomposing portfolio value-at-risk: a general analysis*, Journal of Risk 5.
        """
        total, reach = self.var(level), max(1, round((1 - level) * len(self.losses) / 2))
        place = round((1 - level) * (len(self.losses) - 1))
        order = np.argsort(-self.losses, kind="stable")
        near = order[max(0, place - reach) : place + reach + 1]
        chosen = np.zeros(len(self.losses), dtype=np.bool_)
        chosen[near] = True
        parts = self._mean_losses(chosen)
        if not total * parts.sum() > 0:
            raise InputError("the book loses nothing at this level, so there is nothing to split; give it weights.")
        return RiskSplit(total, parts * (total / parts.sum()))

    def _mean_losses(self, chosen: np.ndarray) -> Float:
        """(N,) mean loss of each position in some scenarios, given factors and the sum of specific returns."""
        factor = self.model.loadings @ self.factors[chosen].mean(axis=0)
        own = self.weights**2 * self.model.specific_variance
        share = own / own.sum() if own.sum() > 0 else own
        return np.asarray(-(self.weights * factor + share * self.specific[chosen].mean()))


def simulate(weights: Float, model: FactorModel, law: ScenarioLaw | None = None) -> Simulated:
    """A linear book in scenarios from a factor model; returns have a mean of zero, unless marginals have another.

    Parameters
    ----------
    weights : (N,) fractions of NAV; shorts negative. Of a book of other positions, ``Sensitivities.exposure``.
    model : covariance of one period's returns.
    law : how they are drawn; by default 10,000 normal ones. The same law draws the same scenarios for any weights, so
        that the difference of two books has no noise of its own.

    Raises
    ------
    InputError
        The shapes disagree, a weight is missing, marginals are not one for each factor, or a factor that they join does
        not vary.
    """
    law = law or ScenarioLaw()
    weights = vector(weights, model.n_assets, "weights")
    factors, mixing, generator = _drawn(model, law)
    spread = float(np.sqrt(weights**2 @ model.specific_variance))
    return Simulated(weights, model, factors, spread * mixing * generator.standard_normal(law.n_scenarios))


def driver_scenarios(model: FactorModel, law: ScenarioLaw | None = None, *, block: int = 1000) -> Iterator[Float]:
    """Scenarios of all assets, in blocks of (B, N) returns; the block does not change them.

    Their factors are those of ``simulate`` with the same law, their specific returns drawn one by one. They are what
    ``pricing.revalue_book`` takes, for books that are not linear.

    Raises
    ------
    InputError
        As ``simulate``, or a block of none.
    """
    law = law or ScenarioLaw()
    if block < 1:
        raise InputError(f"blocks of {block} scenarios; use at least 1.")
    factors, mixing, generator = _drawn(model, law)
    deviations = np.sqrt(model.specific_variance)
    for first in range(0, law.n_scenarios, block):
        own = mixing[first : first + block, None] * deviations
        yield factors[first : first + block] @ model.loadings.T + own * generator.standard_normal(own.shape)


def _drawn(model: FactorModel, law: ScenarioLaw) -> tuple[Float, Float, np.random.Generator]:
    """(S, K) factor returns, (S,) what specific returns are multiplied by, and the generator of these."""
    of_factors, of_mixing, of_specific = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(law.seed).spawn(3)
    )
    shocks = of_factors.standard_normal((law.n_scenarios, model.n_factors))
    # Student's t is a normal with a random deviation, common to all; its variance is brought to one.
    mixing = np.ones(law.n_scenarios)
    if np.isfinite(law.degrees):
        mixing = np.sqrt((law.degrees - 2) / of_mixing.chisquare(law.degrees, law.n_scenarios))
    if law.marginals is None:
        return mixing[:, None] * (shocks @ _root(model.factor_covariance).T), mixing, of_specific
    if len(law.marginals) != model.n_factors:
        raise InputError(f"{len(law.marginals)} marginals for {model.n_factors} factors; give one for each.")
    deviations = np.sqrt(np.diagonal(model.factor_covariance))
    if not (deviations > 0).all():
        raise InputError(f"{int((deviations == 0).sum())} factors do not vary, so a copula cannot join them.")
    joined = mixing[:, None] * (shocks @ _root(model.factor_covariance / np.outer(deviations, deviations)).T)
    return _through(law.marginals, joined, law.degrees), mixing, of_specific


def _through(marginals: Sequence[Marginal], joined: Float, degrees: float) -> Float:
    """Values of unit variance, brought to the marginals column by column."""
    # Quantiles of every value would be most of a simulation's time: interpolated between fine knots, closest at zero.
    scaled = np.arcsinh(joined)
    furthest = float(np.abs(scaled).max())
    knots = np.linspace(-furthest, furthest, _KNOTS)
    values = np.sinh(knots)
    if np.isinf(degrees):
        ranks = special.ndtr(values)
    else:
        ranks = special.stdtr(degrees, values * np.sqrt(degrees / (degrees - 2)))
    columns = [np.interp(scaled[:, k], knots, each.ppf(ranks)) for k, each in enumerate(marginals)]
    return np.column_stack(columns)


def _root(covariance: Float) -> Float:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
