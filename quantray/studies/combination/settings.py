"""Settings of a combination: which strategies with which parameters, and how capital is shared among them."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator
from scipy.stats import qmc

from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.errors import InputError
from quantray.portfolio.strategy_mix import DrawdownRule, MixMethod
from quantray.regimes.lens_settings import LensSettings
from quantray.research.kind import StudySettings
from quantray.research.market import MarketSettings
from quantray.research.terms import CostSettings, LagSettings
from quantray.settings import SettingsModel
from quantray.strategies.catalogue import ParameterValue
from quantray.studies.combination.design import MixDesign
from quantray.studies.combination.record import Member
from quantray.studies.evaluation.families import RuleFamily, TradingTerms
from quantray.studies.evaluation.search import Parameters, Space
from quantray.studies.evaluation.strategy_settings import Strategy, catalogued, check_names, entry_of, named

__all__ = ["CombinationSettings", "DrawdownSettings", "StrategyChoice", "halton_sets"]


class StrategyChoice(SettingsModel):
    """Some parameter sets of one rule."""

    entry: Strategy
    """Name in ``strategies.catalogue``; or a strategy of your own, see ``evaluation.strategy_settings``."""
    count: int | None = Field(None, ge=1)
    """How many sets, spread evenly over the rule's grid; see ``halton_sets``."""
    sets: tuple[dict[str, ParameterValue], ...] | None = Field(None, min_length=1)
    """Or these sets; what one does not name stays at its default."""

    @model_validator(mode="after")
    def _one(self) -> "StrategyChoice":
        if (self.count is None) == (self.sets is None):
            raise ValueError(f"{self.name}: give either count or sets")
        # What users bring is imported when the study is loaded.
        for values in (self.sets or ()) if catalogued([self.entry]) else ():
            try:
                entry_of(self.entry).build(values)
            except InputError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def name(self) -> str:
        """Of the rule."""
        return named(self.entry)

    def parameters(self) -> Iterator[Parameters]:
        """Candidate sets in order: those given, or the whole grid from the first of an even spread on."""
        family = self.family()
        if self.sets is None:
            yield from halton_sets(family.space)
            return
        for values in self.sets:
            yield tuple((dict(family.default) | values).items())

    def family(self) -> RuleFamily:
        """What the sets belong to.

        Raises
        ------
        InputError
            As ``evaluation.strategy_settings.entry_of``.
        """
        return RuleFamily(entry_of(self.entry))


class DrawdownSettings(SettingsModel):
    """From which drawdown a strategy is reduced; see ``portfolio.strategy_mix.DrawdownRule``."""

    start: float = Field(0.05, ge=0, le=1)
    stop: float = Field(0.15, ge=0, le=1)
    floor: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _rises(self) -> "DrawdownSettings":
        if self.start >= self.stop:
            raise ValueError(f"drawdowns from {self.start} to {self.stop} must rise")
        return self

    def build(self) -> DrawdownRule:
        """The rule."""
        return DrawdownRule(start=self.start, stop=self.stop, floor=self.floor)


class CombinationSettings(MarketSettings, StudySettings):
    """A combination of many strategies."""

    kind: Literal["combination"] = "combination"
    strategies: tuple[StrategyChoice, ...] = Field(min_length=1)
    method: MixMethod = "risk_parity"
    """How capital is weighed: equal, inverse_volatility, risk_parity or sharpe."""
    max_correlation: float = Field(0.70, gt=0, le=1)
    """Of any two strategies held; the one of the better past Sharpe ratio stays."""
    drawdown: DrawdownSettings | None = DrawdownSettings()
    """When strategies that lose are reduced; null for never."""
    lookback_days: int = Field(252, ge=20)
    min_days: int = Field(126, ge=2)
    """Days in the look-back since a strategy first held anything, below which it gets nothing."""
    warm_up_days: int = Field(252, ge=0)
    rebalance: Literal["weekly", "monthly", "quarterly"] = "monthly"
    ensemble: bool = True
    """Whether the regime-aware ensemble is compared."""
    lenses: LensSettings = LensSettings()
    """Windows and thresholds of the ensemble's five lenses."""
    costs: CostSettings = CostSettings()
    accounting: LagSettings = LagSettings()
    sets_per_unit: int = Field(8, ge=1)
    """Strategies in one unit of parallel work."""

    @model_validator(mode="after")
    def _enough(self) -> "CombinationSettings":
        if self.min_days > self.lookback_days:
            raise ValueError(f"min_days {self.min_days} must not exceed lookback_days {self.lookback_days}")
        if sum(choice.count or len(choice.sets or ()) for choice in self.strategies) < 2:
            raise ValueError("one strategy needs no combining: name two or more")
        check_names({repr(choice.entry): choice.entry for choice in self.strategies}.values())
        return self

    def members(self) -> tuple[Member, ...]:
        """The strategies; two entries of one rule never give the same one twice.

        Raises
        ------
        InputError
            A rule has fewer sets than asked for, or a set is named twice.
        """
        taken: set[str] = set()
        found: list[Member] = []
        for choice in self.strategies:
            family, begun = choice.family(), len(found)
            for parameters in choice.parameters():
                identity = family.identity(parameters)
                if identity in taken:
                    if choice.sets is None:
                        continue
                    raise InputError(f"{_label(choice.name, parameters)} is named twice; leave one out.")
                taken.add(identity)
                kind = family.entry.family.replace("_", " ")
                found.append(Member(_label(choice.name, parameters), choice.name, kind, parameters))
                if len(found) - begun == choice.count:
                    break
            if choice.count is not None and len(found) - begun < choice.count:
                raise InputError(f"{choice.name} has only {len(found) - begun} more sets, not {choice.count}.")
        return tuple(found)

    def families(self) -> tuple[RuleFamily, ...]:
        """What the strategies belong to."""
        return tuple({choice.name: choice.family() for choice in self.strategies}.values())

    def design(self) -> MixDesign:
        """How capital is shared."""
        return MixDesign(
            method=self.method,
            max_correlation=self.max_correlation,
            drawdown=None if self.drawdown is None else self.drawdown.build(),
            lookback_days=self.lookback_days,
            min_days=self.min_days,
            warm_up_days=self.warm_up_days,
            rebalance=self.rebalance,
            exchange=self.exchange or DEFAULT_EXCHANGE,
            batch=self.sets_per_unit,
            terms=TradingTerms(
                costs=self.costs.build(),
                lag=self.accounting.execution_lag,
                threads=self.threads,
                numerics=self.numerics,
            ),
            resampling=self.resampling.build(),
        )


def halton_sets(space: Space) -> Iterator[Parameters]:
    """Every allowed set of a grid, in an order whose every beginning is spread evenly over it.

    The places on the axes follow the Halton sequence, so few sets already differ in every parameter, and more sets
    keep those that there were.

    Raises
    ------
    InputError
        The grid is too large to be listed, or empty.

    Source: Halton (1960), *On the efficiency of certain quasi-random sequences of points*, Numerische Mathematik 2.
    """
    left = dict.fromkeys(space.all())
    sizes = [len(axis.values) for axis in space.axes]
    if not sizes:
        yield from left
        return
    sequence = qmc.Halton(len(sizes), scramble=False)
    # The first point is the corner at the origin.
    sequence.fast_forward(1)
    for _ in range(100):
        for point in sequence.random(space.size).tolist():
            chosen = space.pick([int(part * size) for part, size in zip(point, sizes, strict=True)])
            if chosen in left:
                del left[chosen]
                yield chosen
        if not left:
            return
    yield from left


def _label(entry: str, parameters: Parameters) -> str:
    values = [f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in parameters]
    return f"{entry}: {', '.join(values)}" if values else entry
