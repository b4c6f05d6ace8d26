"""A hidden Markov model whose parameters are known, and the probabilities of its states day by day."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln

from quantray.arrays import Float
from quantray.errors import InputError, SolverError

__all__ = [
    "HmmParameters",
    "distances",
    "filtered_probabilities",
    "log_densities",
    "log_density_at",
    "stationary_shares",
]


@dataclass(frozen=True, eq=False)
class HmmParameters:
    """A model of R states in the units of the observations."""

    start: Float
    """(R,) probabilities of the first row's state."""
    transition: Float
    """(R, R) from row to column."""
    means: Float
    """(R, F)."""
    covariances: Float
    """(R, F, F) of Gaussian states; of Student-t ones the scale, which is ``(tails - 2) / tails`` of the covariance."""
    tails: float = np.inf
    """Degrees of freedom of all states; infinite for Gaussian ones."""

    @property
    def stationary(self) -> Float:
        """(R,) long-run shares of the states."""
        return stationary_shares(self.transition)


def stationary_shares(transition: Float) -> Float:
    """(R,) long-run shares of the states of a chain whose (R, R) probabilities go from row to column."""
    count = len(transition)
    system = np.vstack([transition.T - np.eye(count), np.ones(count)])
    found = np.linalg.lstsq(system, np.append(np.zeros(count), 1.0), rcond=None)[0]
    shares: Float = np.maximum(found, 0.0)
    return np.asarray(shares / shares.sum())


def filtered_probabilities(values: Float, parameters: HmmParameters) -> Float:
    """(T, R) probability of each state given the rows up to and including its own.

    Computed in logarithms, so no length of history underflows. A row with a missing column moves by the transition
    alone.

    Parameters
    ----------
    values : (T, F) observations.

    Raises
    ------
    InputError
        The columns are not those of the parameters.
    SolverError
        A covariance is not positive definite.
    """
    if values.ndim != 2 or values.shape[1] != parameters.means.shape[1]:
        raise InputError(f"observations are {values.shape} for {parameters.means.shape[1]} columns of the model.")
    try:
        likelihood = log_densities(values, parameters)
    except np.linalg.LinAlgError as error:
        raise SolverError(
            f"{error}; take the parameters that fit_hmm returns, which refuses such states and names the row behind "
            "them."
        ) from error
    out = np.empty(likelihood.shape)
    # Some states cannot be reached, and of some nothing is left.
    with np.errstate(divide="ignore"):
        belief = np.log(parameters.start)
        for t, likely in enumerate(likelihood):
            if t:
                top = belief.max()
                belief = np.log(np.exp(belief - top) @ parameters.transition) + top
            belief = belief + likely
            belief = belief - belief.max()
            belief = belief - np.log(np.exp(belief).sum())
            out[t] = belief
    return np.asarray(np.exp(out))


def log_densities(values: Float, parameters: HmmParameters) -> Float:
    """(T, R) log density of each row (T, F) in each state; zero where a column is missing, which says nothing.

    Raises
    ------
    LinAlgError
        A covariance is not positive definite.
    """
    known = ~np.isnan(values).any(axis=1)
    out = np.zeros((len(values), len(parameters.means)))
    apart, log_roots = distances(values[known], parameters)
    out[known] = log_density_at(apart, values.shape[1], parameters.tails) - log_roots
    return out


def log_density_at(apart: Float, columns: int, tails: float) -> Float:
    """Log density at squared Mahalanobis distances, of F columns whose scale has determinant one."""
    if np.isinf(tails):
        return np.asarray(-0.5 * (apart + columns * np.log(2 * np.pi)))
    size = gammaln((tails + columns) / 2) - gammaln(tails / 2) - 0.5 * columns * np.log(np.pi * tails)
    return np.asarray(size - 0.5 * (tails + columns) * np.log1p(apart / tails))


def distances(values: Float, parameters: HmmParameters) -> tuple[Float, Float]:
    """(T, R) squared Mahalanobis distances of rows without gaps, and (R,) half the log determinants.

    Raises
    ------
    LinAlgError
        A covariance is not positive definite.
    """
    states = len(parameters.means)
    apart, log_roots = np.empty((len(values), states)), np.empty(states)
    for state, (mean, covariance) in enumerate(zip(parameters.means, parameters.covariances, strict=True)):
        try:
            root = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError as error:
            raise np.linalg.LinAlgError(f"the covariance of state {state} is not positive definite") from error
        apart[:, state] = (solve_triangular(root, (values - mean).T, lower=True) ** 2).sum(axis=0)
        log_roots[state] = np.log(np.diagonal(root)).sum()
    return apart, log_roots
