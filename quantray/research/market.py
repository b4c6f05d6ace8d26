"""The data of a study: a market store or a simulated market, as settings describe it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from quantray.arrays import Dates
from quantray.backtest.accounts import DELIST_AFTER
from quantray.data import restatements
from quantray.data.calendar import DEFAULT_EXCHANGE, Frequency
from quantray.data.loading import ADJUSTED
from quantray.data.own_universe import OwnUniverse
from quantray.data.panel import Panel
from quantray.data.quality.findings import QualityReport
from quantray.data.store import MarketStore
from quantray.data.synthetic import MOST_CELLS, LeadLag, simulate_market
from quantray.data.universe import (
    PRESETS,
    Among,
    Everything,
    MembershipFile,
    RankBand,
    Symbols,
    Universe,
    read_sectors,
)
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN, carried_forward, delisting_returns
from quantray.printable import masked_uri
from quantray.research.progress import say
from quantray.research.terms import Environment
from quantray.settings import Seed, SettingsModel, nearest
from quantray.storage.addresses import store_address

__all__ = [
    "DataSettings",
    "MarketData",
    "MarketSettings",
    "SampleSpan",
    "SimulatedData",
    "StoreAddress",
    "StoreData",
    "UniverseSettings",
    "load_market",
    "read_market",
]


_OF_RULES = ("rule", "parameters", "history_days", "fields")


class UniverseSettings(SettingsModel):
    """Who is a member when: one of a preset, a rank band, a membership file, a list, your own, or everything."""

    preset: str | None = None
    """One of sp500-like, sp400-like, russell1000-like, russell2000-like, top2000."""
    band: tuple[int, int] | None = None
    """First and last rank by trailing median dollar volume."""
    review: Frequency = "monthly"
    """How often a rank band is reviewed."""
    buffer: float = Field(0.1, ge=0, le=1)
    """Share of the band's width by which a member may leave it before it is replaced."""
    members: str | None = None
    """CSV of symbol, start, end."""
    symbols: tuple[str, ...] | None = None
    """A fixed list."""
    rule: str | None = Field(None, pattern=r"^[\w.]+(:\w+)?$")
    """A universe of your own, by ``module:name`` or by the name that an installed package registers among
    ``quantray.universes``; see ``data.own_universe``."""
    parameters: Mapping[str, JsonValue] = {}
    """Of the universe of your own."""
    history_days: int = Field(0, ge=0)
    """Trading days before the first date that it is shown."""
    fields: tuple[Literal["open", "high", "low", "volume"], ...] = ()
    """That it is shown, beside the close."""

    @model_serializer(mode="wrap")
    def _without_own(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What only universes of the user's own need is written, and hashed, where there is one."""
        values: dict[str, Any] = dump(self)
        for name in _OF_RULES if self.rule is None else ():
            values.pop(name, None)
        return values

    @model_validator(mode="after")
    def _one(self) -> "UniverseSettings":
        given = [n for n in ("preset", "band", "members", "symbols", "rule") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of preset, band, members, symbols and rule, not {' and '.join(given)}")
        if self.rule is None and (idle := [n for n in _OF_RULES[1:] if getattr(self, n)]):
            raise ValueError(f"{' and '.join(idle)} need a rule of your own, as module:name")
        if self.preset is not None and self.preset not in PRESETS:
            raise ValueError(f"preset {self.preset!r} is unknown;{nearest(self.preset, list(PRESETS))}")
        return self

    def build(self, exchange: str = DEFAULT_EXCHANGE) -> Universe:
        """The universe these settings describe; a rank band is reviewed on the calendar of an exchange."""
        band = self.band
        if self.preset is not None:
            band = PRESETS[self.preset].first, PRESETS[self.preset].last
        if band is not None:
            return RankBand(*band, review=self.review, buffer=self.buffer, exchange=exchange)
        if self.members is not None:
            return MembershipFile(self.members)
        if self.rule is not None:
            return OwnUniverse(self.rule, self.parameters, self.history_days, self.fields)
        return Everything() if self.symbols is None else Symbols(self.symbols)


def _address(text: str) -> str:
    try:
        return store_address(text)
    except InputError as error:
        raise ValueError(str(error)) from error


StoreAddress = Annotated[str, AfterValidator(_address)]
"""A folder or an address that can hold a store."""


class StoreData(SettingsModel):
    """Data from a market store."""

    kind: Literal["store"] = "store"
    store: StoreAddress = Field(default_factory=lambda: Environment().store, validate_default=True)
    """Folder or address; by default ``QUANTRAY_STORE`` or ``market``."""
    version: int | None = None
    """Version of the store; by default the latest, which the run records."""
    start: date | None = None
    """First date whose prices are used; decisions begin after the look-back."""
    end: date | None = None
    as_known: bool = False
    """Bars as they were when the store first held them, without later corrections; the report says how they differ."""
    universe: UniverseSettings = UniverseSettings()
    sectors: str | None = None
    """CSV with symbol and sector, for the report and the risk tree."""
    only_with_sector: bool = False
    """Leave out names without a sector in that file, which are mostly funds."""

    @model_validator(mode="after")
    def _sectors(self) -> "StoreData":
        if self.only_with_sector and self.sectors is None:
            raise ValueError("only_with_sector needs a sectors file")
        return self


class SimulatedData(SettingsModel):
    """A synthetic market."""

    kind: Literal["simulated"] = "simulated"
    n_assets: int = Field(100, ge=2)
    n_days: int = Field(1260, ge=300)
    seed: Seed = 0
    planted_signal: float = Field(0.0, ge=0, lt=1)
    """Strength of a signal that peers lead one another by (see ``data.synthetic.LeadLag``); 0 for none."""

    @model_validator(mode="after")
    def _size(self) -> "SimulatedData":
        if self.n_assets * self.n_days > MOST_CELLS:
            raise ValueError(
                f"{self.n_assets:,} assets on {self.n_days:,} days are more than {MOST_CELLS:,} prices; take fewer"
            )
        return self


DataSettings = Annotated[StoreData | SimulatedData, Field(discriminator="kind")]


class MarketSettings(SettingsModel):
    """Which data a study reads."""

    data: DataSettings
    exchange: str | None = None
    """Whose calendar the data must keep; by default that of the store, which the run records."""


M = TypeVar("M", bound=MarketSettings)


_SURVIVORS = 0.01
"""Below this share of names lost per year a universe holds survivors: of US listings some 5 % leave each year."""


@dataclass(frozen=True)
class SampleSpan:
    """The days that a study was tested on, and the names of those days."""

    first: np.datetime64
    last: np.datetime64
    n_assets: int
    members: float
    """Of the universe, on an average day."""

    @property
    def names(self) -> str:
        """How many names, for the head of a report."""
        return f"{self.n_assets:,} names, {self.members:.0f} members on an average day"

    @property
    def facts(self) -> dict[str, object]:
        """As a run keeps them."""
        return {
            "first": str(self.first),
            "last": str(self.last),
            "n_assets": self.n_assets,
            "mean_members": self.members,
        }


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

    def sample(self, dates: Dates) -> SampleSpan:
        """What was tested on some days of the panel."""
        rows = np.searchsorted(self.panel.dates, dates)
        members = float(self.panel.member[rows].sum(axis=1).mean())
        return SampleSpan(dates[0], dates[-1], len(self.panel.assets), members)

    @property
    def yearly_exits(self) -> float:
        """Share of assets whose prices end in a year; near zero, the data hold survivors only."""
        known = ~np.isnan(self.panel.field("close"))
        last = len(known) - 1 - known[::-1].argmax(axis=0)
        ended = (last < len(known) - 21) & known.any(axis=0)
        periods = self.panel.periods_per_year
        return float(ended.mean() / max(len(known) / periods, 1 / periods))

    def survivors(self, biased: str) -> tuple[str, ...]:
        """A warning where the data hold survivors, or none.

        Parameters
        ----------
        biased : what that does to the study's numbers, such as "returns are biased upward".
        """
        if self.yearly_exits >= _SURVIVORS:
            return ()
        return (f"Only {self.yearly_exits:.1%} of the names leave the data per year, so it holds survivors: {biased}.",)

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


def read_market(settings: M, fields: Sequence[str]) -> tuple[M, MarketData]:
    """Settings with the version of the store and its calendar filled in, and the data; raises as ``load_market``."""
    data = load_market(settings.data, settings.exchange, fields)
    return settings.model_copy(update={"data": data.settings, "exchange": data.exchange}), data


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
    _same_calendar(exchange, calendar, f"{masked_uri(data.store)}, version {resolved.version}, was imported on")
    universe = data.universe.build(calendar)
    if data.only_with_sector:
        universe = Among(tuple(sorted(sectors)), universe)
    span = data.start, data.end
    asked = [name for name in fields if name in ADJUSTED]
    panel = store.load(universe, *span, asked, resolved.version, data.as_known, absent="leave out")
    notes = universe.notes(panel)
    if data.as_known:
        notes += (
            f"bars as first known; {restatements.summary(restatements.restated(store, version=resolved.version))}",
        )
    for note in notes:
        say(note)
    text = "; ".join([f"market store {masked_uri(data.store)}, version {resolved.version}", *notes])
    return MarketData(resolved, panel, text, sectors, quality, calendar)


def _same_calendar(wanted: str | None, found: str, where: str) -> None:
    if wanted not in (None, found):
        raise InputError(
            f"the settings say exchange {wanted}, but {where} the calendar {found}; leave exchange out of the settings "
            "to take that of the data, or import the data anew with another exchange in a --quality file."
        )
