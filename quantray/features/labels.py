"""What a forecast is trained on: returns after the decision, scaled within each date."""

from typing import Literal

import numpy as np

from quantray.arrays import Bool, Float
from quantray.errors import InputError
from quantray.features.cross_section import ranks, robust_zscores
from quantray.features.returns import carried_forward, delisting_returns

__all__ = ["forward_returns", "standardised_labels"]


def forward_returns(close_tn: Float, *, horizon: int, lag: int, delist_tn: Float | None = None) -> Float:
    """Returns earned by a decision at the close of t: from the close of ``t + lag`` to that of ``t + lag + horizon``.

    An asset that stops trading in between keeps its last close, as a holder would until paid out: leaving it out
    would train on survivors. Where its delisting return is known by the label's last row, it is part of the label. So
    row t looks exactly ``lag + horizon`` rows ahead, as ``data.splits.label_gap`` counts.

    Parameters
    ----------
    close_tn : (T, N) adjusted closes; NaN where unknown.
    horizon : trading days that the return covers, 1 or more.
    lag : trading days from the decision to the first close, 0 or more.
    delist_tn : (T, N) the panel's ``delist_return``, if it has one; see ``features.returns.delisting_returns``.

    Returns
    -------
    (T, N) simple returns; NaN where the first close is unknown and in the last ``horizon + lag`` rows.

    Raises
    ------
    InputError
        Not a (T, N) array, or the horizon or lag is too small.
    """
    if close_tn.ndim != 2:
        raise InputError(f"closes are {close_tn.shape}; they must be (T, N).")
    if horizon < 1 or lag < 0:
        raise InputError(f"horizon {horizon} must be 1 or more and lag {lag} 0 or more.")
    out = np.full(close_tn.shape, np.nan)
    reach = horizon + lag
    if reach < len(close_tn):
        filled, _ = carried_forward(close_tn)
        np.divide(filled[reach:], close_tn[lag:-horizon], out=out[:-reach])
        if delist_tn is not None:
            out[:-reach] *= 1 + np.nan_to_num(delisting_returns(close_tn, delist_tn)[reach:])
        out[:-reach] -= 1.0
    return out


def standardised_labels(returns_tn: Float, member_tn: Bool, *, scaling: Literal["rank", "zscore"] = "zscore") -> Float:
    """(T, N) forward returns on the scale of their date's members; NaN outside the membership of the decision date.

    Parameters
    ----------
    returns_tn : (T, N) from ``forward_returns``; NaN where unknown.
    member_tn : (T, N) membership on the date of the decision.
    scaling : ``rank`` from -0.5 to 0.5, or ``zscore`` by median and median deviation, clipped at 4.

    Raises
    ------
    InputError
        Shapes disagree or the scaling is unknown.
    """
    if scaling not in ("rank", "zscore"):
        raise InputError(f"scaling {scaling!r} is not one of rank, zscore.")
    scaled = ranks(returns_tn, member_tn) if scaling == "rank" else robust_zscores(returns_tn, member_tn)
    return np.where(member_tn, scaled, np.nan)
