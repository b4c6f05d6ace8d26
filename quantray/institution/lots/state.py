"""Lots as events change them: a working copy that becomes a book only where all events went through."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from quantray.errors import InputError
from quantray.institution.lots.events import TaxAccount
from quantray.institution.lots.records import Lot, Realised, Unreplaced

__all__ = ["State"]


@dataclass(slots=True)
class State:
    """The lots of all accounts, by account and symbol in the order of acquisition."""

    accounts: Mapping[str, TaxAccount]
    identical: Mapping[str, str]
    """Symbol -> name of the group of substantially identical ones; itself where it is not named."""
    lots: dict[tuple[str, str], list[Lot]] = field(default_factory=dict)
    realised: list[Realised] = field(default_factory=list)
    unreplaced: dict[tuple[str, str, int], list[Unreplaced]] = field(default_factory=dict)
    """Taxpayer, group and side -> losses in the order of the sales."""
    holders: dict[tuple[str, str], dict[tuple[str, str], None]] = field(default_factory=dict)
    """Taxpayer and group -> keys of ``lots`` that may hold some."""
    number: int = 0

    @classmethod
    def of(
        cls,
        accounts: Mapping[str, TaxAccount],
        identical: Mapping[str, str],
        lots: Iterable[Lot],
        realised: Iterable[Realised],
        unreplaced: Iterable[Unreplaced],
    ) -> "State":
        """A working copy."""
        state = cls(accounts, identical, realised=list(realised))
        for (account, symbol), held in groupby(lots, key=lambda lot: (lot.account, lot.symbol)):
            state.line(account, symbol).extend(held)
        state.number = max((lot.number for line in state.lots.values() for lot in line), default=0)
        for loss in unreplaced:
            state.losses(loss.taxpayer, loss.symbol, loss.side).append(loss)
        return state

    def account(self, name: str) -> TaxAccount:
        """An account; raises ``InputError`` where there is none of the name."""
        if name not in self.accounts:
            raise InputError(f"account {name!r} is not in the lot book; open it with its taxpayer and tax method.")
        return self.accounts[name]

    def group(self, symbol: str) -> str:
        """Which symbols count as the same."""
        return self.identical.get(symbol, symbol)

    def line(self, account: str, symbol: str) -> list[Lot]:
        """The lots of an account in a symbol, to be changed in place."""
        key = account, symbol
        if key not in self.lots:
            self.lots[key] = []
            self.holders.setdefault((self.accounts[account].taxpayer, self.group(symbol)), {})[key] = None
        return self.lots[key]

    def put(self, account: str, symbol: str, lots: Iterable[Lot]) -> None:
        """Lots among those of an account, where their acquisition places them; after others of the same purchase."""
        line = self.line(account, symbol)
        line.extend(lots)
        line.sort(key=lambda lot: lot.number)

    def take(self, account: str, symbol: str) -> list[Lot]:
        """The lots of an account in a symbol, which has none from now on."""
        line = self.line(account, symbol)
        taken, line[:] = list(line), []
        return taken

    def of_taxpayer(self, taxpayer: str, symbol: str) -> list[list[Lot]]:
        """The lines of all accounts of a taxpayer in what counts as a symbol."""
        return [self.lots[key] for key in self.holders.get((taxpayer, self.group(symbol)), ())]

    def losses(self, taxpayer: str, symbol: str, side: Literal[1, -1]) -> list[Unreplaced]:
        """Losses in what counts as a symbol, to be changed in place."""
        return self.unreplaced.setdefault((taxpayer, self.group(symbol), side), [])

    def accounts_with(self, symbol: str) -> list[str]:
        """Accounts that have lots in a symbol, in alphabetical order."""
        return sorted(account for (account, held), line in self.lots.items() if held == symbol and line)
