"""Whole lots out of fractions, so that they add up."""

import numpy as np
import numpy.typing as npt

from quantray.arrays import Float, Int
from quantray.errors import InputError

__all__ = ["apportioned", "whole_quantities"]


def apportioned(total: npt.ArrayLike, shares: Float, *, lot: npt.ArrayLike = 1) -> Int:
    """(..., B) whole quantities that sum to (...) totals, by the largest remainder; among equal ones, the earlier.

    Parameters
    ----------
    total : (...) not negative.
    shares : (..., B) or (B,), not negative, with a positive sum where there is anything to divide; any scale.
    lot : of which quantities are multiples; what is left of the total beyond whole lots comes with the last that is
        not zero.

    Raises
    ------
    InputError
        A total is negative or not whole, a lot is not positive, or shares are negative, unknown or all zero.

    Source: Hamilton's method of apportionment.
    """
    total, lots = whole_quantities(total), whole_quantities(lot, name="lot")
    shares = np.asarray(shares, dtype=np.float64)
    if (lots < 1).any():
        raise InputError(f"a lot of {int(lots.min())} is no lot; give 1 or more.")
    if not np.isfinite(shares).all() or (shares < 0).any():
        raise InputError("shares of a schedule must be finite and not negative.")
    weight = shares.sum(axis=-1, keepdims=True)
    if ((weight[..., 0] <= 0) & (total > 0)).any():
        raise InputError("all shares of a schedule are zero; give at least one time something to trade.")
    whole = (total // lots)[..., None]
    exact = whole * np.divide(shares, weight, out=np.zeros_like(shares), where=weight > 0)
    # A hair below a whole number is that number; of billions, too, a hair is no share.
    down = np.floor(exact + 1e-9 * np.clip(exact, 1e-3, 1e6)).astype(np.int64)
    left = whole[..., 0] - down.sum(axis=-1)
    # Remainders that differ by rounding alone are equal; stable, so that these are served in order of time.
    remainder = np.round(exact - down, 9)
    rank = np.argsort(np.argsort(-remainder, axis=-1, kind="stable"), axis=-1, kind="stable")
    out = (down + (rank < left[..., None])) * lots[..., None]
    odd = total - out.sum(axis=-1)
    if odd.any():
        n_bins = out.shape[-1]
        last = n_bins - 1 - np.argmax((out > 0)[..., ::-1], axis=-1)
        first = np.argmax(shares > 0, axis=-1) * np.ones_like(last)
        place = np.where((out > 0).any(axis=-1), last, first)
        np.put_along_axis(out, place[..., None], np.take_along_axis(out, place[..., None], -1) + odd[..., None], -1)
    return np.asarray(out, dtype=np.int64)


def whole_quantities(values: npt.ArrayLike, *, name: str = "quantity") -> Int:
    """The values as integers.

    Raises
    ------
    InputError
        One is negative or no whole number.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "iuf" or not np.isfinite(given).all() or (given != np.floor(given)).any():
        raise InputError(f"a {name} is not a whole number; round to shares first.")
    if (given < 0).any():
        raise InputError(f"{name} {given.min():g} is negative; say sell by the order's side.")
    return given.astype(np.int64)
