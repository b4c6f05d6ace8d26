"""The data of a study: a market store or a simulated market, as settings describe it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.backtest.accounts import DELIST_AFTER
from quantray.data import restatements
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.data.panel import Panel
from quantray.data.quality import QualityReport
from quantray.data.store import MarketStore
from quantray.data.synthetic import LeadLag, simulate_market
from quantray.data.universe import Among, read_sectors
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN, carried_forward, delisting_returns
from quantray.research.config import SimulatedData, StoreData
from quantray.research.progress import say

__all__ = ["MarketData", "load_market"]


@dataclass(frozen=True, eq=False)
class MarketData:
    """A panel and where it came from."""

    settings: StoreData | SimulatedData
    """With the store's version filled in."""
    panel: Panel
    description: str
    sectors: dict[str, str]
    quality: tuple[QualityReport, ...]
    exchange: str = DEFAULT_EXCHANGE
    """Whose calendar the data keep."""

    @property
    def yearly_exits(self) -> float:
        """Share of assets whose prices end in a year; near zero, the data hold survivors only."""
        known = ~np.isnan(self.panel.field("close"))
        last = len(known) - 1 - known[::-1].argmax(axis=0)
        ended = (last < len(known) - 21) & known.any(axis=0)
        periods = self.panel.periods_per_year
        return float(ended.mean() / max(len(known) / periods, 1 / periods))

    @property
    def delistings(self) -> str:
        """How many names stop trading, and of how many it is known what their holders received; a sentence."""
        close = self.panel.field("close")
        _, age = carried_forward(close)
        gone = (age[-1] >= DELIST_AFTER) & ~np.isnan(close).all(axis=0)
        known = gone & ~np.isnan(delisting_returns(close, self.panel.fields.get(DELIST_RETURN))[-1])
        if not gone.any():
            return "No name stops trading."
        return (
            f"Names that stop trading: {int(gone.sum())}, of which {int(known.sum())} with their delisting return and "
            f"{int((gone & ~known).sum())} at their last close."
        )


def load_market(data: StoreData | SimulatedData, exchange: str | None, fields: Sequence[str]) -> MarketData:
    """Load what settings describe.

    Parameters
    ----------
    exchange : whose calendar the settings say the data keep, if they do; a rank band is reviewed on it.
    fields : to keep, of those that there are; the rest would only fill memory.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load``; the settings name another calendar than that of the data.
    """
    if isinstance(data, SimulatedData):
        _same_calendar(exchange, DEFAULT_EXCHANGE, "a simulated market keeps")
        planted = LeadLag(strength=data.planted_signal) if data.planted_signal else None
        market = simulate_market(data.n_assets, data.n_days, seed=data.seed, lead_lag=planted)
        sectors = dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
        return MarketData(data, market.panel.with_only(*fields), f"simulated market, seed {data.seed}", sectors, ())
    store = MarketStore(data.store)
    resolved = data if data.version is not None else data.model_copy(update={"version": store.version()})
    sectors = read_sectors(data.sectors) if data.sectors else {}
    quality = store.quality_reports(resolved.version)
    # An import settles the calendar of all appends to it.
    calendar = quality[0].exchange
    _same_calendar(exchange, calendar, f"{data.store}, version {resolved.version}, was imported on")
    universe = data.universe.build(calendar)
    if data.only_with_sector:
        universe = Among(tuple(sorted(sectors)), universe)
    span = data.start, data.end
    panel = store.load(universe, *span, version=resolved.version, as_known=data.as_known).with_only(*fields)
    notes = universe.notes(panel)
    if data.as_known:
        notes += (
            f"bars as first known; {restatements.summary(restatements.restated(store, version=resolved.version))}",
        )
    for note in notes:
        say(note)
    text = "; ".join([f"market store {data.store}, version {resolved.version}", *notes])
    return MarketData(resolved, panel, text, sectors, quality, calendar)


def _same_calendar(wanted: str | None, found: str, where: str) -> None:
    if wanted not in (None, found):
        raise InputError(
            f"the settings say exchange {wanted}, but {where} the calendar {found}; leave exchange out of the settings "
            "to take that of the data, or import the data anew with another exchange in a --quality file."
        )
