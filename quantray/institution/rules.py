"""Rules of compliance as data: what each says, whom it binds, how hard, from when to when, and who may override it.

Not legal advice. The limits of `laws` are read from the texts that they name; what a firm owes, its counsel says.
"""

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter, model_validator

from quantray.errors import InputError
from quantray.institution.facts import AssetClass
from quantray.settings import SettingsModel, nearest, read_settings

__all__ = [
    "KINDS",
    "RULE",
    "AssetClasses",
    "Concentration",
    "Coverage",
    "Kind",
    "Leverage",
    "Locate",
    "MarketCap",
    "Ownership",
    "Position",
    "Prohibited",
    "Rule",
    "Scope",
    "SectorCap",
    "Severity",
    "State",
    "check_distinct",
    "check_names",
    "laws",
    "read_rules",
]

Kind = Literal["cash", "margin", "mutual_fund", "ucits", "private_fund", "managed"]
"""Of an account."""
KINDS: tuple[str, ...] = get_args(Kind)

Severity = Literal["block", "warn", "report"]
State = Literal["broken", "unknown"]
"""Of a rule that is not met."""
Name = Annotated[str, Field(min_length=1, max_length=64)]
Names = tuple[Name, ...]
Share = Annotated[Decimal, Field(gt=0, le=1)]
Times = Annotated[Decimal, Field(gt=0, le=100)]


class Scope(SettingsModel):
    """Whom and what a rule binds; what is left out is everything."""

    pms: Names = ()
    accounts: Names = ()
    kinds: tuple[Kind, ...] = ()
    """Of accounts."""
    symbols: Names = ()
    asset_classes: tuple[AssetClass, ...] = ()


class _Rule(SettingsModel):
    id: Name
    scope: Scope = Scope()
    severity: Severity = "block"
    """Whether what would break it is refused, told, or only stands in the day's report."""
    effective: date | None = None
    """First day; by default it always was."""
    expires: date | None = None
    """Last day."""
    may_override: Names = ()
    """People of whom two together may let an account break it; by default nobody."""
    source: str = ""
    """Law, mandate or policy."""

    @model_validator(mode="after")
    def _in_order(self) -> "_Rule":
        if self.effective and self.expires and self.expires < self.effective:
            raise ValueError(f"rule {self.id!r} expires on {self.expires}, before it is effective on {self.effective}")
        if len(self.may_override) == 1 or len(set(self.may_override)) < len(self.may_override):
            raise ValueError(f"rule {self.id!r}: an override needs two people; name two or more, none of them twice")
        return self

    def in_force(self, day: date) -> bool:
        """Whether it binds on a day."""
        return (self.effective is None or self.effective <= day) and (self.expires is None or day <= self.expires)


class Prohibited(_Rule):
    """Symbols that may not be held."""

    kind: Literal["prohibited"]
    symbols: Annotated[Names, Field(min_length=1)]


class AssetClasses(_Rule):
    """Asset classes that may be held, or may not."""

    kind: Literal["asset_class"]
    allowed: tuple[AssetClass, ...] = ()
    prohibited: tuple[AssetClass, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> "AssetClasses":
        if bool(self.allowed) == bool(self.prohibited):
            raise ValueError(f"rule {self.id!r}: give the asset classes that are allowed, or those that are prohibited")
        return self


class MarketCap(_Rule):
    """Names of a smaller market capitalisation may not be held."""

    kind: Literal["market_cap"]
    at_least: Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 15)]
    """Money."""


class Position(_Rule):
    """The largest position in a name, of the account's net asset value."""

    kind: Literal["position"]
    at_most: Share


class SectorCap(_Rule):
    """The largest gross value in a sector, of the account's net asset value."""

    kind: Literal["sector"]
    at_most: Times


class Concentration(_Rule):
    """No issuer above ``single`` of net asset value, those above ``counted`` at most ``together``; of what is long."""

    kind: Literal["concentration"]
    single: Share = Decimal("0.10")
    counted: Share = Decimal("0.05")
    together: Share = Decimal("0.40")


class Ownership(_Rule):
    """Shares that all accounts in its scope hold long, above a part of a class of voting shares."""

    kind: Literal["ownership"]
    above: Share


class Locate(_Rule):
    """Shares sold short beyond those that were located."""

    kind: Literal["locate"]


class Leverage(_Rule):
    """Gross value of positions, in net asset values."""

    kind: Literal["leverage"]
    at_most: Times


class Coverage(_Rule):
    """Total assets less liabilities other than borrowing, in times of what is borrowed."""

    kind: Literal["coverage"]
    at_least: Times


Rule = Annotated[
    Prohibited
    | AssetClasses
    | MarketCap
    | Position
    | SectorCap
    | Concentration
    | Ownership
    | Locate
    | Leverage
    | Coverage,
    Field(discriminator="kind"),
]


RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
"""Reads one from plain values."""


class _RuleFile(SettingsModel):
    rules: tuple[Rule, ...]


def read_rules(path: str | Path, changes: Sequence[str] = ()) -> tuple[Rule, ...]:
    """The rules of a YAML file, a list under ``rules``; raises ``InputError`` as ``settings.read_settings``."""
    found = read_settings(_RuleFile, path, changes).rules
    check_distinct(found)
    return found


def check_distinct(rules: Sequence[Rule]) -> None:
    """Raise ``InputError`` where two rules have one id."""
    ids = [rule.id for rule in rules]
    if twice := [each for each in ids if ids.count(each) > 1]:
        raise InputError(f"two rules are called {twice[0]!r}; give each an id of its own.")


def check_names(
    rules: Sequence[Rule], pms: Collection[str], accounts: Collection[str], symbols: Collection[str]
) -> None:
    """Raise ``InputError`` where a rule names a manager, an account or a symbol that there is not."""
    for rule in rules:
        prohibited = rule.symbols if isinstance(rule, Prohibited) else ()
        for what, names, known in (
            ("pm", rule.scope.pms, pms),
            ("account", rule.scope.accounts, accounts),
            ("symbol", (*rule.scope.symbols, *prohibited), symbols),
        ):
            for name in names:
                if name not in known:
                    some = nearest(name, sorted(known)) or f" there are {', '.join(sorted(known)[:10]) or 'none'}."
                    raise InputError(f"rule {rule.id!r}: there is no {what} {name!r};{some}")


def laws() -> tuple[Rule, ...]:
    """Rules of law that many accounts are under, each with its source; a firm adds its mandates and policies.

    A cash account pays in full (12 CFR 220.8); Regulation T asks 50 % initial margin of equity (12 CFR 220.12), so
    that positions are at most twice the equity; an open-end fund covers what it borrows from banks three times (15
    U.S.C. 80a-18(f)(1)); a UCITS puts at most 5 % in an issuer, raised to 10 % while those above 5 % are 40 % together
    (Directive 2009/65/EC, article 52); a short sale needs a locate (17 CFR 242.203(b)(1)); who owns beneficially more
    than 5 % of a registered class of voting shares files Schedule 13D or 13G (17 CFR 240.13d-1), and above 10 % reports
    trades under Section 16 (15 U.S.C. 78p(a)).
    """
    return (
        Leverage(
            id="cash account", kind="leverage", at_most=Decimal(1), scope=Scope(kinds=("cash",)), source="12 CFR 220.8"
        ),
        Leverage(
            id="Regulation T",
            kind="leverage",
            at_most=Decimal(2),
            scope=Scope(kinds=("margin",)),
            source="12 CFR 220.12",
        ),
        Coverage(
            id="asset coverage",
            kind="coverage",
            at_least=Decimal(3),
            scope=Scope(kinds=("mutual_fund",)),
            source="15 U.S.C. 80a-18(f)(1)",
        ),
        Concentration(
            id="5/10/40",
            kind="concentration",
            scope=Scope(kinds=("ucits",)),
            source="Directive 2009/65/EC, article 52",
        ),
        Locate(id="locate", kind="locate", source="17 CFR 242.203(b)(1)"),
        Ownership(
            id="13D or 13G",
            kind="ownership",
            above=Decimal("0.05"),
            severity="report",
            source="17 CFR 240.13d-1",
        ),
        Ownership(id="Section 16", kind="ownership", above=Decimal("0.10"), severity="warn", source="15 U.S.C. 78p(a)"),
    )
