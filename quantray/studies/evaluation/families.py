"""What a sweep searches: a family of strategies that differ in their parameters."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from quantray.backtest.costs import LinearCosts
from quantray.backtest.crosses import cross_sweep, moving_averages
from quantray.backtest.net import NetReturns, net_of_costs
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN
from quantray.research.numerics import Numerics
from quantray.strategies.catalogue import Entry
from quantray.strategies.rule import Rule, StrategyResult
from quantray.studies.evaluation.search import Axis, Parameters, Space

__all__ = ["FIELDS", "CrossFamily", "Family", "RuleFamily", "TradingTerms"]

FIELDS = ("close", "high", "low", "volume", "half_spread_bps", "implied_volatility", DELIST_RETURN)
"""What strategies, regimes and accounts read, where the data have it."""


@dataclass(frozen=True, kw_only=True)
class TradingTerms:
    """On what terms all strategies of a sweep trade.

    Raises
    ------
    InputError
        A negative lag, or fewer than one thread.
    """

    costs: LinearCosts = field(default_factory=LinearCosts)
    lag: int = 1
    """Trading days from a decision to its trades."""
    threads: int = 1
    """BLAS threads that a unit of work runs with; sums in another order differ in the last bits."""
    numerics: Numerics = "native"

    def __post_init__(self) -> None:
        if self.lag < 0 or self.threads < 1:
            raise InputError(f"lag {self.lag} must not be negative, nor threads {self.threads} below 1.")


class Family(Protocol):
    """Strategies that differ in their parameters. What a day's weights know is that day's close, for all of them."""

    @property
    def name(self) -> str:
        """Unique within a sweep."""
        ...

    @property
    def default(self) -> Parameters:
        """The set that is used where nothing is searched."""
        ...

    @property
    def space(self) -> Space:
        """The sets that may be tried."""
        ...

    def identity(self, parameters: Parameters) -> str:
        """All that a set's decisions depend on besides the panel; results are kept by it."""
        ...

    def group(self, parameters: Parameters) -> Hashable:
        """Equal for sets that share their expensive part, so that one unit of work holds them together."""
        ...

    def targets(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> Iterator[StrategyResult]:
        """The decisions of each set, in order."""
        ...

    def evaluate(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> list[NetReturns]:
        """What each set earns on every day of the panel, in order."""
        ...


@dataclass(frozen=True, eq=False)
class RuleFamily:
    """A rule of the catalogue with the values that its parameters may take.

    Signals are computed once for all sets that share them.
    """

    entry: Entry

    @property
    def name(self) -> str:
        """See ``Family``."""
        return self.entry.name

    @property
    def default(self) -> Parameters:
        """See ``Family``."""
        return tuple(self.entry.defaults().items())

    @property
    def space(self) -> Space:
        """See ``Family``."""
        return Space(tuple(Axis(name, p.values) for name, p in self.entry.parameters.items()), self.allows)

    def allows(self, parameters: Parameters) -> bool:
        """Whether the rule accepts the set."""
        try:
            self.build(parameters)
        except InputError:
            return False
        return True

    def build(self, parameters: Parameters) -> Rule[Any]:
        """The rule with these parameters."""
        return self.entry.build(dict(parameters))

    def identity(self, parameters: Parameters) -> str:
        """See ``Family``."""
        return repr(self.build(parameters))

    def group(self, parameters: Parameters) -> Hashable:
        """See ``Family``."""
        return self.build(parameters).signal_key

    def targets(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> Iterator[StrategyResult]:
        """See ``Family``."""
        key, signal = None, None
        for parameters in sets:
            rule = self.build(parameters)
            # Sets come in groups, so the last signal is the only one worth its memory.
            if signal is None or rule.signal_key != key:
                key, signal = rule.signal_key, rule.signal(panel)
            yield rule.run(panel, signal=signal, lag=terms.lag)

    def evaluate(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> list[NetReturns]:
        """See ``Family``."""
        targets = self.targets(panel, sets, terms)
        return [net_of_costs(result, panel, costs=terms.costs, lag=terms.lag) for result in targets]


@dataclass(frozen=True)
class CrossFamily:
    """Hold each name, at 1/N of NAV, while its fast average lies above its slow one; long only, all pairs at once.

    A screen rather than a strategy: ``backtest.crosses`` plays hundreds of pairs in the time that one set of a rule
    takes. Trades that restore drifted weights are not charged while searching, and are when the choice is replayed.
    """

    name: str = "Moving-average screen"
    fast: tuple[int, ...] = (5, 10, 20, 40)
    slow: tuple[int, ...] = (20, 50, 100, 200)
    default: Parameters = (("fast", 10), ("slow", 50))

    @property
    def space(self) -> Space:
        """See ``Family``."""
        return Space((Axis("fast", self.fast), Axis("slow", self.slow)), self.allows)

    def allows(self, parameters: Parameters) -> bool:
        """Whether the fast average is the faster one."""
        fast, slow = _windows(parameters)
        return fast < slow

    def identity(self, parameters: Parameters) -> str:
        """See ``Family``."""
        return f"CrossFamily{parameters}"

    def group(self, parameters: Parameters) -> Hashable:
        """See ``Family``."""
        return self.name

    def targets(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> Iterator[StrategyResult]:
        """See ``Family``."""
        for parameters in sets:
            windows = np.array(_windows(parameters))
            bank = moving_averages(panel.field("close"), windows, member_tn=panel.member)
            weights = (bank[:, 0] > bank[:, 1]).T / panel.shape[1]
            yield StrategyResult(weights, np.zeros(len(panel.dates)))

    def evaluate(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> list[NetReturns]:
        """See ``Family``."""
        wanted = np.array([_windows(parameters) for parameters in sets])
        windows, places = np.unique(wanted, return_inverse=True)
        close = panel.field("close")
        bank = moving_averages(close, windows, member_tn=panel.member)
        swept = cross_sweep(
            bank,
            places.reshape(wanted.shape),
            close,
            costs_bps=terms.costs.bps(panel.fields),
            lag=terms.lag,
            periods_per_year=panel.periods_per_year,
            delist_tn=panel.fields.get(DELIST_RETURN),
        )
        return [NetReturns(*each) for each in zip(swept.returns, swept.turnover, swept.costs, strict=True)]


def _windows(parameters: Parameters) -> tuple[int, int]:
    """The days of the two averages."""
    values = dict(parameters)
    fast, slow = values["fast"], values["slow"]
    if not isinstance(fast, int) or not isinstance(slow, int):
        raise InputError(f"averages of {fast} and {slow} days must be whole numbers of days.")
    return fast, slow
