"""A Gaussian hidden Markov model whose parameters are known, and the probabilities of its states day by day."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from quantray.arrays import Float
from quantray.errors import InputError, SolverError

__all__ = ["HmmParameters", "filtered_probabilities", "stationary_shares"]


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
    """(R, F, F)."""

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
    likelihood = _log_likelihoods(values, parameters)
    with np.errstate(divide="ignore"):
        log_start, log_move = np.log(parameters.start), np.log(parameters.transition)
    out = np.empty(likelihood.shape)
    belief = log_start
    for t, likely in enumerate(likelihood):
        if t:
            top = belief.max()
            belief = np.log(np.exp(belief - top) @ np.exp(log_move)) + top
        belief = belief + likely
        belief = belief - belief.max()
        belief = belief - np.log(np.exp(belief).sum())
        out[t] = belief
    return np.asarray(np.exp(out))


def _log_likelihoods(values: Float, parameters: HmmParameters) -> Float:
    """(T, R) log density of each row in each state; zero where a column is missing, which says nothing."""
    known = ~np.isnan(values).any(axis=1)
    out = np.zeros((len(values), len(parameters.means)))
    for state, (mean, covariance) in enumerate(zip(parameters.means, parameters.covariances, strict=True)):
        try:
            root = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError as error:
            raise SolverError(
                f"the covariance of state {state} is not positive definite; take the "
                "parameters that fit_hmm returns, which refuses such states and names the row behind them."
            ) from error
        apart = solve_triangular(root, (values[known] - mean).T, lower=True)
        size = 2 * np.log(np.diagonal(root)).sum() + len(mean) * np.log(2 * np.pi)
        out[known, state] = -0.5 * ((apart**2).sum(axis=0) + size)
    return out
