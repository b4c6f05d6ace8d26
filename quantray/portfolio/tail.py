"""Portfolios of least conditional value-at-risk on scenarios."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from quantray.arrays import Float
from quantray.errors import InputError, SolverError

__all__ = ["TailSolution", "minimum_cvar"]


@dataclass(frozen=True, eq=False)
class TailSolution:
    """Weights and the tail loss they leave; losses are positive fractions of NAV."""

    weights: Float
    """(N,)."""
    cvar: float
    """Mean loss in the worst ``1 - level`` of the scenarios."""
    var: float
    """A value-at-risk at the level."""


def minimum_cvar(
    scenarios: Float,
    *,
    level: float = 0.95,
    weight: tuple[float, float] = (0.0, 1.0),
    least_return: float | None = None,
) -> TailSolution:
    """Fully invested weights of least conditional value-at-risk.

    Parameters
    ----------
    scenarios : (S, N) simple returns, equally likely.
    level : confidence, between 0 and 1.
    weight : range of every weight.
    least_return : least mean return over the scenarios.

    Raises
    ------
    InputError
        Not a complete (S, N) array, or a level out of range.
    SolverError
        No weights satisfy the limits.

    Source: Rockafellar and Uryasev (2000), *Optimization of conditional value-at-risk*, Journal of Risk 2(3); solved
    by HiGHS.
    """
    scenarios = np.asarray(scenarios, dtype=np.float64)
    if scenarios.ndim != 2 or scenarios.size == 0 or not np.isfinite(scenarios).all():
        raise InputError(f"scenarios are {scenarios.shape} or incomplete; give (S, N) returns without NaN.")
    if not 0 < level < 1 or not weight[0] <= weight[1]:
        raise InputError(f"level {level} must lie between 0 and 1, and the range {weight} must not be empty.")
    n_scenarios, n_assets = scenarios.shape
    # Variables: weights, the value-at-risk, and one excess loss per scenario.
    cost = np.concatenate([np.zeros(n_assets), [1.0], np.full(n_scenarios, 1 / ((1 - level) * n_scenarios))])
    eye = -sparse.identity(n_scenarios, format="csr")
    tail = sparse.csr_matrix(
        sparse.hstack([sparse.csr_matrix(np.hstack([-scenarios, -np.ones((n_scenarios, 1))])), eye])
    )
    right = np.zeros(n_scenarios)
    if least_return is not None:
        mean = np.concatenate([-scenarios.mean(axis=0), np.zeros(1 + n_scenarios)])
        tail, right = sparse.csr_matrix(sparse.vstack([tail, sparse.csr_matrix(mean)])), np.append(right, -least_return)
    budget = np.concatenate([np.ones(n_assets), np.zeros(1 + n_scenarios)])[None, :]
    bounds = [weight] * n_assets + [(None, None)] + [(0, None)] * n_scenarios
    done = linprog(cost, tail.tocsc(), right, budget, [1.0], bounds=bounds, method="highs")  # type: ignore[call-overload]
    if done.status != 0 or done.x is None or done.fun is None:
        raise SolverError(
            f"no fully invested weights within {weight} reach the limits of the tail problem: {done.message}"
        )
    return TailSolution(np.asarray(done.x[:n_assets]), float(done.fun), float(done.x[n_assets]))
