"""How capital is shared among strategies, and on what terms they trade."""

from dataclasses import dataclass, field
from typing import Literal

from quantray.analytics.bootstrap import Resampling
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.errors import InputError
from quantray.portfolio.strategy_mix import DrawdownRule, MixMethod
from quantray.studies.evaluation.families import TradingTerms

__all__ = ["MixDesign"]


@dataclass(frozen=True, kw_only=True)
class MixDesign:
    """How capital is shared; see ``portfolio.strategy_mix``.

    Raises
    ------
    InputError
        A number is out of range.
    """

    method: MixMethod = "risk_parity"
    max_correlation: float = 0.70
    drawdown: DrawdownRule | None = None
    lookback_days: int = 252
    """Days of the strategies' returns behind every decision."""
    min_days: int = 126
    """Of them that a strategy must have since it first held anything."""
    warm_up_days: int = 252
    """Days before the first look-back, on which long indicators fill."""
    rebalance: Literal["weekly", "monthly", "quarterly"] = "monthly"
    exchange: str = DEFAULT_EXCHANGE
    batch: int = 8
    """Strategies in one unit of work."""
    terms: TradingTerms = field(default_factory=TradingTerms)
    resampling: Resampling = field(default_factory=Resampling)

    def __post_init__(self) -> None:
        if not 2 <= self.min_days <= self.lookback_days or self.warm_up_days < 0:
            raise InputError(
                f"min_days {self.min_days} must lie between 2 and lookback_days {self.lookback_days}, and warm_up_days "
                f"{self.warm_up_days} not be negative."
            )
