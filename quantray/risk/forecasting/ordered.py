"""Past or simulated returns from the worst on: their tail at any level, for one sort."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.risk.forecasting.history import complete_returns, enough

__all__ = ["OrderedReturns"]


@dataclass(frozen=True, eq=False)
class OrderedReturns:
    """Simple returns from the worst on."""

    returns: Float
    """(T,)."""
    shares: Float | None
    """(T,) of the weight; None where all days count alike."""
    predictive: bool
    """Quantiles that one more day falls below with their own probability."""

    @classmethod
    def of(cls, returns: Float, *, weights: Float | None = None, predictive: bool = False) -> Self:
        """Put returns in order.

        Parameters
        ----------
        returns, weights, predictive : as of ``tail.historical_var``.

        Raises
        ------
        InputError
            A missing return, weights that do not fit, or weights where a predictive quantile is asked for.
        """
        returns = complete_returns(returns)
        if weights is None:
            return cls(np.sort(returns), None, predictive)
        if predictive:
            raise InputError("days that count unlike have no predictive quantile; leave out the weights.")
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != returns.shape or not (weights >= 0).all() or not weights.sum() > 0:
            raise InputError(f"weights {weights.shape} must be one for each of {len(returns)} days, none below zero.")
        order = np.argsort(returns, kind="stable")
        return cls(returns[order], weights[order] / weights.sum(), False)

    def var(self, level: float) -> float:
        """As ``tail.historical_var``, which says when it raises."""
        enough(len(self.returns), level)
        if self.shares is not None:
            return -float(self.returns[self._share_so_far.searchsorted(1 - level)])
        last = len(self.returns) - 1
        place = (1 - level) * last
        if self.predictive:
            place = min(max((1 - level) * (last + 2) - 1, 0.0), float(last))
        # A place that is a day but for rounding is that day, so that all multiples of a portfolio have the same tail.
        place = float(round(place)) if abs(place - round(place)) < 1e-9 else place
        low = int(place)
        at, after = float(self.returns[low]), float(self.returns[min(low + 1, last)])
        return -(at + (place - low) * (after - at))

    def tail(self, level: float) -> tuple[float, float]:
        """Value-at-risk and expected shortfall; as ``tail.historical_tail``."""
        var = self.var(level)
        last = int(self.returns.searchsorted(-var, "right")) - 1
        weight = last + 1 if self.shares is None else self._share_so_far[last]
        return var, -float(self._return_so_far[last] / weight)

    @cached_property
    def _share_so_far(self) -> Float:
        assert self.shares is not None, "only asked where days count unlike"
        return np.asarray(np.cumsum(self.shares))

    @cached_property
    def _return_so_far(self) -> Float:
        return np.asarray(np.cumsum(self.returns if self.shares is None else self.returns * self.shares))
