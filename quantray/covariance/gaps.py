"""Returns with gaps made ready for a covariance, by one of three named rules.

* ``available`` (default): each asset is centred on the days it has; other days count as zero, and variances are
  rescaled to the days each asset has. The result is positive semidefinite by construction, and equals the ordinary
  estimate where nothing is missing. Correlations of assets that overlap little are pulled to zero.
* ``complete``: only days on which every asset has a return.
* ``refuse``: an error.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.arrays import Bool, Float
from quantray.errors import DataError, InputError

__all__ = ["Centred", "Missing", "centred_returns"]

Missing = Literal["available", "complete", "refuse"]


@dataclass(frozen=True, eq=False)
class Centred:
    """Returns less their means, with gaps as zeros."""

    values: Float
    """(T, N); with weights, each row multiplied by the root of its weight."""
    scale: Float
    """(N,) factors by which the columns make up for their gaps; all one where nothing is missing."""
    known: Bool
    """(T, N) where a return was given; as many rows as ``values``."""
    missing_share: float
    """Of the returns that came in."""

    @property
    def filled(self) -> Float:
        """(T, N) values whose mean square is each asset's own variance, gaps or not."""
        return self.values if (self.scale == 1).all() else self.values * self.scale

    @property
    def days(self) -> float:
        """Returns per asset on average."""
        return float(np.count_nonzero(self.known) / self.known.shape[1])


def centred_returns(returns: Float, missing: Missing, weights: Float | None = None) -> Centred:
    """Returns less their (weighted) means under a rule for gaps.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing.
    weights : (T,) not negative, of sum one; without them all days count alike.

    Raises
    ------
    InputError
        Not a (T, N) array, infinite values, an unknown rule, or missing values under ``refuse``.
    DataError
        An asset has fewer than two returns, or none with a weight; or there are fewer than two complete days.
    """
    returns, known = _checked(returns, missing)
    share = 1 - np.count_nonzero(known) / known.size if known.size else 0.0
    if share and missing == "refuse":
        raise InputError(f"{share:.1%} of the returns are missing; choose missing='available' or 'complete'.")
    if missing == "complete":
        rows = known.all(axis=1)
        returns, known = returns[rows], known[rows]
        weights = None if weights is None else weights[rows] / max(weights[rows].sum(), np.finfo(float).tiny)
    counts = known.sum(axis=0) if share else np.full(returns.shape[1], len(returns))
    if len(returns) < 2 or (counts < 2).any():
        worst = int(np.argmin(counts))
        raise DataError(f"asset {worst} has {counts[worst]} returns in {len(returns)} days; at least 2 are needed.")
    filled = np.where(known, returns, 0.0) if share else returns
    if weights is None:
        values = filled - filled.sum(axis=0) / counts
        if share:
            values[~known] = 0.0
        return Centred(values, np.sqrt((len(returns) - 1) / (counts - 1)), known, share)
    total = weights @ known
    if (total <= 0).any():
        gone = int(np.argmin(total))
        raise DataError(f"asset {gone} has no return recent enough to weigh anything; drop it or raise the decay.")
    values = np.where(known, filled - weights @ filled / total, 0.0) * np.sqrt(weights)[:, None]
    return Centred(values, 1 / np.sqrt(total), known, share)


def _checked(returns: Float, missing: Missing) -> tuple[Float, Bool]:
    """The returns, and where there are any."""
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 2 or returns.shape[1] == 0:
        raise InputError(f"returns are {returns.shape}; they must be (T, N) with at least one asset.")
    known = np.isfinite(returns)
    if not known.all() and np.isinf(returns).any():
        raise InputError("returns hold infinite values; a price of zero is the usual cause.")
    if missing not in ("available", "complete", "refuse"):
        raise InputError(f"missing {missing!r} is not one of available, complete, refuse.")
    return returns, known
