"""Several strategies of one rule: each searches its own part of the rule's parameters."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from quantray.backtest.net import NetReturns
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.strategies.catalogue import Entry
from quantray.strategies.rule import StrategyResult
from quantray.studies.evaluation.families import RuleFamily, TradingTerms
from quantray.studies.evaluation.search import Axis, Parameters, Space

__all__ = ["RulePart"]


@dataclass(frozen=True, eq=False)
class RulePart:
    """One part of a rule's parameter sets, in the order of its grid, such as its fast averages or its slow ones.

    Results are those of the rule: equal sets are played once, whatever part they are in.

    Parameters
    ----------
    part : from 0, of ``parts`` as even as can be.

    Raises
    ------
    InputError
        The rule has fewer sets than parts, or there is no such part.
    """

    entry: Entry
    part: int = 0
    parts: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.part < self.parts:
            raise InputError(f"part {self.part} of {self.parts} is none; parts count from 0.")
        if not self._sets:
            raise InputError(f"{self.entry.name} has fewer than {self.parts} sets; make fewer parts of it.")

    @property
    def name(self) -> str:
        """See ``Family``."""
        return self.entry.name if self.parts == 1 else f"{self.entry.name} {self.part + 1}/{self.parts}"

    @property
    def default(self) -> Parameters:
        """The rule's own where there is one part or it lies in this one, else the set in the middle."""
        own = self._rule.default
        return own if self.parts == 1 or own in self._own else self._sets[len(self._sets) // 2]

    @property
    def space(self) -> Space:
        """See ``Family``."""
        values = {axis.name: {dict(s)[axis.name] for s in self._sets} for axis in self._rule.space.axes}
        axes = (Axis(a.name, tuple(v for v in a.values if v in values[a.name])) for a in self._rule.space.axes)
        return Space(tuple(axes), self.allows)

    def allows(self, parameters: Parameters) -> bool:
        """Whether the set belongs to the part."""
        return parameters in self._own

    def identity(self, parameters: Parameters) -> str:
        """See ``Family``."""
        return self._rule.identity(parameters)

    def group(self, parameters: Parameters) -> Hashable:
        """See ``Family``."""
        return self._rule.group(parameters)

    def targets(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> Iterator[StrategyResult]:
        """See ``Family``."""
        return self._rule.targets(panel, sets, terms)

    def evaluate(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> list[NetReturns]:
        """See ``Family``."""
        return self._rule.evaluate(panel, sets, terms)

    @cached_property
    def _rule(self) -> RuleFamily:
        return RuleFamily(self.entry)

    @cached_property
    def _sets(self) -> tuple[Parameters, ...]:
        everything = _grid(self.entry)
        first, last = (len(everything) * (self.part + i) // self.parts for i in (0, 1))
        return everything[first:last]

    @cached_property
    def _own(self) -> frozenset[Parameters]:
        return frozenset(self._sets)


@cache
def _grid(entry: Entry) -> tuple[Parameters, ...]:
    """Every allowed set of a rule, which all its parts share."""
    return RuleFamily(entry).space.all()
