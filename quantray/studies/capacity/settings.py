"""Settings of a study of capacity: allocators, money, how often they trade and over how many days."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

from pydantic import Field, model_validator

from quantray.data.calendar import Frequency
from quantray.research.kind import StudySettings
from quantray.research.market import MarketSettings
from quantray.research.terms import AccountingSettings, CostSettings, ImpactSettings, TradingCostSettings
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PolicySettings, PortfolioSettings

__all__ = ["CapacitySettings", "Cell"]


@dataclass(frozen=True)
class Cell:
    """One way to run all allocators."""

    aum: float
    rebalance: Frequency
    days: int
    """Over which each trade is executed."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.rebalance}, {self.days} day{'' if self.days == 1 else 's'}"


class CapacitySettings(MarketSettings, StudySettings):
    """The same portfolios at several sizes."""

    kind: Literal["capacity"] = "capacity"
    allocators: tuple[AllocatorSettings, ...] = Field(min_length=1)
    benchmark: str
    """Name of the allocator that the others are measured against."""
    aums: tuple[float, ...] = Field((1e8, 3e8, 1e9, 3e9, 1e10), min_length=1)
    """Money that is managed, ascending."""
    rebalances: tuple[Frequency, ...] = Field(("monthly",), min_length=1)
    """How often what is decided is traded."""
    execution_days: tuple[int, ...] = Field((1, 3, 5), min_length=1)
    """Trading days over which every trade is executed at an even rate, odd: on average half of it is done at the close
    in their middle, so that the accounts trade there."""
    costs: CostSettings = CostSettings()
    impact: ImpactSettings = ImpactSettings()
    """Its ``aum`` and ``days`` are the study's own."""
    folds: FoldSettings = FoldSettings()
    min_history: float = Field(0.9, gt=0, le=1)
    min_volatility: float = Field(0.0, ge=0, le=1)
    policy: PolicySettings = PolicySettings()
    accounting: AccountingSettings = AccountingSettings()

    @model_validator(mode="after")
    def _sizes(self) -> "CapacitySettings":
        if list(self.aums) != sorted(set(self.aums)) or not self.aums[0] > 0:
            raise ValueError(f"aums {self.aums} must be positive, ascending and different")
        if len(set(self.rebalances)) != len(self.rebalances):
            raise ValueError("rebalances repeat; name each frequency once")
        wrong = [days for days in self.execution_days if days < 1 or days % 2 == 0]
        if wrong or len(set(self.execution_days)) != len(self.execution_days):
            raise ValueError(f"execution_days {self.execution_days} must be odd, such as 1, 3 and 5, and different")
        if self.impact.aum is not None or self.impact.days != 1:
            raise ValueError("impact.aum and impact.days are what the study varies: give aums and execution_days")
        if self.impact.participation is not None and self.execution_days != (1,):
            raise ValueError("impact.participation says how many days a trade takes: give execution_days [1]")
        if self.folds.horizon:
            raise ValueError("folds.horizon is of labels, and what is decided here has none; leave it out")
        self.study(self.cells[0])
        return self

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All ways to run the allocators: by money, then frequency, then days."""
        return tuple(Cell(*each) for each in product(self.aums, self.rebalances, self.execution_days))

    def study(self, cell: Cell) -> PortfolioSettings:
        """The walk-forward of a cell."""
        impact = self.impact.model_copy(update={"aum": cell.aum, "days": float(cell.days)})
        lag = self.accounting.execution_lag + (cell.days - 1) // 2
        return PortfolioSettings(
            name=self.name,
            data=self.data,
            exchange=self.exchange,
            allocators=self.allocators,
            benchmark=self.benchmark,
            rebalance=cell.rebalance,
            min_history=self.min_history,
            min_volatility=self.min_volatility,
            folds=self.folds,
            policy=self.policy,
            costs=TradingCostSettings(**self.costs.model_dump(), impact=impact),
            accounting=self.accounting.model_copy(update={"execution_lag": lag}),
            resampling=self.resampling,
            cluster=self.cluster,
            numerics=self.numerics,
            runs=self.runs,
        )
