"""A firm as data: its portfolio managers, what they may trade, their strategies, and the accounts they manage."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from quantray.errors import InputError
from quantray.institution.allocation import Method as Sharing
from quantray.institution.facts import NameFacts
from quantray.institution.lots.events import Method as LotMethod
from quantray.institution.lots.events import TaxAccount
from quantray.institution.rules import Kind, Rule
from quantray.settings import Seed, SettingsModel, read_settings
from quantray.strategies.catalogue import CATALOGUE, ParameterValue
from quantray.strategies.rule import Rule as TradingRule
from quantray.studies.evaluation.strategy_settings import StrategyName, entry_of

__all__ = [
    "AccountSettings",
    "Amount",
    "FirmSettings",
    "InstitutionSettings",
    "ManagerSettings",
    "Mandate",
    "OpeningSettings",
    "StrategySettings",
    "read_institution",
    "synthetic_institution",
]

Amount = Annotated[Decimal, Field(ge=0, le=Decimal(10) ** 12)]
"""Money of the currency, or the number that a limit is."""

_TURN = 6
"""Bars from one decision of a synthetic strategy to its next: half an hour of five minutes."""

Name = Annotated[str, Field(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""Of a manager, an account or a strategy."""


class OpeningSettings(SettingsModel):
    """An account as orders know it when it is opened."""

    pm: str = Field(min_length=1, max_length=64)
    cash: Amount = Decimal(0)
    may_short: bool = False
    shares: Mapping[str, int] = {}
    locates: Mapping[str, int] = {}
    """Shares of each symbol that may be sold short."""


class AccountSettings(OpeningSettings):
    """An account of a client."""

    taxpayer: str = Field("", max_length=64)
    """Whose sales and purchases the tax sees together; by default the account alone."""
    kind: Kind = "cash"
    """What the law holds it to."""
    retirement: bool = False
    """Whether gains are not taxed, as in an IRA."""
    lots: LotMethod = "fifo"
    """Which lots a sale takes."""
    restricted: tuple[str, ...] = ()
    """Symbols that its client does not want."""
    priority: int = Field(1, ge=1)
    """Rank where blocks are shared out by priority, 1 first."""


class StrategySettings(SettingsModel):
    """A rule that a manager runs."""

    pm: Name
    rule: StrategyName
    """Of the catalogue, or one of his own by ``module:name``; see ``strategies.own``."""
    parameters: Mapping[str, ParameterValue] = {}
    weight: float = Field(1.0, gt=0, le=1e6)
    """Of the manager's capital, beside his other strategies'."""
    every_bars: int = Field(1, ge=1)
    """How often it decides within a day."""

    @model_validator(mode="after")
    def _known(self) -> "StrategySettings":
        # A manager's own is imported when his day begins.
        if self.rule in CATALOGUE:
            self.build()
        return self

    def build(self) -> TradingRule[Any]:
        """The rule with its parameters.

        Raises
        ------
        InputError
            As ``evaluation.strategy_settings.entry_of``, or it has no such parameters.
        """
        return entry_of(self.rule).build(self.parameters)


class Mandate(SettingsModel):
    """Which names a manager may trade: all, or those that are listed."""

    symbols: tuple[str, ...] = ()
    exclusive: bool = False
    """Whether no other manager may trade them."""

    @model_validator(mode="after")
    def _once(self) -> "Mandate":
        if twice := sorted(symbol for symbol, count in Counter(self.symbols).items() if count > 1):
            raise ValueError(f"the mandate lists {_some(twice)} twice; list each symbol once")
        return self


class ManagerSettings(SettingsModel):
    """A portfolio manager."""

    capital: Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 12)]
    """The most that positions and open orders of all his accounts are worth, gross."""
    rate: int = Field(1_000, ge=1)
    """Orders a second."""
    limits: Mapping[str, Amount] = {}
    """Others that the gate knows."""
    mandate: Mandate = Mandate()
    sharing: Sharing = "pro_rata"
    """How what a block of his accounts filled is shared out."""

    @model_validator(mode="after")
    def _once(self) -> "ManagerSettings":
        if twice := sorted({"capital", "rate"} & set(self.limits)):
            raise ValueError(f"limit {twice[0]} is said twice; give it beside limits, not among them")
        if self.sharing == "custom":
            raise ValueError("sharing custom needs numbers for each block; give pro_rata, capital, equal or priority")
        return self


class FirmSettings(SettingsModel):
    """The firm itself."""

    name: str = Field(min_length=1, max_length=80)
    capital: Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 12)]
    limits: Mapping[str, Amount]
    """Of the whole firm, by the names that the gate knows."""
    sectors: Mapping[str, Mapping[str, Amount]] = {}
    """Limits of single sectors."""
    factor_exposures: Mapping[str, Mapping[str, Amount]] = {}
    """Limits of single factors."""
    facts: Mapping[str, NameFacts] = {}
    """What is known of symbols."""
    rules: tuple[Rule, ...] = ()
    """Of compliance."""
    factors: str | None = None
    """File of a factor model."""


class InstitutionSettings(SettingsModel):
    """A firm, its managers, their strategies and accounts.

    Raises
    ------
    InputError
        A manager's capital, or the accounts' money, adds up to more than there is; a strategy or an account names
        nobody's manager; mandates overlap where one is exclusive; a manager without an account or a strategy; an id
        that is used for two things.
    """

    firm: FirmSettings
    pms: Mapping[Name, ManagerSettings] = Field(min_length=1)
    strategies: Mapping[Name, StrategySettings] = Field(min_length=1)
    accounts: Mapping[Name, AccountSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds_together(self) -> "InstitutionSettings":
        for what, each in (("strategy", self.strategies), ("account", self.accounts)):
            for name, it in each.items():
                if it.pm not in self.pms:
                    raise ValueError(f"{what} {name} belongs to {it.pm!r}, who is none of {_some(self.pms)}")
        for what, settings in (("account", self.accounts), ("strategy", self.strategies)):
            if idle := sorted(set(self.pms) - {each.pm for each in settings.values()}):
                raise ValueError(f"pm {idle[0]} has no {what}; give one, or leave the pm out")
        self._one_name_one_thing()
        self._capital_adds_up()
        self._mandates_keep_apart()
        return self

    def _one_name_one_thing(self) -> None:
        seen: dict[str, str] = {}
        for what, names in (("pm", self.pms), ("strategy", self.strategies), ("account", self.accounts)):
            for name in names:
                # Names of files and of rows of databases that do not tell cases apart.
                if (other := seen.setdefault(name.lower(), what)) != what or sum(
                    name.lower() == each.lower() for each in names
                ) > 1:
                    raise ValueError(f"{name!r} names two of the firm: a {other} and a {what}; call one differently")

    def _capital_adds_up(self) -> None:
        given = sum((pm.capital for pm in self.pms.values()), Decimal(0))
        if given > self.firm.capital:
            raise ValueError(f"the pms have {given:,} of capital together, the firm {self.firm.capital:,}")
        for name, pm in self.pms.items():
            cash = sum((self.accounts[account].cash for account in self.accounts_of(name)), Decimal(0))
            if cash > pm.capital:
                raise ValueError(
                    f"the accounts of pm {name} hold {cash:,} in cash, more than the capital {pm.capital:,}"
                )

    def _mandates_keep_apart(self) -> None:
        for (one, first), (other, second) in combinations(self.pms.items(), 2):
            mine, theirs = first.mandate, second.mandate
            if not mine.exclusive and not theirs.exclusive:
                continue
            # Without symbols a mandate is of all.
            if not mine.symbols or not theirs.symbols:
                raise ValueError(
                    f"the mandates of {one} and {other} overlap, and one is exclusive; list symbols in both"
                )
            if both := sorted(set(mine.symbols) & set(theirs.symbols)):
                raise ValueError(f"the mandates of {one} and {other} overlap in {_some(both)}, and one is exclusive")

    def accounts_of(self, pm: str) -> tuple[str, ...]:
        """The ids of a manager's accounts, in order of name."""
        return tuple(sorted(name for name, account in self.accounts.items() if account.pm == pm))

    def strategies_of(self, pm: str) -> tuple[str, ...]:
        """The ids of a manager's strategies, in order of name."""
        return tuple(sorted(name for name, strategy in self.strategies.items() if strategy.pm == pm))

    def tax_accounts(self) -> tuple[TaxAccount, ...]:
        """The accounts as the tax sees them."""
        return tuple(
            TaxAccount(
                id=name,
                taxpayer=account.taxpayer or name,
                method=account.lots,
                kind="ira" if account.retirement else "taxable",
            )
            for name, account in sorted(self.accounts.items())
        )


def read_institution(path: str | Path) -> InstitutionSettings:
    """A firm from a YAML file.

    Raises
    ------
    InputError
        The file cannot be read, is empty, says a key twice, or what it says does not hold together.
    """
    return read_settings(InstitutionSettings, path)


def synthetic_institution(
    pms: int,
    accounts: int,
    strategies: int,
    *,
    capital: Decimal = Decimal(10_000_000_000),
    mandates: Sequence[Sequence[str]] = (),
    seed: Seed = 0,
) -> InstitutionSettings:
    """A firm of any size that differs in nothing but its seed: for trials and measurements.

    Parameters
    ----------
    pms : portfolio managers; each has so many ``accounts`` and ``strategies``.
    capital : of the firm; half of it is the cash of accounts, which are of unlike sizes.
    mandates : symbols of each manager, which nobody else trades; by default all trade all that are listed.

    Raises
    ------
    InputError
        A count is below 1.
    """
    if mandates and len(mandates) != pms:
        raise InputError(f"{len(mandates)} mandates are given to {pms} pms; give one to each, or none.")
    if min(pms, accounts, strategies) < 1:
        raise InputError(f"a firm of {pms} pms, {accounts} accounts and {strategies} strategies each: give 1 or more.")
    share = (capital / pms).to_integral_value(ROUND_DOWN)
    rules = sorted(name for name, entry in CATALOGUE.items() if entry.family in ("trend_following", "mean_reversion"))
    managers = [f"pm{number:03d}" for number in range(1, pms + 1)]
    kinds: tuple[Literal["cash", "margin"], ...] = ("cash", "margin")
    return InstitutionSettings(
        firm=FirmSettings(name="Synthetic Capital", capital=capital, limits=_wide(capital)),
        pms={
            name: ManagerSettings(
                capital=share,
                mandate=Mandate(symbols=tuple(mandates[place]) if mandates else (), exclusive=bool(mandates)),
            )
            for place, name in enumerate(managers)
        },
        strategies={
            f"{pm}-s{number:03d}": StrategySettings(
                pm=pm, rule=rules[(place * 7 + number + seed) % len(rules)], every_bars=_TURN
            )
            for place, pm in enumerate(managers)
            for number in range(1, strategies + 1)
        },
        accounts={
            f"{pm}-a{number:03d}": AccountSettings(
                pm=pm,
                # Unlike, and never more together than the manager has.
                cash=(share * Decimal(2 * number) / Decimal(2 * accounts * (accounts + 1))).to_integral_value(
                    ROUND_DOWN
                ),
                taxpayer=f"{pm}-t{(number + 1) // 2:03d}",
                kind=kinds[number % 2],
            )
            for pm in managers
            for number in range(1, accounts + 1)
        },
    )


def _wide(capital: Decimal) -> dict[str, Decimal]:
    """Limits that a firm which is fully invested keeps to."""
    return {
        "order_shares": Decimal(1_000_000),
        "order_value": capital / 10,
        "collar_bps": Decimal(500),
        "fee": Decimal("0.01"),
        "gross": capital,
        "net": capital,
        "single_name": capital / 20,
    }


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
