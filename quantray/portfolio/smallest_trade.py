"""The smallest trade after which a portfolio is within its caps, or the caps that no trade can meet together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from quantray.arrays import Float
from quantray.errors import InputError, SolverError
from quantray.portfolio.contributions import vector
from quantray.portfolio.solve import InfeasibleError, Relaxation

__all__ = ["Cap", "smallest_trade"]

_NOISE = 1e-9
"""Trades, fractions of NAV, that are the solver's rounding."""
_ZERO = 1e-7
"""What a cap of zero may be exceeded by."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Cap:
    """One convex limit on R values ``matrix @ (weights - centre)``.

    Parameters
    ----------
    name : for messages.
    form : ``each``, no absolute value is above ``most``; ``above``, no value is; ``sum``, their absolute sum is not;
        ``root``, the root of the sum of their squares is not.
    matrix : (R, N), dense or sparse.
    most : the cap, not negative.
    centre : (N,); zero by default.
    """

    name: str
    form: Literal["each", "above", "sum", "root"]
    matrix: Float | sparse.csr_matrix
    most: float
    centre: Float | None = None

    def value(self, weights: npt.ArrayLike) -> float:
        """What is capped."""
        moved = np.asarray(weights) if self.centre is None else np.asarray(weights) - self.centre
        values = np.asarray(self.matrix @ moved)
        if self.form == "sum":
            return float(np.abs(values).sum())
        if self.form == "root":
            return float(np.sqrt((values**2).sum()))
        return float((values if self.form == "above" else np.abs(values)).max(initial=0.0))


def smallest_trade(
    weights: Float, caps: Sequence[Cap], *, lower: Float, upper: Float, price: Float | None = None
) -> Float:
    """(N,) the trade of least price after which all caps hold.

    Parameters
    ----------
    weights : (N,) held.
    lower, upper : (N,) range of each weight afterwards.
    price : (N,) of a unit traded, positive; all alike by default.

    Returns
    -------
    Zeros where nothing needs to be traded.

    Raises
    ------
    InputError
        Shapes disagree, a range is empty, or a price not positive.
    InfeasibleError
        No weights within their ranges meet all caps; names those in the way and the smallest relaxations, relative to
        the caps.
    SolverError
        Clarabel failed, or its solution does not meet a cap.
    """
    n = len(weights)
    weights, lower, upper = (
        vector(each, n, name) for each, name in ((weights, "weights"), (lower, "lower"), (upper, "upper"))
    )
    price = np.ones(n) if price is None else vector(price, n, "price")
    if not (lower <= upper).all() or not (price > 0).all():
        raise InputError(f"{int((lower > upper).sum())} ranges are empty and the least price is {price.min():g}.")
    inside = ((lower <= weights) & (weights <= upper)).all()
    if inside and all(cap.value(weights) <= cap.most for cap in caps):
        return np.zeros(n)
    from quantray.portfolio.conic_trade import conic_trade  # noqa: PLC0415  (a second to import, and rarely needed)

    found = conic_trade(weights, caps, lower, upper, price / price.mean())
    if found is None:
        raise _refused(caps, lower, upper)
    trade = np.clip(found, lower, upper) - weights
    trade[np.abs(trade) < _NOISE] = 0.0
    for cap in caps:
        if (value := cap.value(weights + trade)) > (cap.most * (1 + 1e-9) if cap.most > 0 else _ZERO):
            raise SolverError(f"the trade that Clarabel found leaves {cap.name} at {value:.9g}.")
    return trade


def _refused(caps: Sequence[Cap], lower: Float, upper: Float) -> SolverError:
    """The caps that exclude each other: those that the smallest relaxations are of."""
    from quantray.portfolio.conic_trade import nearest_weights  # noqa: PLC0415  (as above)

    nearest = nearest_weights(caps, lower, upper)
    if nearest is None:
        return SolverError("Clarabel finds neither a trade nor what is in its way.")
    found = tuple(
        Relaxation(cap.name, cap.most, cap.value(nearest))
        for cap in caps
        if cap.value(nearest) > cap.most * (1 + 1e-6) + 1e-9
    )
    if not found:
        return SolverError("Clarabel finds no trade, though none of the caps seems to be in its way.")
    names = " and ".join(dict.fromkeys(relaxation.name for relaxation in found))
    eased = "; ".join(str(relaxation) for relaxation in found[:3])
    return InfeasibleError(
        f"no trade within its bounds brings the portfolio within {names}; ease {eased}, or allow more trading.", found
    )
