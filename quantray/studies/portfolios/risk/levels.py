"""The levels of a study's limits at each decision, moved by what was known at its close."""

from collections.abc import Sequence

import numpy as np

from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.features.returns import simple_returns
from quantray.regimes.indicators import market_lens, volatility_lens
from quantray.regimes.path import UNKNOWN, RegimePath
from quantray.regimes.week import week_classes
from quantray.risk.forecasting.quantiles import normal_quantile
from quantray.risk.limiting.limit_levels import Conditions, LevelChange, moved_levels
from quantray.risk.limiting.trust import TrustRule, trust
from quantray.risk.limits import Limit

__all__ = ["MovingLevels"]


class MovingLevels:
    """Limits that move where they ask for it, from one decision of a portfolio to the next.

    Regimes of volatility and classes of weeks are those of the panel's market. Trust is in the risk model's forecasts
    of what was decided: each day whose loss exceeded the value-at-risk at 95 % since the decision before is a hit.

    Parameters
    ----------
    declared : with the levels that are the caps.
    """

    def __init__(self, declared: Sequence[Limit], panel: Panel) -> None:
        moves = [limit.moves for limit in declared if limit.moves is not None]
        self.limits, self.changes = tuple(declared), list[LevelChange]()
        self._declared, self._panel, self._moving = tuple(declared), panel, bool(moves)
        self._regimes: tuple[RegimePath, RegimePath] | None = None
        if any(each.volatility or each.week for each in moves):
            volatility = volatility_lens(panel).path
            self._regimes = volatility, week_classes(market_lens(panel).path, volatility)
        self._returns = np.nan_to_num(simple_returns(panel.field("close"))) if moves else np.zeros((0, 0))
        self._hits: list[bool] = []
        self._forecast: tuple[int, Float, float] | None = None

    def at(self, row: int) -> tuple[Limit, ...]:
        """The limits that hold for a decision at the close of a row of the panel, after those of earlier rows."""
        if not self._moving:
            return self.limits
        if self._forecast is not None:
            since, weights, var = self._forecast
            losses = -self._returns[since + 1 : row + 1] @ weights
            self._hits += (losses > var).tolist()
        day = self._panel.dates[row]
        volatility, week = (UNKNOWN, UNKNOWN) if self._regimes is None else (path.at(day) for path in self._regimes)
        found = moved_levels(
            self._declared,
            Conditions(day=day, volatility=volatility, week=week, trust=trust(np.array(self._hits, dtype=np.bool_))),
            self.limits,
        )
        self.limits = found.limits
        self.changes += found.changes
        return self.limits

    def decided(self, row: int, weights: Float, variance: float) -> None:
        """Remember what was forecast of a decision.

        Parameters
        ----------
        weights : (N,) of the panel's assets.
        variance : of a day, by the risk model.
        """
        self._forecast = row, weights, normal_quantile(1 - TrustRule().probability) * float(np.sqrt(variance))
