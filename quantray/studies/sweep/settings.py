"""Settings of a regime sweep: which regimes, which strategies, how they are searched and tested."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.regimes.ensemble import EnsembleSettings, ensemble_regimes
from quantray.regimes.hmm import HmmSettings, hmm_regimes
from quantray.regimes.indicators import (
    correlation_lens,
    liquidity_lens,
    market_lens,
    sector_lens,
    volatility_lens,
)
from quantray.regimes.lens_settings import LensSettings
from quantray.regimes.observations import daily_observations
from quantray.regimes.path import RegimePath, minimum_dwell
from quantray.research.folds import FoldKind
from quantray.research.kind import StudySettings
from quantray.research.market import MarketSettings
from quantray.research.terms import CostSettings, LagSettings
from quantray.settings import Seed, SettingsModel
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation.families import CrossFamily, Family, RuleFamily, TradingTerms
from quantray.studies.evaluation.search import Method
from quantray.studies.evaluation.strategy_settings import Strategy, check_names, entry_of
from quantray.studies.sweep.regime_search import Design

__all__ = ["RegimeChoice", "SearchSettings", "SweepFolds", "SweepSettings"]

_LENSES = {
    "market": market_lens,
    "volatility": volatility_lens,
    "liquidity": liquidity_lens,
    "correlation": correlation_lens,
}


class RegimeChoice(SettingsModel):
    """Which market we are in, day by day; see ``quantray.regimes``."""

    method: Literal["market", "volatility", "liquidity", "correlation", "sector", "hmm", "ensemble"] = "hmm"
    """One of the lenses, a hidden Markov model, or the ensemble of all statistical methods."""
    states: Literal[2, 3, 4] = 3
    """Of the hidden Markov model and the ensemble."""
    dwell_days: int = Field(5, ge=1)
    """Days running that a new regime of the hidden Markov model or the ensemble must be seen before it counts; lenses
    have their hysteresis instead."""
    lenses: LensSettings = LensSettings()
    """What the lenses hold beforehand, and what their mistakes cost."""
    seed: Seed = 0

    def build(self, panel: Panel, sectors: Mapping[str, str] | None = None) -> RegimePath:
        """The path of regimes, each day's known at its close.

        Parameters
        ----------
        sectors : asset -> sector, for the lens on sectors.

        Raises
        ------
        InputError
            The lens on sectors has fewer than two of them.
        DataError, SolverError
            As the method's function in ``quantray.regimes``.
        """
        if self.method == "ensemble":
            settings = EnsembleSettings(states=self.states, dwell_days=self.dwell_days, seed=self.seed)
            return ensemble_regimes(panel, settings).path
        if self.method == "hmm":
            hidden = HmmSettings(states=(self.states,), seed=self.seed)
            return minimum_dwell(hmm_regimes(daily_observations(panel), hidden).path, self.dwell_days)
        if self.method == "sector":
            if not sectors:
                raise InputError(
                    "regimes of sectors need to know them; set data.sectors to a file of symbol and sector."
                )
            return sector_lens(panel, sectors, settings=self.lenses)[0].path
        return _LENSES[self.method](panel, settings=self.lenses).path


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
