"""Settings of the five phases: what may be tried in each, what is made large, and how much money is managed."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from quantray.data.calendar import Frequency
from quantray.errors import InputError
from quantray.portfolio.strategy_mix import MixMethod
from quantray.research.kind import StudySettings
from quantray.research.market import MarketSettings
from quantray.research.terms import CostSettings, ImpactSettings, LagSettings
from quantray.risk.drawdown import Protection
from quantray.settings import Seed, SettingsModel
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation.families import TradingTerms
from quantray.studies.evaluation.search import Method
from quantray.studies.evaluation.strategy_settings import OwnStrategy, Strategy, catalogued, check_names, entry_of
from quantray.studies.institutional.objective import Objectives
from quantray.studies.institutional.parts import RulePart
from quantray.studies.sweep.settings import SweepFolds

__all__ = [
    "ExecutionPhase",
    "InstitutionalSettings",
    "ParameterPhase",
    "RegimePhase",
    "RiskPhase",
    "WeightPhase",
]

RegimeMethod = Literal["hmm", "clustering", "classifier"]


class RegimePhase(SettingsModel):
    """Phase one: which market we are in; see ``regimes.timeframes``."""

    methods: tuple[RegimeMethod, ...] = Field(("hmm", "clustering", "classifier"), min_length=1)
    timeframes: tuple[Literal["1day", "1week"], ...] = Field(("1day", "1week"), min_length=1)
    """Of the bars that the methods see. A store keeps days, so there are no shorter ones."""
    states: Literal[2, 3, 4] = 3
    first_days: int = Field(504, ge=100)
    """Days before the first fit; of weeks a fifth as many, but a year of them."""
    refit_days: int = Field(126, ge=5)
    """Days from one fit to the next, each on all that is past."""
    dwell_bars: int = Field(3, ge=1)
    """Bars running that a new regime must be seen before it counts."""
    seed: Seed = 0


class ParameterPhase(SettingsModel):
    """Phase two: the parameters of each strategy, on all training days and on those of each regime."""

    methods: tuple[Method, ...] = Field(("random", "tpe"), min_length=1)
    """Search algorithms; see ``studies.evaluation.search``."""
    starts: int = Field(2, ge=1, le=20)
    """Times that each algorithm begins anew, from another seed."""
    trials: int = Field(12, ge=1)
    """Sets that each search tries at most; a grid tries all."""
    generation: int = Field(6, ge=1)
    """Sets that TPE asks for at a time."""
    min_days: int = Field(126, ge=20)
    """Training days below which a regime takes the parameters chosen for all days."""
    seed: Seed = 0


class WeightPhase(SettingsModel):
    """Phase three: capital for each strategy; see ``portfolio.strategy_mix``."""

    methods: tuple[MixMethod, ...] = Field(("risk_parity", "inverse_volatility", "sharpe"), min_length=1)
    correlation_days: int = Field(252, ge=20)
    """Days of the strategies' returns behind every decision."""
    min_days: int = Field(126, ge=2)
    """Of them that a strategy must have since it first held anything."""
    max_correlation: float = Field(0.9, gt=0, le=1)
    rebalance: Literal["weekly", "monthly", "quarterly"] = "monthly"
    """How often capital is shared out anew."""


class RiskPhase(SettingsModel):
    """Phase four: exposure of the book of all strategies; its limits are the constraints."""

    volatilities: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.06, 0.10)
    """Yearly volatilities that may be aimed at; see ``risk.sizing.volatility_exposure``."""
    most: float = Field(1.5, gt=0, le=5)
    """Largest exposure; above 1 it borrows."""
    protections: tuple[Protection, ...] = (Protection(),)
    """Rules that may reduce it in a drawdown; see ``risk.drawdown.Protection``."""
    band: float = Field(0.05, ge=0, le=1)
    """Exposure is traded between rebalances once it is farther than this from what is wanted."""


class ExecutionPhase(SettingsModel):
    """Phase five: how often the book is traded, and at what share of the volume."""

    rebalances: tuple[Frequency, ...] = Field(("weekly", "monthly"), min_length=1)
    """The first and most frequent is that of the strategies' decisions, and of the study without this phase."""
    participations: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((0.05, 0.1, 0.2), min_length=1)
    """Most of a name's usual volume that is traded in a day; larger trades take several."""


class InstitutionalSettings(MarketSettings, StudySettings):
    """Five phases of optimisation, walking forward."""

    kind: Literal["institutional"] = "institutional"
    strategies: tuple[Strategy, ...] = tuple(CATALOGUE)
    """Names in ``strategies.catalogue``, by default all twelve; and your own, see ``evaluation.strategy_settings``."""
    parts: int = Field(1, ge=1, le=50)
    """Strategies made of each rule, each with its own part of the rule's parameters; see ``parts.RulePart``."""
    aums: tuple[float, ...] = Field((1e9,), min_length=1)
    """Money that is managed, ascending."""
    objectives: Objectives = Objectives()
    regimes: RegimePhase = RegimePhase()
    parameters: ParameterPhase = ParameterPhase()
    weights: WeightPhase = WeightPhase()
    risk: RiskPhase = RiskPhase()
    execution: ExecutionPhase = ExecutionPhase()
    folds: SweepFolds = SweepFolds()
    costs: CostSettings = CostSettings()
    impact: ImpactSettings = ImpactSettings()
    """Its ``aum``, ``days`` and ``participation`` are the study's own."""
    accounting: LagSettings = LagSettings()
    sets_per_unit: int = Field(8, ge=1)
    """Parameter sets in one unit of parallel work."""

    @model_validator(mode="after")
    def _fits(self) -> "InstitutionalSettings":
        check_names(self.strategies)
        if list(self.aums) != sorted(set(self.aums)) or not self.aums[0] > 0:
            raise ValueError(f"aums {self.aums} must be positive, ascending and different")
        for what, values in self._lists().items():
            if len(set(values)) != len(values):
                raise ValueError(f"{what} {list(values)} repeat; give each once")
        order: tuple[Frequency, ...] = ("daily", "weekly", "monthly", "quarterly")
        places = [order.index(each) for each in self.execution.rebalances]
        if places != sorted(set(places)):
            raise ValueError("execution.rebalances must fall from the most frequent to the least, each once")
        if self.impact.aum is not None or self.impact.days != 1 or self.impact.participation is not None:
            raise ValueError(
                "impact.aum, days and participation are what the study varies: give aums and execution.participations"
            )
        if len(self.strategies) * self.parts < 2:
            raise ValueError("one strategy needs no weights: name two, or set parts")
        if self.weights.min_days > self.weights.correlation_days:
            raise ValueError(f"weights.min_days {self.weights.min_days} must not exceed correlation_days")
        if self.weights.correlation_days > self.folds.train_days:
            raise ValueError(
                f"weights.correlation_days {self.weights.correlation_days} must not exceed folds.train_days "
                f"{self.folds.train_days}, in which the weights are chosen"
            )
        try:
            # What users bring is imported when the study is loaded.
            self._parts(catalogued(self.strategies))
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    def _lists(self) -> dict[str, tuple[object, ...]]:
        """What may be tried, by the setting that says so."""
        return {
            "regimes.methods": self.regimes.methods,
            "regimes.timeframes": self.regimes.timeframes,
            "parameters.methods": self.parameters.methods,
            "weights.methods": self.weights.methods,
            "risk.volatilities": self.risk.volatilities,
            "risk.protections": self.risk.protections,
            "execution.participations": self.execution.participations,
        }

    def families(self) -> tuple[RulePart, ...]:
        """The strategies, whose parameters are searched.

        Raises
        ------
        InputError
            As ``evaluation.strategy_settings.entry_of``, or a rule has fewer sets than parts.
        """
        return self._parts(self.strategies)

    def _parts(self, strategies: Sequence[str | OwnStrategy]) -> tuple[RulePart, ...]:
        return tuple(RulePart(entry_of(each), part, self.parts) for each in strategies for part in range(self.parts))

    def terms(self) -> TradingTerms:
        """What strategies pay while parameters are searched: spread and commission."""
        return TradingTerms(
            costs=self.costs.build(),
            lag=self.accounting.execution_lag,
            threads=self.threads,
            numerics=self.numerics,
        )
