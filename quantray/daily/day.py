"""All that a day came to, and the book of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from quantray.daily.book import TABLES, Book, empty_table
from quantray.daily.decision import Decision
from quantray.daily.gate import GateReport
from quantray.daily.market import DayMarket
from quantray.daily.opening import attribution_of, turnover_so_far
from quantray.daily.orders import Orders, impact_of
from quantray.daily.positions import Positions
from quantray.daily.settings import RebalanceSettings
from quantray.daily.targets import Targets
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.settings import config_hash
from quantray.studies.portfolios.alpha import Start
from quantray.studies.portfolios.trial import DayModel

__all__ = ["Day"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Day:
    """What each stage found."""

    settings: RebalanceSettings
    market: DayMarket
    earlier: Book | None
    """The book before."""
    gate: GateReport
    positions: Positions
    start: Start
    learned: Mapping[str, Any]
    """Of the network that scored the day; empty where none goes on learning."""
    model: DayModel
    decision: Decision | None
    """None on days without one."""
    targets: Targets
    orders: Orders
    risk: Mapping[str, Any]
    regimes: Mapping[str, Any]
    notes: tuple[str, ...]

    def book(self) -> Book:
        """The book of the day."""
        targets = self.targets
        documents = {
            "risk": self.risk,
            "regimes": self.regimes,
            "attribution": attribution_of(self.market, self.positions, self.earlier),
            "provenance": self._provenance(),
        }
        tables = {
            "portfolio": targets.table(self.market.sectors),
            "parents": self.orders.parents,
            "children": self.orders.children,
            "forecasts": self._forecasts(),
            "model": self._model(),
        }
        return Book(self.market.day, self.settings.name, targets.nav, targets.cash, tables, documents)

    def _provenance(self) -> dict[str, Any]:
        """Where the book came from, and what the next day must know.

        Nothing of when it was made, and the data instead of the store's version: the same day makes the same book,
        however far the store has gone on.
        """
        exchange = self.settings.exchange or DEFAULT_EXCHANGE
        found: dict[str, Any] = {
            "data": self.market.panel.fingerprint(),
            "exchange": exchange,
            "settings": config_hash(self.settings, exclude={"alerts", "books", "runs"}),
            "gate": asdict(self.gate),
            "notes": list(self.notes),
        }
        found |= turnover_so_far(self.start, self.market, self.targets, self.orders.children, exchange)
        return found | ({"training": self.learned} if self.learned else {})

    def _forecasts(self) -> pa.Table:
        if self.decision is None or self.decision.scores is None:
            return empty_table("forecasts")
        known = np.flatnonzero(~np.isnan(self.decision.scores))
        columns = {"symbol": self.market.panel.assets[known].tolist(), "forecast": self.decision.scores[known]}
        return pa.table(columns, schema=TABLES["forecasts"])

    def _model(self) -> pa.Table:
        """What is known of the risk and of the volume of the names that may be held."""
        names, model, costs = self.model.assets, self.model.model, self.settings.costs.build()
        closes = self.market.closes
        prices = np.array([closes.get(name, np.nan) for name in names.tolist()])
        impact = impact_of(names, prices, self.market, costs, self.settings.execution.impact)
        columns = {
            "symbol": names.tolist(),
            "specific_variance": model.specific_variance,
            "loadings": model.loadings.tolist(),
            "cost": np.full(len(names), 1e-4 * (costs.half_spread_bps + costs.commission_bps)),
            "price": prices,
            "adv": impact.adv,
            "volatility": impact.volatility,
            "spread_bps": 2e4 * impact.half_spread,
        }
        return pa.table(columns, schema=TABLES["model"])
