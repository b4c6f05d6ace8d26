"""What accounts hold, as arrays over A accounts and N names, for rules that look at all of them at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from quantray.arrays import Bool, Float, Int
from quantray.errors import InputError
from quantray.institution.facts import NameFacts

__all__ = ["Positions"]

_NONE: Any = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Positions:
    """A accounts and what they hold of N names.

    Parameters
    ----------
    accounts : (A,) ids.
    pms : (A,) whose they are.
    kinds : (A,) such as margin, see ``rules.KINDS``; empty where unknown, which may be any.
    symbols : (N,).
    shares : (A, N); shorts negative.
    prices : (N,) money a share; NaN where there is none.
    cash : (A,) money; negative where it is borrowed.
    located : (A, N) shares that may be sold short; by default none.
    facts : of symbols; what is missing is unknown.

    Raises
    ------
    InputError
        Shapes disagree, an id stands twice, or shares or cash are not finite.
    """

    accounts: Sequence[str]
    pms: Sequence[str]
    kinds: Sequence[str]
    symbols: Sequence[str]
    shares: Float
    prices: Float
    cash: Float
    located: Float = _NONE
    facts: Mapping[str, NameFacts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = len(self.accounts), len(self.symbols)
        if self.located is None:
            object.__setattr__(self, "located", np.zeros(shape))
        for what, ids in (("account", self.accounts), ("symbol", self.symbols)):
            if len(set(ids)) < len(ids):
                twice = next(each for each in ids if list(ids).count(each) > 1)
                raise InputError(f"{what} {twice!r} stands twice among the positions; give each once.")
        for name in ("shares", "prices", "cash", "located"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        fits = self.shares.shape == self.located.shape == shape and self.prices.shape == shape[1:]
        if not fits or self.cash.shape != shape[:1] or {len(self.pms), len(self.kinds)} != {shape[0]}:
            raise InputError(
                f"shares {self.shares.shape}, prices {self.prices.shape} and cash {self.cash.shape} do not fit "
                f"{shape[0]} accounts and {shape[1]} symbols."
            )
        if not (np.isfinite(self.shares).all() and np.isfinite(self.cash).all()):
            raise InputError("shares and cash must be finite; leave out what is not known to be held.")

    @cached_property
    def held(self) -> Bool:
        """(A, N)."""
        return np.asarray(self.shares != 0)

    @cached_property
    def values(self) -> Float:
        """(A, N) money; NaN where shares are held that have no price."""
        prices = np.where(self.prices > 0, self.prices, np.nan)
        return np.where(self.held, self.shares * np.where(np.isnan(prices), np.nan, prices), 0.0)

    @cached_property
    def nav(self) -> Float:
        """(A,) money: cash and the value of all positions; NaN where one has no price."""
        return np.asarray(self.cash + self.values.sum(axis=1))

    @cached_property
    def gross(self) -> Float:
        """(A,) money; NaN where a position has no price."""
        return np.asarray(np.abs(self.values).sum(axis=1))

    @cached_property
    def asset_classes(self) -> list[str]:
        """(N,), empty where unknown."""
        return self._facts(lambda it: it.asset_class, "")

    @cached_property
    def sectors(self) -> list[str]:
        """(N,), empty where unknown."""
        return self._facts(lambda it: it.sector, "")

    @cached_property
    def issuers(self) -> tuple[list[str], Int]:
        """(I,) issuers, and (N,) the place of each name's among them."""
        found = self._facts(lambda it: it.issuer, "")
        names, places = np.unique(
            [own or symbol for own, symbol in zip(found, self.symbols, strict=True)], return_inverse=True
        )
        return names.tolist(), places

    @cached_property
    def caps(self) -> Float:
        """(N,) market capitalisations; NaN where unknown."""
        return np.array(self._facts(lambda it: it.market_cap, None), dtype=np.float64)

    @cached_property
    def outstanding(self) -> Float:
        """(N,) shares outstanding; NaN where unknown."""
        return np.array(self._facts(lambda it: it.shares_outstanding, None), dtype=np.float64)

    def of(self, account: str | None = None, symbol: str | None = None) -> "Positions":
        """Those of one account, or of one name; raises ``InputError`` where there is none such."""
        rows = slice(None) if account is None else [self.place("account", account)]
        names = slice(None) if symbol is None else [self.place("symbol", symbol)]
        return Positions(
            accounts=np.asarray(self.accounts)[rows].tolist(),
            pms=np.asarray(self.pms)[rows].tolist(),
            kinds=np.asarray(self.kinds)[rows].tolist(),
            symbols=np.asarray(self.symbols)[names].tolist(),
            shares=self.shares[rows][:, names],
            prices=self.prices[names],
            cash=self.cash[rows],
            located=self.located[rows][:, names],
            facts=self.facts,
        )

    def traded(self, account: str, symbol: str, shares: float, price: float) -> "Positions":
        """After a trade at a price; negative shares are sold. Raises ``InputError`` as ``of``."""
        row, name = self.place("account", account), self.place("symbol", symbol)
        held, cash = self.shares.copy(), self.cash.copy()
        held[row, name] += shares
        cash[row] -= shares * price
        return Positions(
            accounts=self.accounts,
            pms=self.pms,
            kinds=self.kinds,
            symbols=self.symbols,
            shares=held,
            prices=self.prices,
            cash=cash,
            located=self.located,
            facts=self.facts,
        )

    def place(self, what: str, name: str) -> int:
        """The row of an account or the column of a symbol; raises ``InputError`` where there is none such."""
        names = list(self.accounts if what == "account" else self.symbols)
        if name not in names:
            raise InputError(f"there is no {what} {name!r} among the positions; give what it holds, or zero.")
        return names.index(name)

    def _facts(self, read: Callable[[NameFacts], Any], unknown: object) -> list[Any]:
        unheard = NameFacts()
        found = [read(self.facts.get(symbol, unheard)) for symbol in self.symbols]
        return [unknown if each is None else each for each in found]
