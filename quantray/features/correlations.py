"""Standardised returns of a window, and their correlations block by block: never the whole matrix at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from quantray.arrays import Bool, Dates, Float, Int, Names
from quantray.errors import InputError

__all__ = ["BLOCK", "ReturnWindow", "eligible_assets", "return_window"]

BLOCK = 256
"""Rows of the correlation matrix that exist at a time."""


@dataclass(frozen=True, eq=False)
class ReturnWindow:
    """Standardised returns of the M assets with enough history."""

    columns: Int
    """(M,) their places among all assets."""
    values: Float
    """(T, M) of mean zero and mean square one on each asset's days; zero elsewhere."""
    known: Float
    """(T, M) one where a return is known."""
    least_days: int

    def among(self, chosen: Bool) -> Self:
        """The window of some of its assets."""
        return type(self)(self.columns[chosen], self.values[:, chosen], self.known[:, chosen], self.least_days)

    def correlation_blocks(self) -> Iterator[tuple[slice, Float]]:
        """Blocks of rows of the (M, M) pairwise complete correlations; NaN where a pair has too few common days."""
        complete = bool(self.known.all())
        squares = self.values**2
        for start in range(0, len(self.columns), BLOCK):
            rows = slice(start, min(start + BLOCK, len(self.columns)))
            products = self.values[:, rows].T @ self.values
            if complete:
                yield rows, products / len(self.values)
                continue
            days = self.known[:, rows].T @ self.known
            own = self.values[:, rows].T @ self.known
            other = self.known[:, rows].T @ self.values
            with np.errstate(divide="ignore", invalid="ignore"):
                own_variance = squares[:, rows].T @ self.known - own**2 / days
                other_variance = self.known[:, rows].T @ squares - other**2 / days
                correlation = (products - own * other / days) / np.sqrt(own_variance * other_variance)
            # A pair that is flat on its common days has no correlation; rounding must not invent one.
            usable = (days >= self.least_days) & (np.minimum(own_variance, other_variance) > 1e-9 * days)
            yield rows, np.where(usable, correlation, np.nan)


def return_window(
    returns: Float,
    assets: Names,
    dates: Dates,
    member: Bool | None,
    residual: bool,
    min_history: float,
    n_factors: int = 0,
) -> ReturnWindow:
    """The returns of a window, standardised per asset over the days it has.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where unknown.
    assets, dates : (N,) and (T,), the dates increasing.
    member : (N,) assets to keep; None keeps all.
    residual : take out each date's mean over the kept assets first.
    min_history : share of the days that an asset must have to be kept, and a pair in common to be correlated.
    n_factors : leading principal components of the standardised returns to take out, so that what correlations are
        left are those of pairs and small groups.

    Raises
    ------
    InputError
        Shapes disagree, dates do not increase, returns are infinite, ``min_history`` is no share, or there are as many
        factors as dates.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if returns.shape != (len(dates), len(assets)) or len(dates) < 2:
        raise InputError(
            f"returns are {returns.shape} for {len(dates)} dates and {len(assets)} assets; "
            "give the (T, N) returns of at least two dates."
        )
    if (np.diff(dates.astype("datetime64[D]")).astype(np.int64) <= 0).any():
        raise InputError("the window's dates do not increase; its last date must be the latest that made the graph.")
    if np.isinf(returns).any():
        raise InputError("returns hold infinite values; a price of zero is the usual cause.")
    if not 0 < min_history <= 1:
        raise InputError(f"min_history {min_history} is a share of the window's days, above 0 and at most 1.")
    if not 0 <= n_factors < len(dates):
        raise InputError(f"{n_factors} factors cannot be taken out of {len(dates)} dates; take fewer, 0 for none.")
    least = max(2, int(np.ceil(min_history * len(dates))))
    known = ~np.isnan(returns)
    enough = eligible_assets(member, len(assets)) & (known.sum(axis=0) >= least)
    columns = np.flatnonzero(enough)
    known = known[:, columns]
    values = np.where(known, returns[:, columns], 0.0)
    if residual:
        values = np.where(known, values - (values.sum(axis=1) / np.maximum(known.sum(axis=1), 1))[:, None], 0.0)
    values, moving = _standardised(values, known)
    columns, known = columns[moving], known[:, moving]
    if n_factors:
        _, vectors = np.linalg.eigh(values @ values.T)
        factors = vectors[:, -n_factors:]
        values, moving = _standardised(np.where(known, values - factors @ (factors.T @ values), 0.0), known)
        columns, known = columns[moving], known[:, moving]
    return ReturnWindow(columns, values, known.astype(np.float64), least)


def _standardised(values: Float, known: Bool) -> tuple[Float, Bool]:
    """Mean zero and mean square one over known days, of the columns that move; and which those are."""
    days = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, values - values.sum(axis=0) / days, 0.0)
    deviation = np.sqrt((values**2).sum(axis=0) / days)
    # Returns that never move have no correlation; what rounding leaves of them must not make one.
    moving = deviation > 1e-12
    return values[:, moving] / deviation[moving], moving


def eligible_assets(member: Bool | None, n_assets: int) -> Bool:
    """(N,) which assets may be linked; all without a membership.

    Raises
    ------
    InputError
        The membership has another shape.
    """
    if member is None:
        return np.ones(n_assets, dtype=np.bool_)
    if member.shape != (n_assets,):
        raise InputError(f"member is {member.shape} for {n_assets} assets; give one row of the membership.")
    return np.asarray(member, dtype=np.bool_)
