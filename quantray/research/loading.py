"""The data of a study: a market store or a simulated market, as settings describe it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.data.panel import Panel
from quantray.data.quality import QualityReport
from quantray.data.store import MarketStore
from quantray.data.synthetic import LeadLag, simulate_market
from quantray.data.universe import Among, RankBand, Universe, read_sectors
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

    @property
    def yearly_exits(self) -> float:
        """Share of assets whose prices end in a year; near zero, the data hold survivors only."""
        known = ~np.isnan(self.panel.field("close"))
        last = len(known) - 1 - known[::-1].argmax(axis=0)
        ended = (last < len(known) - 21) & known.any(axis=0)
        return float(ended.mean() / max(len(known) / 252, 1 / 252))


def load_market(data: StoreData | SimulatedData, exchange: str, fields: Sequence[str]) -> MarketData:
    """Load what settings describe.

    Parameters
    ----------
    exchange : whose calendar a rank band is reviewed on.
    fields : to keep, of those that there are; the rest would only fill memory.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load``.
    """
    if isinstance(data, SimulatedData):
        planted = LeadLag(strength=data.planted_signal) if data.planted_signal else None
        market = simulate_market(data.n_assets, data.n_days, seed=data.seed, lead_lag=planted)
        sectors = dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
        return MarketData(data, _only(market.panel, fields), f"simulated market, seed {data.seed}", sectors, ())
    store = MarketStore(data.store)
    resolved = data if data.version is not None else data.model_copy(update={"version": store.version()})
    sectors = read_sectors(data.sectors) if data.sectors else {}
    universe = data.universe.build(exchange)
    if data.only_with_sector:
        universe = Among(tuple(sorted(sectors)), universe)
    panel = _only(store.load(universe, data.start, data.end, version=resolved.version), fields)
    _say_if_narrow(universe, panel)
    text = f"market store {data.store}, version {resolved.version}"
    return MarketData(resolved, panel, text, sectors, store.quality_reports(resolved.version))


def _say_if_narrow(universe: Universe, panel: Panel) -> None:
    """One line where a band of ranks asks for more names than there are."""
    band = universe.universe if isinstance(universe, Among) else universe
    most = int(panel.member.sum(axis=1).max())
    if isinstance(band, RankBand) and most < (asked := band.last - band.first + 1):
        say(f"ranks {band.first} to {band.last} are {asked:,} names, of which the data hold {most:,} at most")


def _only(panel: Panel, fields: Sequence[str]) -> Panel:
    kept = {name: panel.fields[name] for name in fields if name in panel.fields}
    return Panel(panel.dates, panel.assets, kept, panel.member)
