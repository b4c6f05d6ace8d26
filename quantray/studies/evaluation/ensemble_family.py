"""The regime-aware ensemble in the shape of a sweep's family, so that it is played and kept as any strategy is."""

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from quantray.backtest.net import NetReturns, net_of_costs
from quantray.data.panel import Panel
from quantray.regimes.indicators import five_lenses
from quantray.regimes.lens_settings import LensSettings
from quantray.strategies.ensemble import RegimeAwareEnsemble
from quantray.strategies.rule import StrategyResult
from quantray.studies.evaluation.families import TradingTerms
from quantray.studies.evaluation.search import Parameters, Space

__all__ = ["EnsembleFamily"]


@dataclass(frozen=True, eq=False)
class EnsembleFamily:
    """One strategy: what the five lenses see chooses among the rules of a map; see ``strategies.ensemble``.

    Parameters
    ----------
    sectors : asset -> sector, for the lens on sectors; without them it knows nothing.
    """

    sectors: Mapping[str, str] = field(default_factory=dict)
    ensemble: RegimeAwareEnsemble = field(default_factory=RegimeAwareEnsemble)
    lenses: LensSettings = field(default_factory=LensSettings)
    name: str = "Regime-aware ensemble"
    default: Parameters = ()

    @property
    def space(self) -> Space:
        """See ``Family``; the only set is the empty one."""
        return Space((), self.allows)

    def allows(self, parameters: Parameters) -> bool:
        """Whether the set is empty."""
        return not parameters

    def identity(self, parameters: Parameters) -> str:
        """See ``Family``."""
        parts = {
            "map": self.ensemble.regime_map.model_dump(mode="json"),
            "strategies": {name: repr(rule) for name, rule in self.ensemble.strategies.items()},
            "lenses": repr(self.lenses),
            "sectors": dict(self.sectors),
            "parameters": parameters,
        }
        return f"EnsembleFamily{json.dumps(parts, sort_keys=True)}"

    def group(self, parameters: Parameters) -> Hashable:
        """See ``Family``."""
        return self.name

    def targets(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> Iterator[StrategyResult]:
        """See ``Family``.

        Raises
        ------
        DataError, InputError
            As ``regimes.indicators.five_lenses`` and ``RegimeAwareEnsemble.decide``.
        """
        for _ in sets:
            labels = five_lenses(panel, self.sectors or None, settings=self.lenses).labels
            decided = self.ensemble.decide(panel, labels, lag=terms.lag)
            yield StrategyResult(decided.weights, decided.overlay_returns)

    def evaluate(self, panel: Panel, sets: Sequence[Parameters], terms: TradingTerms) -> list[NetReturns]:
        """See ``Family``."""
        targets = self.targets(panel, sets, terms)
        return [net_of_costs(result, panel, costs=terms.costs, lag=terms.lag) for result in targets]
