"""Weights by rules of users' own: a function of returns or of a covariance, or a class as skfolio has them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError, SolverError
from quantray.own import Thing, arguments, called, gaps_in, is_fitted, numbers, own_thing

__all__ = ["own_weights", "takes_covariance"]

_RETURNS = ("returns", "X")
_SUM_ERROR = 1e-6


def own_weights(
    name: str,
    returns: Float,
    parameters: Mapping[str, Any],
    *,
    covariance: Callable[[], Float],
    invested: float | None = 1.0,
) -> Float:
    """(N,) weights, fractions of NAV with shorts negative, from (T, N) simple returns with NaN where missing.

    Parameters
    ----------
    name : ``module:name``, or as a package registers it among ``quantray.allocators``: of a function whose first
        argument is called ``returns`` or ``covariance``, or of a class with ``fit(X)`` and ``weights_``. It gets a
        copy of what it asks for.
    parameters : of the function, or of the constructor.
    covariance : gives the (N, N) matrix, where it is asked for.
    invested : what the weights must sum to; None for anything.

    Raises
    ------
    InputError
        As ``own.own_thing`` and ``takes_covariance``, or it takes no such parameters.
    SolverError
        It raised an error, or what it gave are no such weights.
    """
    told, rule = f"rule {name!r}", own_thing(name, "allocators")
    given = covariance().copy() if takes_covariance(rule, name) else returns.copy()
    found = called(rule, given, parameters, "weights_", told, gaps_in(returns))
    return _checked(found, returns.shape[1], invested, told)


def takes_covariance(rule: Thing, name: str) -> bool:
    """Whether a rule asks for a covariance rather than for returns.

    Raises
    ------
    InputError
        It does not say which, or is a class without ``fit``.
    """
    if is_fitted(rule):
        return False
    first = (*arguments(rule), "")[0]
    if isinstance(rule, type) or first not in (*_RETURNS, "covariance"):
        found = "class without fit" if isinstance(rule, type) else f"function of {first!r}"
        raise InputError(
            f"rule {name!r} is a {found}; it must be a function whose first argument is called returns or "
            "covariance, or a class with fit(X) and weights_."
        )
    return first == "covariance"


def _checked(found: Any, n_assets: int, invested: float | None, told: str) -> Float:
    weights = numbers(found, told, f"an array ({n_assets},) of weights")
    if weights.shape != (n_assets,):
        raise SolverError(f"{told} gave {weights.shape} weights; it must give ({n_assets},), one for each asset.")
    if not np.isfinite(weights).all():
        raise SolverError(
            f"{told} gave {(~np.isfinite(weights)).sum()} weights of {n_assets} that are NaN or infinite."
        )
    if invested is not None and abs(weights.sum() - invested) > _SUM_ERROR:
        raise SolverError(
            f"{told} gave weights that sum to {weights.sum():.6g}, not to {invested:g}; say invested: "
            f"{weights.sum():.3g}, or null where any sum is meant."
        )
    return weights
