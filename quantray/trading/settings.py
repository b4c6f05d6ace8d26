"""Settings of a trading day: the firm, the market, and how its worlds are kept."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from quantray.data.store import MarketStore
from quantray.errors import InputError
from quantray.institution.books import InstitutionSettings, read_institution, synthetic_institution
from quantray.settings import Seed, SettingsModel
from quantray.trading.bars import MarketDay, replayed_day, synthetic_day
from quantray.trading.day import DaySettings

__all__ = ["SyntheticFirm", "SyntheticMarket", "TradingDaySettings", "memory_plan"]

_DRIVER_MB = 300.0
_WORLD_MB = 180.0
"""Of a process that has done nothing yet: an interpreter and what it imports."""
_COPIES = 8
"""Of the window's prices, at most, while a rule looks at them."""
_BLOCK_KB = 20.0
"""Of a block with ten accounts, in the gate and in the record of the day."""


class SyntheticFirm(SettingsModel):
    """A firm of any size that is made up."""

    pms: int = Field(ge=1)
    accounts: int = Field(ge=1)
    """Of each manager."""
    strategies: int = Field(ge=1)
    """Of each manager."""
    capital: Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 12)] = Decimal(10_000_000_000)
    mandates: Literal["all", "apart"] = "apart"
    """Whether each manager trades all names, or names of his own."""
    seed: Seed = 0


class SyntheticMarket(SettingsModel):
    """A day that is made up."""

    kind: Literal["simulated"] = "simulated"
    names: int = Field(ge=1)
    seed: Seed = 0


class StoreMarket(SettingsModel):
    """A day of a market store, with drawn insides that hit its bars."""

    kind: Literal["store"] = "store"
    store: str
    day: date
    seed: Seed = 0


class TradingDaySettings(SettingsModel):
    """A firm's day."""

    firm: Annotated[
        Annotated[str, Tag("file")] | Annotated[SyntheticFirm, Tag("simulated")],
        Discriminator(lambda value: "file" if isinstance(value, str) else "simulated"),
    ]
    """A YAML file of ``institution.books``, or how large a firm to make up."""
    market: Annotated[SyntheticMarket | StoreMarket, Field(discriminator="kind")]
    minutes: int = Field(5, ge=1)
    """Of a bar; divides the session."""
    window: int = Field(60, ge=2)
    """Bars that strategies look back on."""
    worlds: Literal["here", "processes", "ray"] = "processes"
    """Where managers decide: in this process, in one each, or as actors of a Ray cluster."""
    address: str | None = None
    """Of the Ray cluster; by default one is started here."""
    day: DaySettings = DaySettings()

    @model_validator(mode="after")
    def _addressed(self) -> "TradingDaySettings":
        if self.address is not None and self.worlds != "ray":
            raise ValueError("an address is of a Ray cluster; set worlds to ray")
        return self

    def load(self, beside: Path) -> tuple[InstitutionSettings, MarketDay]:
        """The firm and the market; raises ``InputError``, as of accounts that begin with shares, and ``DataError``.

        Parameters
        ----------
        beside : folder that the firm's file is looked for in.
        """
        if isinstance(self.market, SyntheticMarket):
            market = synthetic_day(self.market.names, minutes=self.minutes, window=self.window, seed=self.market.seed)
        else:
            panel = MarketStore(self.market.store).load(
                end=str(self.market.day), fields=("open", "high", "low", "close", "volume")
            )
            market = replayed_day(
                panel, self.market.day, minutes=self.minutes, window=self.window, seed=self.market.seed
            )
        if isinstance(self.firm, SyntheticFirm):
            return _firm(self.firm, market.symbols), market
        institution = read_institution(beside / self.firm)
        _require_lots(institution)
        return institution, market


def _require_lots(institution: InstitutionSettings) -> None:
    """Refuse before a day what would be refused after it."""
    for name, account in sorted(institution.accounts.items()):
        if account.shares:
            raise InputError(
                f"account {name} begins with shares, and what they cost is not known to the day's tax lots; begin it "
                "with cash, or lead the day by trading.day and give day_lots their lots."
            )
        if account.lots == "specific":
            raise InputError(f"account {name} names the lots of each sale, and a day names none; give another method.")


def _firm(wanted: SyntheticFirm, symbols: tuple[str, ...]) -> InstitutionSettings:
    if wanted.mandates == "apart" and wanted.pms > len(symbols):
        raise InputError(f"{wanted.pms} pms cannot have names of their own among {len(symbols)}; set mandates to all.")
    mandates: list[tuple[str, ...]] = []
    if wanted.mandates == "apart":
        mandates = [symbols[place :: wanted.pms] for place in range(wanted.pms)]
    return synthetic_institution(
        wanted.pms,
        wanted.accounts,
        wanted.strategies,
        capital=wanted.capital,
        mandates=mandates,
        seed=wanted.seed,
    )


def memory_plan(
    institution: InstitutionSettings, market: MarketDay, *, apart: bool = True, blocks: int = 0
) -> dict[str, float]:
    """Megabytes that a day will take, from shapes; and what the requirement's own formula says.

    Parameters
    ----------
    apart : whether each world has a process of its own.
    blocks : that are expected; by default one for each name and half hour.
    """
    n_names, window, bars = len(market.symbols), len(market.before), len(market.today)
    worlds = 0.0
    for pm, manager in institution.pms.items():
        names = len(manager.mandate.symbols) or n_names
        arrays = 8 * names * (5 * _COPIES * window + 3 * len(institution.strategies_of(pm)))
        worlds += (_WORLD_MB if apart else 0.0) + arrays / 1e6
    blocks = blocks or n_names * max(bars // 6, 1)
    gate = 8 * 5 * n_names * (window + bars) / 1e6 + blocks * _BLOCK_KB / 1e3
    requirement = 500 * len(institution.pms) + 10 * len(institution.accounts) + 50 * len(institution.strategies)
    return {
        "worlds": worlds,
        "driver": _DRIVER_MB + gate,
        "all": worlds + _DRIVER_MB + gate,
        "requirement": requirement,
    }
