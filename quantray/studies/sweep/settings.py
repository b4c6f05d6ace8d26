"""Settings of a regime sweep: which regimes, which strategies, how they are searched and tested."""

from typing import Literal

from pydantic import Field, model_validator

from quantray.research.folds import FoldKind
from quantray.research.kind import StudySettings
from quantray.research.market import MarketSettings
from quantray.research.terms import CostSettings, LagSettings
from quantray.settings import Seed, SettingsModel
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation.families import CrossFamily, Family, RuleFamily, TradingTerms
from quantray.studies.evaluation.regime_choice import RegimeChoice
from quantray.studies.evaluation.search import Method
from quantray.studies.evaluation.strategy_settings import Strategy, check_names, entry_of
from quantray.studies.sweep.regime_search import Design

__all__ = ["SearchSettings", "SweepFolds", "SweepSettings"]


class SearchSettings(SettingsModel):
    """How parameters are searched; see ``studies.evaluation.search``."""

    method: Method = "random"
    trials: int = Field(24, ge=1)
    """Sets of each strategy that are tried at most; a grid tries all."""
    generation: int = Field(8, ge=1)
    """Sets that TPE asks for at a time; the more, the busier a cluster and the slower the search learns."""
    min_days: int = Field(126, ge=20)
    """Training days below which a regime takes the parameters chosen for all days."""
    seed: Seed = 0


class SweepFolds(SettingsModel):
    """Walk-forward folds; see ``research.folds.walk_forward``."""

    kind: FoldKind = "rolling"
    warm_up_days: int = Field(252, ge=0)
    """Trading days before the first training range, on which long indicators fill."""
    train_days: int = Field(1008, ge=60)
    test_days: int = Field(252, ge=20)
    embargo: int = Field(5, ge=0)


class SweepSettings(MarketSettings, StudySettings):
    """A sweep of strategies by regime."""

    kind: Literal["sweep"] = "sweep"
    regimes: RegimeChoice = RegimeChoice()
    strategies: tuple[Strategy, ...] = tuple(CATALOGUE)
    """Names in ``strategies.catalogue``, by default all twelve; and your own, see ``evaluation.strategy_settings``."""
    screen: bool = False
    """Whether the moving-average screen takes part, which plays hundreds of pairs at once."""
    search: SearchSettings = SearchSettings()
    folds: SweepFolds = SweepFolds()
    costs: CostSettings = CostSettings()
    accounting: LagSettings = LagSettings()
    blocks: int = Field(16, ge=2, le=20, multiple_of=2)
    """Blocks of the probability of backtest overfitting."""
    sets_per_unit: int = Field(8, ge=1)
    """Parameter sets in one unit of parallel work."""

    @model_validator(mode="after")
    def _some(self) -> "SweepSettings":
        if not self.strategies and not self.screen:
            raise ValueError("nothing to sweep: name strategies, or set screen")
        check_names(self.strategies)
        return self

    def families(self) -> tuple[Family, ...]:
        """What is searched."""
        rules: tuple[Family, ...] = tuple(RuleFamily(entry_of(each)) for each in self.strategies)
        return rules + ((CrossFamily(),) if self.screen else ())

    def design(self) -> Design:
        """How it is searched and tested."""
        return Design(
            train_days=self.folds.train_days,
            test_days=self.folds.test_days,
            warm_up_days=self.folds.warm_up_days,
            embargo=self.folds.embargo,
            kind=self.folds.kind,
            method=self.search.method,
            trials=self.search.trials,
            generation=self.search.generation,
            min_days=self.search.min_days,
            seed=self.search.seed,
            blocks=self.blocks,
            batch=self.sets_per_unit,
            terms=TradingTerms(
                costs=self.costs.build(),
                lag=self.accounting.execution_lag,
                threads=self.threads,
                numerics=self.numerics,
            ),
            resampling=self.resampling.build(),
        )
