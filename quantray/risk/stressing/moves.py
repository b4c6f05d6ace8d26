"""How drivers and factors move together: what a risk model expects of all of them, given what some of them do."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from quantray.arrays import Float, Int
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError

__all__ = ["Expectation", "Moves", "expected_moves", "filled_moves"]


@dataclass(frozen=True, eq=False)
class Moves:
    """Moves of M drivers and K factors."""

    drivers: Float
    """(M,), or (T, M) day by day."""
    factors: Float
    """(K,), or (T, K) day by day."""


@dataclass(frozen=True, eq=False)
class Expectation:
    """What a model expects of all moves, given those of G portfolios and factors, if moves are normal with mean 0."""

    variance: Float
    """(G, G) of what is given."""
    inverse: Float
    """(G, G) its pseudoinverse."""
    drivers: Float
    """(M, G) moves of the drivers per unit of what is given, through the inverse."""
    factors: Float
    """(K, G) of the factors."""

    @classmethod
    def of(cls, model: FactorModel, portfolios: Float, factors: Int) -> Self:
        """Of (J, M) portfolios of drivers and the (F,) places of factors; G is J + F."""
        loads = np.vstack([portfolios @ model.loadings, np.eye(model.n_factors)[factors]])
        own, n = portfolios * model.specific_variance, len(portfolios)
        with_factors = loads @ model.factor_covariance
        variance = with_factors @ loads.T
        variance[:n, :n] += own @ portfolios.T
        size = np.sqrt(np.diagonal(variance))
        scale = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        # The pseudoinverse by hand, which takes a third of the time of numpy's for so few.
        sizes, axes = np.linalg.eigh(variance * np.outer(scale, scale))
        told = np.abs(sizes) > 1e-10 * max(float(np.abs(sizes).max(initial=0.0)), 0.0)
        inverse = (axes * np.divide(1.0, sizes, out=np.zeros_like(sizes), where=told)) @ axes.T * np.outer(scale, scale)
        moved = with_factors.T @ inverse
        return cls(variance, inverse, model.loadings @ moved + own.T @ inverse[:n], moved)

    def given(self, moves: Float) -> Moves:
        """All moves, given (G,) of them; raises as ``expected_moves``."""
        off = np.abs(self.variance @ (self.inverse @ moves) - moves) > 1e-6 * max(
            float(np.abs(moves).max(initial=0.0)), 1e-300
        )
        if off.any():
            raise InputError(
                f"the shocks contradict one another: under the risk model {int(off.sum())} of {len(moves)} cannot be "
                "with the others; leave some out."
            )
        return Moves(self.drivers @ moves, self.factors @ moves)


def expected_moves(model: FactorModel, portfolios: Float, moves: Float, factors: Int, factor_moves: Float) -> Moves:
    """The mean of all moves, given those of J portfolios of drivers and of F factors, if moves are normal with mean 0.

    Parameters
    ----------
    portfolios : (J, M) weights of drivers.
    moves : (J,) of the portfolios.
    factors : (F,) places of factors in the model.
    factor_moves : (F,).

    Raises
    ------
    InputError
        The moves contradict one another: under the model they cannot all be.
    """
    return Expectation.of(model, portfolios, factors).given(np.concatenate([moves, factor_moves]))


def filled_moves(model: FactorModel, changes: Float) -> Moves:
    """Moves of every driver on every day: what is known, and where nothing is, what the factors did to it.

    A day's factor moves are their mean given the moves that are known that day, if moves are normal with mean 0.

    Parameters
    ----------
    changes : (T, M); NaN where unknown.
    """
    values, vectors = np.linalg.eigh(model.factor_covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    loads = model.loadings @ root
    # A driver without risk of its own tells the factors nearly, rather than infinitely, well.
    floor = 1e-9 * float(model.variances.max(initial=0.0))
    precise = loads / np.maximum(model.specific_variance, max(floor, 1e-300))[:, None]
    known = ~np.isnan(changes)
    factors, seen, inverse = np.zeros((len(changes), model.n_factors)), None, np.eye(model.n_factors)
    for day, there in enumerate(known):
        if seen is None or not np.array_equal(there, seen):
            seen, inverse = there, np.linalg.inv(np.eye(model.n_factors) + loads[there].T @ precise[there])
        factors[day] = root @ (inverse @ (precise[there].T @ changes[day, there]))
    return Moves(np.where(known, changes, factors @ model.loadings.T), factors)
