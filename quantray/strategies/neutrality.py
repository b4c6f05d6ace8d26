"""Portfolios without factor exposure: loadings as they were known, and positions freed of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantray.arrays import Bool, Float, Int
from quantray.errors import InputError

__all__ = ["LoadingsHistory", "loadings_history", "neutral"]


@dataclass(frozen=True, eq=False)
class LoadingsHistory:
    """Loadings of N assets on K factors, estimated at R rows of a panel and valid until the next."""

    rows: Int
    """(R,) increasing; loadings know the close of their row."""
    values: Float
    """(R, N, K); NaN for assets without."""

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or len(self.values) != len(self.rows):
            raise InputError(f"loadings {self.values.shape} must be (R, N, K) for {len(self.rows)} rows.")

    def at(self, row: int) -> Float | None:
        """(N, K) loadings that are valid on a row of the panel; None before the first."""
        place = int(np.searchsorted(self.rows, row, side="right")) - 1
        return None if place < 0 else np.asarray(self.values[place])


def loadings_history(
    n_days: int, n_assets: int, n_factors: int, rows: Sequence[int], fit: Callable[[int], tuple[Int, Float] | None]
) -> LoadingsHistory:
    """Loadings from a fit at each of some rows, which gives columns and their (n, K) loadings, or None."""
    rows = [row for row in rows if row < n_days]
    values = np.full((len(rows), n_assets, n_factors), np.nan)
    for place, row in enumerate(rows):
        fitted = fit(row)
        if fitted is not None:
            values[place, fitted[0]] = fitted[1]
    return LoadingsHistory(np.asarray(rows, dtype=np.int64), values)


def neutral(positions_tn: npt.NDArray[np.floating], usable_tn: Bool, loadings: LoadingsHistory) -> Float:
    """The positions nearest to given ones that have no exposure to the factors and no net investment.

    Each day the positions are projected, in the least-squares sense, off the loadings and a constant, among the usable
    assets whose loadings are known; so small hedges spread over all of them.

    Parameters
    ----------
    positions_tn : (T, N), no NaN.
    usable_tn : (T, N) assets that may be held.

    Returns
    -------
    (T, N); zero on days on which fewer than ``2 * (K + 1)`` assets could carry the hedge.

    Raises
    ------
    InputError
        The shapes disagree.
    """
    n_assets, n_factors = loadings.values.shape[1:]
    if positions_tn.shape != usable_tn.shape or positions_tn.shape[1] != n_assets:
        raise InputError(f"positions {positions_tn.shape} do not fit loadings of {n_assets} assets.")
    out = np.zeros(positions_tn.shape)
    for t in np.flatnonzero(positions_tn.any(axis=1)):
        valid = loadings.at(int(t))
        if valid is None:
            continue
        held = usable_tn[t] & np.isfinite(valid).all(axis=1)
        if held.sum() >= 2 * (n_factors + 1):
            out[t, held] = _projected(positions_tn[t, held].astype(np.float64), valid[held])
    return out


def _projected(positions: Float, loadings: Float) -> Float:
    design = np.column_stack([np.ones(len(loadings)), loadings])
    length = np.sqrt((design**2).sum(axis=0))
    design = design / np.where(length > 0, length, 1.0)
    inverse = np.linalg.pinv(design.T @ design, rcond=1e-10, hermitian=True)
    # The second pass takes out what rounding left of the first.
    for _ in range(2):
        positions = positions - design @ (inverse @ (design.T @ positions))
    size = float(np.abs(positions).max())
    # Positions that the factors span entirely leave nothing but rounding.
    return positions if size > 1e-9 else np.zeros_like(positions)
